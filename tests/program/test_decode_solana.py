"""``yieldbot decode`` of Solana's transactions: no node; what is not known is not described as known."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit import ROOT
from tests.kit.cli.decode_solana import BANK, OWNER, STRANGER, USDC, deposit
from tests.kit.draws import draws
from tests.kit.program import yieldbot
from yieldbot.chains.solana.execution.build import (
    NO_BLOCKHASH,
    Bid,
    budget,
    close_account,
    compiled,
    create_account,
    message_bytes,
)
from yieldbot.chains.solana.execution.clear import KnownNames, lines, read
from yieldbot.config.chain import load_chain
from yieldbot.config.load import read_toml
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address, svm_chain
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM, ata, key_bytes, layout

FILE = ROOT / "chains" / "solana.toml"
USDT = Address("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB")
ORCA = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"


@pytest.fixture(scope="module")
def book() -> KnownNames:
    return KnownNames.of(load_chain(FILE, read_toml(FILE), {}))


def said(book: KnownNames, *calls: SvmInstruction) -> list[str]:
    reading = read(message_bytes(compiled(calls, OWNER, NO_BLOCKHASH)), book)
    assert reading is not None
    return list(lines(reading))


def test_a_deposit_is_told_in_words(book: KnownNames) -> None:
    token = Token(svm_chain("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"), USDC, "USDC", 6)
    mine = ata(OWNER, USDC)
    told = said(
        book,
        *budget(Bid(200_000, 1_000)),
        create_account(OWNER, token, mine, TOKEN_PROGRAM),
        deposit(),
        close_account(OWNER, mine, TOKEN_PROGRAM, ""),
    )
    assert told == [
        f"paid by {OWNER}",
        "1. use at most 200,000 compute units",
        "2. bid 1,000 micro-lamports a compute unit",
        f"3. open {OWNER}'s account of USDC",
        "4. deposit 1,000 USDC into marginfi [lending_account_deposit of marginfi]",
        f"     owner: {OWNER}",
        f"     user_liquidity: {mine}",
        f"5. close {mine}; its SOL goes to the payer",
    ]


def test_a_swap_is_told_with_its_least(book: KnownNames) -> None:
    program, pool = (Address(text) for text in (ORCA, "4fuUiYxTQ6QCrdSq9ouBYcTM7bqSwYTSyLueGZLTy4T4"))
    names = ("token_program", "vault_a", "vault_b", "tick_array_0", "tick_array_1", "tick_array_2", "oracle")
    accounts = dict.fromkeys(names, STRANGER) | {"owner": OWNER, "whirlpool": pool}
    accounts |= {"owner_a": ata(OWNER, USDC), "owner_b": ata(OWNER, USDT)}

    def told(*args: int, **other: Address) -> list[str]:
        return said(book, layout("orca_whirlpool").build("swap", program, accounts | other, *args))

    assert told(10**9, 999_900_000, 0, True, True)[1] == (
        "1. swap 1,000 USDC for at least 999.9 USDT in Orca [swap of orca_whirlpool]"
    )
    assert "1. swap 1,000 USDT for at least 999.9 USDC in Orca" in told(10**9, 999_900_000, 0, True, False)[1]
    assert "swap at most 1,000.1 USDC for 1,000 USDT in Orca" in told(10**9, 1_000_100_000, 0, False, True)[1]
    limited = told(10**9, 999_900_000, 1 << 64, True, True)[1]
    assert "for at least 999.9 USDT, or a part of it, up to a price limit in Orca" in limited
    theirs = told(10**9, 1, 0, True, True, owner_b=STRANGER)
    assert "for at least 1 base units of an unknown token" in theirs[1]
    assert theirs[-1].startswith(f"     !! owner_b, {STRANGER}, is no account of the payer's own")
    other = told(10**9, 1, 0, True, True, whirlpool=STRANGER)
    assert other[1].startswith("1. NOT KNOWN: orca_whirlpool: if it is swap, then: swap 1,000 USDC")


def test_what_is_another_market_account_or_amount_is_not_described_as_known(book: KnownNames) -> None:
    call = deposit()
    other_bank = replace(call, accounts=tuple(SvmMeta(STRANGER) if m.address == BANK else m for m in call.accounts))
    assert said(book, other_bank)[1].startswith(
        "1. NOT KNOWN: marginfi: if it is lending_account_deposit, then: deposit"
    )
    account = ata(OWNER, USDC)
    theirs = replace(
        call, accounts=tuple(SvmMeta(STRANGER, writable=True) if m.address == account else m for m in call.accounts)
    )
    told = said(book, theirs)
    assert "deposit 1,000,000,000 base units of an unknown token into marginfi" in told[1]
    assert told[-1].startswith(f"     !! user_liquidity, {STRANGER}, is no account of the payer's own")
    longer = replace(call, data=call.data + b"\0")
    assert said(book, longer)[1] == "1. NOT KNOWN: marginfi: the bytes are not an exact lending_account_deposit"
    unknown = replace(call, data=b"\1" * 17)
    assert said(book, unknown)[1] == "1. NOT KNOWN: marginfi: 0x0101010101010101 is none of its instructions here"
    stranger = replace(call, program=STRANGER)
    assert said(book, stranger)[1].startswith(f"1. NOT KNOWN: program {STRANGER}: nothing that is known here")


def test_allowing_others_is_loud(book: KnownNames) -> None:
    mine = ata(OWNER, USDC)
    metas = (SvmMeta(mine, writable=True), SvmMeta(STRANGER), SvmMeta(OWNER, signer=True))
    approve = SvmInstruction(TOKEN_PROGRAM, metas, b"\4" + struct.pack("<Q", 5 * 10**6), "")
    assert said(book, approve)[1:] == [
        f"1. allow that {STRANGER} may take up to 5 USDC out of {mine}",
        f"     !! {STRANGER} may take up to 5 USDC out of {mine}",
        f"     DANGER: an allowance to an unknown spender: {STRANGER} may take 5 USDC, or all that lies there if it is "
        f"less, out of {mine} at any later time, until it is taken back",
    ]
    hand_over = SvmInstruction(TOKEN_PROGRAM, metas, b"\6\2\1" + bytes(32), "")
    assert "!! all that lies in" in said(book, hand_over)[2]
    send = SvmInstruction(
        SYSTEM_PROGRAM,
        (SvmMeta(OWNER, True, True), SvmMeta(STRANGER, False, True)),
        b"\2\0\0\0" + struct.pack("<Q", 1_500_000_000),
        "",
    )
    assert said(book, send)[1] == f"1. send 1.5 SOL from {OWNER} to {STRANGER}"


def test_who_gets_a_right_over_a_token_account_is_told(book: KnownNames) -> None:
    mine = ata(OWNER, USDC)
    metas = (SvmMeta(mine, writable=True), SvmMeta(OWNER, signer=True))

    def of(data: bytes) -> list[str]:
        return said(book, SvmInstruction(TOKEN_PROGRAM, metas, data, ""))[1:]

    thief = key_bytes(STRANGER)
    assert of(b"\6\2\1" + thief) == [
        f"1. from now on {STRANGER} may own {mine}",
        f"     !! all that lies in {mine} is {STRANGER}'s from then on",
        f"     DANGER: control handed to an unknown address: {STRANGER} may own {mine}, with all that lies in it, "
        "from then on",
    ]
    assert of(b"\6\3\1" + thief)[0] == f"1. from now on {STRANGER} may close {mine}"
    assert "!!" in of(b"\6\3\1" + thief)[1]
    assert of(b"\6\3\0") == [f"1. nobody may close {mine} any more but its owner"]
    assert of(b"\6\2\1" + key_bytes(OWNER)) == [f"1. from now on the payer may own {mine}"]
    for odd in (b"\6\x09\0", b"\6\3\2", b"\6\3\1" + thief[:31], b"\6\3\0" + thief):
        assert of(odd)[0].startswith("1. NOT KNOWN: SPL Token"), odd
    delegate = (SvmMeta(mine, writable=True), SvmMeta(STRANGER), SvmMeta(OWNER, signer=True))
    every = said(book, SvmInstruction(TOKEN_PROGRAM, delegate, b"\4" + b"\xff" * 8, ""))
    assert every[1] == f"1. allow that {STRANGER} may take up to any amount of USDC out of {mine}"


@settings(max_examples=draws(60, 200), deadline=None)
@given(st.data())
def test_any_bytes_are_read_or_are_none(book: KnownNames, data: st.DataObject) -> None:
    raw = bytearray(message_bytes(compiled((*budget(Bid(1, 1)), deposit()), OWNER, NO_BLOCKHASH)))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for some in (bytes(raw), bytes(raw[:cut]), bytes(raw) + b"\0"):
        reading = read(some, book)
        assert reading is None or all(isinstance(line, str) for line in lines(reading))


def test_the_command(tmp_path: Path, book: KnownNames) -> None:
    from solders.message import from_bytes_versioned
    from solders.signature import Signature
    from solders.transaction import VersionedTransaction

    raw = message_bytes(compiled((deposit(),), OWNER, NO_BLOCKHASH))
    whole = bytes(VersionedTransaction.populate(from_bytes_versioned(raw), [Signature.default()]))
    for given_bytes in (raw, whole):
        text = base64.b64encode(given_bytes).decode()
        ended = yieldbot("decode", text, "--chain", "solana", cwd=tmp_path)
        assert ended.code == 0 and "1. deposit 1,000 USDC into marginfi" in ended.out
    document = yieldbot("decode", "-", "--chain", "solana", "--json", cwd=tmp_path, given=text).document
    assert document["payer"] == OWNER and document["signatures"] == 1
    (one,) = document["instructions"]
    assert one["known"] is True and one["intent"] == "deposit 1,000 USDC into marginfi" and one["warnings"] == []
    metas = (SvmMeta(ata(OWNER, USDC), writable=True), SvmMeta(OWNER, signer=True))
    theft = SvmInstruction(TOKEN_PROGRAM, metas, b"\6\2\1" + key_bytes(STRANGER), "")
    stolen = base64.b64encode(message_bytes(compiled((deposit(), theft), OWNER, NO_BLOCKHASH))).decode()
    ended = yieldbot("decode", stolen, "--chain", "solana", cwd=tmp_path)
    assert ended.code == 4 and "DANGER: control handed to an unknown address" in ended.out
    ended = yieldbot("decode", stolen, "--chain", "solana", "--json", cwd=tmp_path)
    assert ended.code == 4 and [len(i["dangers"]) for i in ended.document["instructions"]] == [0, 1]
    for words, what in (
        (("zz!", "--chain", "solana"), "no base64"),
        (("AAAA", "--chain", "solana"), "no Solana transaction"),
        ((text, "--chain", "solana", "--to", OWNER), "--to means nothing"),
        (("0x00", "--chain", "base"), "--to is missing"),
    ):
        wrong = yieldbot("decode", *words, cwd=tmp_path)
        assert wrong.code == 2 and what in wrong.line
