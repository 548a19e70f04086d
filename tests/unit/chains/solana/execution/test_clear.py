"""Solana's own instructions in words, and those of a layout: exactly what the bytes say, or that they are not known."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey

from tests.kit.solana.gate import CHAIN, KEY, MINT, OTHER, OWNER, SOL, STRANGER, TOKEN_PROGRAM, USDC
from tests.kit.solana.judge import TOKEN_2022, mine
from yieldbot.chains.solana.execution.account import SYSTEM
from yieldbot.chains.solana.execution.build import ATA_PROGRAM, COMPUTE_BUDGET, NO_BLOCKHASH, compiled, message_bytes
from yieldbot.chains.solana.execution.clear import DecodedTx, InstructionReading, KnownNames, lines, read
from yieldbot.chains.solana.execution.clear_call import MEMO, SOLANAS
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.resources import folder

PROGRAM, POOL = (Address(str(Pubkey.from_bytes(bytes([n] * 32)))) for n in (41, 42))
TOKENS = {USDC.address: USDC, SOL.address: SOL}
BOOK = KnownNames(SOLANAS, {}, TOKENS, {})
HIS = Address(str(Pubkey.from_bytes(bytes([43] * 32))))
OURS, WRAPPED = mine(USDC), mine(SOL)


def said(program: str, data: bytes, *accounts: str, book: KnownNames = BOOK) -> InstructionReading:
    metas = tuple(SvmMeta(Address(a), writable=True) for a in accounts)
    made = compiled([SvmInstruction(Address(program), metas, data, "")], OWNER, NO_BLOCKHASH)
    reading = read(message_bytes(made), book)
    assert reading is not None and reading.payer == OWNER and reading.signatures == 1 and not reading.tables
    (one,) = reading.instructions
    return one


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


FIVE = u64(5_000_000)
KNOWN: list[tuple[str, bytes, tuple[str, ...], str]] = [
    (COMPUTE_BUDGET, b"\x02" + struct.pack("<I", 1_400_000), (), "use at most 1,400,000 compute units"),
    (COMPUTE_BUDGET, b"\x03" + u64(12_345), (), "bid 12,345 micro-lamports a compute unit"),
    (SYSTEM, b"\2\0\0\0" + u64(1), (OWNER, HIS), f"send 0.000000001 SOL from {OWNER} to {HIS}"),
    (SYSTEM, b"\2\0\0\0" + u64(1_234 * 10**9), (HIS, OWNER), f"send 1,234 SOL from {HIS} to the payer"),
    (
        SYSTEM,
        b"\2\0\0\0" + u64(10**9),
        (OWNER, WRAPPED),
        f"send 1 SOL from {OWNER} to the payer's own wrapped SOL account",
    ),
    (ATA_PROGRAM, b"\1", (OWNER, OURS, OWNER, MINT), f"open {OWNER}'s account of USDC"),
    (ATA_PROGRAM, b"\0", (OWNER, OURS, HIS, OTHER), f"open {HIS}'s account of mint {OTHER}"),
    (ATA_PROGRAM, b"", (OWNER, OURS, HIS, OTHER), f"open {HIS}'s account of mint {OTHER}"),
    (TOKEN_PROGRAM, b"\3" + FIVE, (OURS, HIS, OWNER), f"send 5 USDC from {OURS} to {HIS}"),
    (
        TOKEN_PROGRAM,
        b"\3" + FIVE,
        (HIS, OURS, OWNER),
        f"send 5,000,000 base units of an unknown token from {HIS} to the payer's own USDC account",
    ),
    (TOKEN_2022, b"\x0c" + FIVE + b"\6", (HIS, MINT, OURS, OWNER), f"send 5 USDC from {HIS} to {{OURS}}"),
    (TOKEN_PROGRAM, b"\x0c" + FIVE + b"\6", (HIS, OTHER, HIS, OWNER), f"send 5,000,000 base units of {OTHER} from"),
    (TOKEN_PROGRAM, b"\5", (OURS, OWNER), f"take back what was allowed on {OURS}"),
    (TOKEN_PROGRAM, b"\x09", (OURS, OWNER, OWNER), f"close {OURS}; its SOL goes to the payer"),
    (TOKEN_PROGRAM, b"\x09", (OURS, HIS, OWNER), f"close {OURS}; its SOL goes to {HIS}"),
    (TOKEN_PROGRAM, b"\x11", (WRAPPED,), f"count the SOL that lies in {WRAPPED}"),
    (MEMO, "caf\u00e9".encode(), (), "note 'caf\u00e9'"),
    (MEMO, b"x" * 300, (), f"note {'x' * 200!r}"),
    (TOKEN_PROGRAM, b"\6\0\0", (OTHER, OWNER), f"nobody may mint more of {OTHER} any more"),
    (TOKEN_PROGRAM, b"\6\1\0", (OTHER, OWNER), f"nobody may freeze accounts of {OTHER} any more"),
    (TOKEN_PROGRAM, b"\6\3\0", (OURS, OWNER), f"nobody may close {OURS} any more but its owner"),
    (
        TOKEN_PROGRAM,
        b"\6\2\1" + bytes(Pubkey.from_string(OWNER)),
        (OURS, OWNER),
        f"from now on the payer may own {OURS}",
    ),
]


@pytest.mark.parametrize(("program", "data", "accounts", "words"), KNOWN)
def test_solanas_own_instructions_are_told(program: str, data: bytes, accounts: tuple[str, ...], words: str) -> None:
    found = said(program, data, *accounts)
    wanted = words.replace("{OURS}", "the payer's own USDC account")
    assert found.known and found.fault is None and found.description.startswith(wanted), found.description
    assert found.description == wanted or wanted.endswith("from")
    assert found.warnings == () and found.contract == SOLANAS[Address(program)] and found.function is None


WARNED: list[tuple[bytes, tuple[str, ...], str, str]] = [
    (
        b"\4" + FIVE,
        (OURS, HIS, OWNER),
        f"allow that {HIS} may take up to 5 USDC out of {OURS}",
        f"{HIS} may take up to",
    ),
    (b"\4" + u64(2**64 - 1), (OURS, HIS, OWNER), f"allow that {HIS} may take up to any amount of USDC out of", HIS),
    (
        b"\4" + u64(2**64 - 1),
        (HIS, OTHER, OWNER),
        f"allow that {OTHER} may take up to any amount of an unknown token out of {HIS}",
        OTHER,
    ),
    (b"\x0d" + FIVE + b"\6", (OURS, MINT, HIS, OWNER), f"allow that {HIS} may take up to 5 USDC out of {OURS}", HIS),
    (
        b"\x0d" + u64(2**64 - 1) + b"\6",
        (HIS, OTHER, OWNER, OWNER),
        f"allow that {OWNER} may take up to any amount of {OTHER} out of {HIS}",
        OWNER,
    ),
    (
        b"\6\2\1" + bytes(Pubkey.from_string(HIS)),
        (OURS, OWNER),
        f"from now on {HIS} may own {OURS}",
        f"all that lies in {OURS} is {HIS}'s from then on",
    ),
    (
        b"\6\3\1" + bytes(Pubkey.from_string(HIS)),
        (OURS, OWNER),
        f"from now on {HIS} may close {OURS}",
        f"from now on {HIS} may close {OURS}",
    ),
]


@pytest.mark.parametrize(("data", "accounts", "words", "warning"), WARNED)
def test_what_lets_another_take_ours_is_warned_of(
    data: bytes, accounts: tuple[str, ...], words: str, warning: str
) -> None:
    found = said(TOKEN_PROGRAM, data, *accounts)
    assert found.known and found.description.startswith(words), found.description
    (told,) = found.warnings
    assert told.startswith(warning)


UNKNOWN: list[tuple[str, bytes, tuple[str, ...]]] = [
    (COMPUTE_BUDGET, b"\x02" + bytes(5), ()),
    (COMPUTE_BUDGET, b"\x03" + bytes(4), ()),
    (COMPUTE_BUDGET, b"\x01" + bytes(4), ()),
    (COMPUTE_BUDGET, b"\x02" + bytes(8), ()),
    (SYSTEM, b"\2\0\0\0" + u64(1), (OWNER,)),
    (SYSTEM, b"\2\0\0\0" + u64(1) + b"\0", (OWNER, HIS)),
    (SYSTEM, b"\3\0\0\0" + u64(1), (OWNER, HIS)),
    (ATA_PROGRAM, b"\1", (OWNER, OURS, OWNER)),
    (ATA_PROGRAM, b"\2", (OWNER, OURS, OWNER, MINT)),
    (TOKEN_PROGRAM, b"", (OURS, HIS, OWNER, OWNER)),
    (TOKEN_PROGRAM, b"\3" + FIVE, (OURS, HIS)),
    (TOKEN_PROGRAM, b"\3" + FIVE + b"\0", (OURS, HIS, OWNER)),
    (TOKEN_PROGRAM, b"\x0c" + FIVE, (HIS, MINT, OURS, OWNER)),
    (TOKEN_PROGRAM, b"\x0c" + FIVE + b"\6", (HIS, MINT, OURS)),
    (TOKEN_PROGRAM, b"\4" + FIVE, (OURS, HIS)),
    (TOKEN_PROGRAM, b"\4" + FIVE + b"\0", (OURS, HIS, OWNER)),
    (TOKEN_PROGRAM, b"\x0d" + FIVE + b"\6", (OURS, MINT, HIS)),
    (TOKEN_PROGRAM, b"\x0d" + FIVE, (OURS, MINT, HIS, OWNER)),
    (TOKEN_PROGRAM, b"\5\0", (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\5", (OURS,)),
    (TOKEN_PROGRAM, b"\x09\0", (OURS, OWNER, OWNER)),
    (TOKEN_PROGRAM, b"\x09", (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\x11\0", (OURS,)),
    (TOKEN_PROGRAM, b"\x11", ()),
    (TOKEN_PROGRAM, b"\6\2\0", (OURS,)),
    (TOKEN_PROGRAM, b"\6\4\0", (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\6\2\1", (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\6\2\0" + bytes(31) + b"\1", (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\6\2\1" + bytes(31), (OURS, OWNER)),
    (TOKEN_PROGRAM, b"\x07" + FIVE, (OURS, HIS, OWNER)),
    (PROGRAM, b"\3" + FIVE, (OURS, HIS, OWNER)),
]


@pytest.mark.parametrize(("program", "data", "accounts"), UNKNOWN)
def test_what_is_not_exactly_known_is_shown_raw(program: str, data: bytes, accounts: tuple[str, ...]) -> None:
    found = said(program, data, *accounts)
    assert not found.known and found.description == "" and found.function is None
    assert found.fault == "nothing that is known here describes this instruction"
    assert found.fields == (("data", "0x" + data.hex()), *((f"account {i}", a) for i, a in enumerate(accounts, 1)))


# An instruction of a layout.

LAYOUT = json.loads((folder("abis") / "save.json").read_text())
SAVE_BOOK = KnownNames({PROGRAM: "save"}, {POOL: "the USDC reserve"}, TOKENS, {PROGRAM: LAYOUT})


def deposit(reserve: str = POOL, source: str = OURS, data: bytes = b"\4" + FIVE, cut: int = 9) -> InstructionReading:
    accounts = (source, HIS, reserve, HIS, OTHER, HIS, HIS, OWNER, TOKEN_PROGRAM)
    return said(PROGRAM, data, *accounts[:cut], book=SAVE_BOOK)


def test_an_instruction_of_a_layout_is_known_where_its_market_is_listed() -> None:
    found = deposit()
    assert found.known and found.description == "deposit 5 USDC into the USDC reserve"
    assert (found.contract, found.function) == ("save", "deposit_reserve_liquidity")
    assert found.fields == (("source_liquidity", OURS), ("destination_collateral", HIS), ("owner", OWNER))
    assert found.warnings == (
        f"destination_collateral, {HIS}, is no account of the payer's own that could be derived here",
    )
    other = deposit(reserve=HIS)
    assert not other.known and other.description == f"deposit 5 USDC into {HIS}" and other.fault is None
    not_ours = deposit(source=HIS)
    assert not_ours.description == "deposit 5,000,000 base units of an unknown token into the USDC reserve"
    assert len(not_ours.warnings) == 2


def test_bytes_that_are_not_exactly_the_layouts_are_not_known() -> None:
    for found in (deposit(data=b"\4" + FIVE + b"\0"), deposit(data=b"\4" + FIVE[:-1]), deposit(cut=8)):
        assert not found.known and found.fault == "the bytes are not an exact deposit_reserve_liquidity"
        assert found.function == "deposit_reserve_liquidity" and found.contract == "save"
    found = deposit(data=b"\x0f" + FIVE)
    assert found.fault == f"0x{(bytes([15]) + FIVE)[:8].hex()} is none of its instructions here" and not found.known


@pytest.mark.parametrize(("given", "everything", "whole"), [(1, 1, True), (1, 0, False), (0, 1, False), (0, 0, False)])
def test_a_withdrawal_of_everything_is_told_as_one(given: int, everything: int, whole: bool) -> None:
    layout = json.loads((folder("abis") / "marginfi.json").read_text())
    book = KnownNames({PROGRAM: "marginfi"}, {POOL: "the USDC bank"}, TOKENS, {PROGRAM: layout})
    tag = bytes.fromhex(layout["instructions"]["lending_account_withdraw"]["tag"])
    accounts = (HIS, HIS, OWNER, POOL, OURS, HIS, HIS, TOKEN_PROGRAM)
    found = said(PROGRAM, tag + FIVE + bytes([given, everything]), *accounts, book=book)
    assert found.description == f"withdraw {'everything' if whole else '5 USDC'} from the USDC bank"


def test_who_owns_and_who_pays_are_told_apart() -> None:
    accounts = (OURS, HIS, POOL, HIS, OTHER, HIS, HIS, HIS, TOKEN_PROGRAM)
    found = said(PROGRAM, b"\4" + FIVE, *accounts, book=SAVE_BOOK)
    assert found.warnings[0] == f"the owner, {HIS}, is not who pays"


def test_the_names_of_a_clusters_file_are_all_found() -> None:
    place = Deployment("save", CHAIN, "Save", {"program": PROGRAM, "reserves": (POOL, HIS)}, (USDC,))
    other = Deployment("idle_svm", CHAIN, "Wallet", {}, (USDC,))
    swaps = Deployment("orca_whirlpool", CHAIN, "Orca", {"program": OTHER, "pools": [STRANGER]}, (USDC, SOL))
    settings: Any = type("S", (), {"deployments": (place, other), "exchanges": (swaps,), "tokens": {"USDC": USDC}})()
    book = KnownNames.of(settings)
    assert (book.programs[PROGRAM], book.programs[OTHER], book.programs[SYSTEM]) == (
        "save",
        "orca_whirlpool",
        SOLANAS[SYSTEM],
    )
    assert book.markets == {POOL: "Save", HIS: "Save", STRANGER: "Orca"} and book.tokens == {MINT: USDC}
    assert set(book.layouts) == {PROGRAM, OTHER} and "instructions" in book.layouts[PROGRAM]


def test_a_reading_as_lines() -> None:
    known = InstructionReading(PROGRAM, True, "save", "deposit", "deposit 5", (("owner", "o"),), None, ("careful",))
    bare = InstructionReading(PROGRAM, True, "SPL Token", None, "close it")
    unsure = replace(known, known=False, warnings=())
    not_known = InstructionReading(PROGRAM, False, None, None, "", (), "why")
    reading = DecodedTx(OWNER, 3, (known, bare, unsure, not_known))
    assert list(lines(reading)) == [
        f"paid by {OWNER}, and 2 more must sign",
        "1. deposit 5 [deposit of save]",
        "     owner: o",
        "     !! careful",
        "2. close it",
        "3. NOT KNOWN: save: if it is deposit, then: deposit 5",
        "     owner: o",
        f"4. NOT KNOWN: program {PROGRAM}: why",
    ]
    assert next(lines(replace(reading, signatures=1))) == f"paid by {OWNER}"
    assert next(lines(replace(reading, signatures=2))) == f"paid by {OWNER}, and 1 more must sign"


def test_messages_of_the_older_form_are_read_too() -> None:
    made = Message.new_with_blockhash([], KEY.pubkey(), Hash.default())
    reading = read(bytes(made), BOOK)
    assert reading is not None and reading.payer == OWNER and reading.instructions == ()
    assert read(bytes(made) + b"\0", BOOK) is None
