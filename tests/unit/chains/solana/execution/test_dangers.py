"""What of a Solana transaction hands over control, allowances or money: told as DANGER. The bytes are those that the
public builders (solders, solana-py) make; where those have none, the real programs of LiteSVM run them in
test_dangers_programs.py."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders import system_program as system
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from spl.token import instructions as token
from spl.token import models

from tests.kit.draws import draws
from tests.kit.solana.dangers import (
    AT,
    BOOK,
    CLOCK,
    HIS,
    KEY,
    KINDS,
    LOADERS,
    MARKET,
    OURS,
    OWNER,
    RENT,
    STAKES,
    TOKENS,
    TOKENS_22,
    call,
    grant,
    hand,
    reading,
    said,
    stake,
    text,
    u32,
)
from yieldbot.chains.solana.execution.clear import lines, read

THEIRS = token.get_associated_token_address(HIS, KEY)
HISTORY = Pubkey.from_string("SysvarStakeHistory1111111111111111111111111")


UNKNOWN = "control handed to an unknown address: "
EVER = f"out of {OURS} at any later time, until it is taken back"


def loader(tag: int, *accounts: Pubkey) -> Instruction:
    return call(LOADERS, u32(tag), *accounts)


DANGERS: dict[str, tuple[Instruction, str]] = {
    "the owner of a token account": (hand(KINDS.ACCOUNT_OWNER, HIS), f"{UNKNOWN}{HIS} may own {OURS}, with all that"),
    "its close authority": (hand(KINDS.CLOSE_ACCOUNT, HIS), f"{UNKNOWN}{HIS} may close {OURS}"),
    "a mint's authority": (hand(KINDS.MINT_TOKENS, HIS, KEY), f"{UNKNOWN}{HIS} may mint more of {KEY}"),
    "its freeze authority": (hand(KINDS.FREEZE_ACCOUNT, HIS, KEY), f"{UNKNOWN}{HIS} may freeze accounts of {KEY}"),
    "a permanent delegate of Token-2022": (
        call(TOKENS_22, b"\6\x08\1" + bytes(HIS), KEY, OWNER),
        f"{UNKNOWN}{HIS} may take and burn what anybody holds of {KEY}",
    ),
    "an allowance without limit": (
        grant(2**64 - 1),
        f"an allowance without limit and to an unknown spender: {HIS} may take USDC WITHOUT LIMIT ({2**64 - 1}) {EVER}",
    ),
    "one that is nearly so": (grant(2**63 - 1), "an allowance without limit and to an unknown spender"),
    "one to a listed address, without limit": (
        grant(2**64 - 1, MARKET), f"an allowance without limit: Market ({MARKET}"),
    "one to somebody unknown": (
        grant(5_000_000),
        f"an allowance to an unknown spender: {HIS} may take 5 USDC, or all that lies there if it is less, {EVER}",
    ),
    "a checked one": (
        token.approve_checked(models.ApproveCheckedParams(
            program_id=TOKENS_22, source=OURS, mint=KEY, delegate=HIS, owner=OWNER, amount=1, decimals=6, signers=[])),
        f"an allowance to an unknown spender: {HIS} may take 0.000001 USDC",
    ),
    "a token account closed for another": (
        token.close_account(models.CloseAccountParams(
            program_id=TOKENS, account=OURS, dest=HIS, owner=OWNER, signers=[])),
        f"money handed to an unknown address: all the SOL in {OURS} goes to {HIS}",
    ),
    "SOL taken out of a wrapped account": (
        call(TOKENS, b"\x2d\1" + struct.pack("<Q", 10**9), OURS, HIS, OWNER),
        f"money handed to an unknown address: 1 SOL in {OURS} goes to {HIS}",
    ),
    "the account itself": (
        system.assign({"pubkey": OWNER, "owner": HIS}),
        f"control handed to an unknown address: program {HIS} alone may rule the payer, with all the SOL in it",
    ),
    "the account itself, to a known program": (
        system.assign({"pubkey": OWNER, "owner": TOKENS}),
        "control handed to a known program: SPL Token alone may rule the payer",
    ),
    "the account itself, as one that is opened": (
        system.create_account_allow_prefund(
            {"new_account": OWNER, "payer": None, "lamports": 0, "space": 0, "owner": HIS}),
        f"control handed to an unknown address: program {HIS} alone may rule the payer",
    ),
    "an account with a seed": (
        system.assign_with_seed({"address": AT, "base": OWNER, "seed": "stake:0", "owner": HIS}),
        f"control handed to an unknown address: program {HIS} alone may rule {AT}",
    ),
    "a nonce's authority": (
        system.authorize_nonce_account(
            {"nonce_pubkey": AT, "authorized_pubkey": OWNER, "new_authority": HIS}),
        f"{UNKNOWN}{HIS} may advance, empty and hand on the durable nonce {AT}",
    ),
    "a new nonce's authority": (
        system.initialize_nonce_account({"nonce_pubkey": AT, "authority": HIS}),
        f"{UNKNOWN}{HIS} may advance",
    ),
    "a nonce's SOL": (
        system.withdraw_nonce_account(
            {"nonce_pubkey": AT, "authorized_pubkey": OWNER, "to_pubkey": HIS, "lamports": 10**9}),
        f"money handed to an unknown address: 1 SOL of the nonce {AT} goes to {HIS}",
    ),
    "a transaction that never expires": (
        system.advance_nonce_account({"nonce_pubkey": AT, "authorized_pubkey": OWNER}),
        "a signature without end: this transaction never expires",
    ),
    "a stake's withdrawer": (
        stake(1, bytes(HIS) + u32(1), CLOCK, OWNER), f"{UNKNOWN}{HIS} may take out the stake, and hand on every right"),
    "a stake's staker": (
        stake(1, bytes(HIS) + u32(0), CLOCK, OWNER), f"{UNKNOWN}{HIS} may delegate and deactivate the stake"),
    "a stake's withdrawer, as newer programs take it": (
        stake(1, bytes(HIS) + u32(1), OWNER), f"{UNKNOWN}{HIS} may take out the stake"),
    "with a seed": (
        stake(8, bytes(HIS) + u32(1) + text("s") + bytes(STAKES), OWNER, CLOCK),
        f"{UNKNOWN}{HIS} may take out the stake",
    ),
    "checked": (stake(10, u32(1), CLOCK, OWNER, HIS), f"{UNKNOWN}{HIS} may take out the stake"),
    "checked with a seed": (
        stake(11, u32(0) + text("") + bytes(STAKES), OWNER, CLOCK, HIS), f"{UNKNOWN}{HIS} may delegate"),
    "a stake that another may take out": (
        stake(0, bytes(OWNER) + bytes(HIS) + bytes(48), RENT), f"{UNKNOWN}{HIS} may take out the stake"),
    "the same, checked": (stake(9, b"", RENT, OWNER, HIS), f"{UNKNOWN}{HIS} may take out the stake"),
    "a stake's SOL": (
        stake(4, struct.pack("<Q", 10**9), HIS, CLOCK, HISTORY, OWNER),
        f"money handed to an unknown address: 1 SOL of the stake {AT} goes to {HIS}",
    ),
    "a lock on a stake": (
        stake(6, b"\1" + struct.pack("<q", 2**40) + b"\0\1" + bytes(HIS), OWNER),
        f"control handed over: a lock on the stake {AT}, which {HIS} alone may lift",
    ),
    "a lock of one's own": (
        stake(6, b"\0\1" + struct.pack("<q", 900) + b"\0", OWNER), f"control handed over: a lock on the stake {AT}"),
    "a lock, checked": (stake(12, b"\0\0", OWNER, HIS), "control handed over: a lock on the stake"),
    "a program's upgrade": (
        loader(3, AT, MARKET, THEIRS, OWNER, RENT, CLOCK, OWNER),
        f"control handed over: the code that lies in {THEIRS} is what {MARKET} does from then on",
    ),
    "a program's authority": (loader(4, AT, OWNER, HIS), f"{UNKNOWN}{HIS} may change the code of {AT}"),
    "a program's authority, checked": (loader(7, AT, OWNER, HIS), f"{UNKNOWN}{HIS} may change the code of {AT}"),
    "a buffer's SOL": (loader(5, AT, HIS, OWNER), f"money handed to an unknown address: the SOL of {AT} goes to {HIS}"),
    "a program's end": (loader(5, AT, OWNER, OWNER, MARKET), f"control handed over: the program {MARKET} is gone"),
}  # fmt: skip


@pytest.mark.parametrize("what", DANGERS)
def test_what_is_handed_over_is_a_danger(what: str) -> None:
    made, words = DANGERS[what]
    found = said(made)
    assert found.known and found.description
    (danger,) = found.dangers
    assert danger.startswith(words), danger
    assert f"     DANGER: {danger}" in list(lines(reading(made)))


@pytest.mark.parametrize("what", DANGERS)
def test_bytes_behind_do_not_hide_it(what: str) -> None:
    """All these programs pass over what stands behind the arguments."""
    made, words = DANGERS[what]
    found = said(Instruction(made.program_id, bytes(made.data) + b"\0", made.accounts))
    assert not found.known and found.dangers[0].startswith(words)


SAFE: dict[str, Instruction] = {
    "to oneself": hand(KINDS.ACCOUNT_OWNER, OWNER),
    "to nobody": hand(KINDS.CLOSE_ACCOUNT, None),
    "an allowance to a listed address": grant(5, MARKET),
    "an allowance of nothing": grant(0),
    "closed for oneself": token.close_account(models.CloseAccountParams(
        program_id=TOKENS, account=OURS, dest=OWNER, owner=OWNER, signers=[])),
    "a transfer": token.transfer(models.TransferParams(
        program_id=TOKENS, source=OURS, dest=THEIRS, owner=OWNER, amount=5, signers=[])),
    "a new account of a program": system.create_account(
        {"from_pubkey": OWNER, "to_pubkey": AT, "lamports": 5, "space": 165, "owner": TOKENS}),
    "a nonce of one's own": system.initialize_nonce_account({"nonce_pubkey": AT, "authority": OWNER}),
    "a stake of one's own": stake(0, bytes(HIS) + bytes(OWNER) + bytes(48), RENT),
    "a stake's SOL for oneself": stake(4, struct.pack("<Q", 10**9), OWNER, CLOCK, HISTORY, OWNER),
    "a stake's right to oneself": stake(1, bytes(OWNER) + u32(1), CLOCK, OWNER),
    "a lock taken away": stake(6, b"\1" + bytes(8) + b"\0\0", OWNER),
    "a stake that is split": stake(3, struct.pack("<Q", 5), THEIRS, OWNER),
    "a stake delegated": stake(2, b"", HIS, CLOCK, HISTORY, HIS, OWNER),
    "a stake deactivated": stake(5, b"", CLOCK, OWNER),
    "stakes merged": stake(7, b"", THEIRS, CLOCK, HISTORY, OWNER),
    "a program made final": loader(4, AT, OWNER),
    "a buffer closed for oneself": loader(5, AT, OWNER, OWNER),
    "a buffer's right kept": loader(4, AT, OWNER, OWNER),
}  # fmt: skip


@pytest.mark.parametrize("what", SAFE)
def test_what_stays_with_who_gives_it_is_none(what: str) -> None:
    found = said(SAFE[what])
    assert found.known and found.description and found.dangers == ()


SHORT = (
    hand(KINDS.ACCOUNT_OWNER, HIS), grant(5), DANGERS["the account itself"][0], DANGERS["an account with a seed"][0],
    DANGERS["a nonce's authority"][0], DANGERS["with a seed"][0], DANGERS["a lock on a stake"][0],
)  # fmt: skip


@pytest.mark.parametrize("made", SHORT)
def test_what_is_cut_short_hands_nothing_over(made: Instruction) -> None:
    data = bytes(made.data)
    for cut in range(len(data)):
        assert said(Instruction(made.program_id, data[:cut], made.accounts)).dangers == (), cut
    fewer = said(Instruction(made.program_id, data, made.accounts[:1]))
    assert fewer.dangers == () or made is SHORT[2]  # Assign names that one account alone
    seed = said(stake(8, bytes(HIS) + u32(1) + struct.pack("<Q", 1) + b"\xff" + bytes(STAKES), OWNER, CLOCK))
    assert not seed.known and seed.dangers == ()


def test_who_gives_is_who_is_asked_not_who_pays() -> None:
    """A stranger who pays the fee for us gets our account: they are the payer, we sign as the second."""
    found = reading(hand(KINDS.ACCOUNT_OWNER, HIS), payer=HIS)
    (one,) = found.instructions
    assert found.signatures == 2 and one.dangers == (f"{UNKNOWN}the payer may own {OURS}, with all that lies in it, "
                                                     "from then on",)  # fmt: skip


def test_a_right_that_any_signer_gives_is_not_hidden_by_another_account_in_its_place() -> None:
    """Stake and nonces look for the authority among all who sign the instruction, wherever it stands."""
    for made in (
        stake(1, bytes(HIS) + u32(1), CLOCK, HIS, OWNER),
        stake(4, struct.pack("<Q", 5), HIS, CLOCK, HISTORY, HIS, OWNER),
        call(system.ID, u32(7) + bytes(HIS), AT, HIS, OWNER),
        call(system.ID, u32(5) + struct.pack("<Q", 5), AT, HIS, CLOCK, RENT, HIS, OWNER),
        stake(6, b"\0\0\1" + bytes(HIS), HIS, OWNER),
    ):
        assert len(said(made).dangers) == 1


def test_money_for_who_pays_is_not_taken_for_our_own_where_another_signs() -> None:
    """A stranger pays the fee, and both sign: their token account is not the one of who gives."""
    drained = stake(4, struct.pack("<Q", 10**9), THEIRS, CLOCK, HISTORY, OWNER, HIS)
    metas = [AccountMeta(m.pubkey, m.pubkey in (OWNER, HIS), m.is_writable) for m in drained.accounts]
    (one,) = reading(Instruction(STAKES, drained.data, metas), payer=HIS).instructions
    assert len(one.dangers) == 1


@settings(max_examples=draws(150, 600), deadline=None)
@given(
    st.sampled_from([TOKENS, TOKENS_22, STAKES, LOADERS, system.ID]),
    st.binary(max_size=120)
    | st.tuples(st.integers(0, 16), st.binary(max_size=120)).map(lambda drawn: u32(drawn[0]) + drawn[1])
    | st.tuples(st.integers(0, 255), st.binary(max_size=80)).map(lambda drawn: bytes([drawn[0]]) + drawn[1]),
    st.lists(st.sampled_from([OWNER, HIS, OURS, CLOCK, KEY, AT]), max_size=7),
)
def test_no_bytes_are_too_odd(program: Pubkey, data: bytes, accounts: list[Pubkey]) -> None:
    found = said(call(program, data, *accounts))
    assert all(text.isprintable() for text in (found.description, *found.dangers, *found.warnings))


def test_bytes_that_are_a_message_and_a_transaction_are_refused() -> None:
    """An older message starts as a transaction of one signature does, with the payer's key in the signature's place."""
    alone = to_bytes_versioned(Message([system.assign({"pubkey": OWNER, "owner": HIS})], OWNER))
    assert VersionedTransaction.from_bytes(alone).message.account_keys == []  # what it was read as
    found = read(alone, BOOK)
    assert found is not None and found.payer == str(OWNER) and found.dangerous
    both = bytearray(range(169)) + b"data"
    both[0:4] = bytes([1, 0, 1, 4])  # a message: one signs, four keys; a transaction: one signature from byte 1 on
    both[65:69] = bytes([1, 0, 1, 2])  # within the second key: the transaction's message, of two keys
    both[164:169] = bytes([1, 1, 1, 0, 4])  # one instruction: of key 1, of account 0; one with no account
    whole = VersionedTransaction.from_bytes(bytes(both))
    assert bytes(whole) == bytes(both) and len(whole.message.account_keys) == 2
    assert len(Message.from_bytes(bytes(both)).account_keys) == 4
    assert read(bytes(both), BOOK) is None


def test_a_nonce_that_is_advanced_later_ends_nothing() -> None:
    advance = system.advance_nonce_account({"nonce_pubkey": AT, "authorized_pubkey": OWNER})
    assert reading(advance, SAFE["a transfer"]).dangerous
    assert not reading(SAFE["a transfer"], advance).dangerous


def test_a_batch_is_told_by_what_it_holds() -> None:
    """p-token's Batch: for each instruction how many accounts and bytes it has, then the bytes."""
    sent, given_ = bytes(SAFE["a transfer"].data), bytes(hand(KINDS.ACCOUNT_OWNER, HIS).data)
    data = b"\xff" + bytes([3, len(sent)]) + sent + bytes([2, len(given_)]) + given_
    accounts = (OURS, THEIRS, OWNER, OURS, OWNER)
    found = said(call(TOKENS, data, *accounts))
    assert found.known and found.description == (
        f"send 0.000005 USDC from the payer's own USDC account to {THEIRS}".replace(
            "the payer's own USDC account", str(OURS)
        )
        + f"; then from now on {HIS} may own {OURS}"
    )
    assert found.dangers[0].startswith(f"{UNKNOWN}{HIS} may own {OURS}")
    odd = said(call(TOKENS, data + bytes([0, 1, 250]), *accounts))
    assert not odd.known and odd.dangers == found.dangers
    for wrong in (b"\xff", data[:-1], b"\xff\0\2\xff\0"):
        assert not said(call(TOKENS, wrong, *accounts)).known
