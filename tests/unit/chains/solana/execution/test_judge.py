"""What of a Solana transaction's bytes the signer lets pass. No cluster."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import Message, to_bytes_versioned
from solders.pubkey import Pubkey

from tests.kit.solana.gate import CHAIN, LIMITS, NATIVE, OWNER, RULES, SOL, STRANGER, TABLE, TOKEN_PROGRAM, USDC
from tests.kit.solana.judge import (
    BID,
    HASH,
    LENDING,
    RAW,
    RESERVE,
    SAVE,
    SHARES,
    TOKEN_2022,
    mine,
    tx_of,
    work_of,
)
from yieldbot.chains.solana.execution.account import LegWork
from yieldbot.chains.solana.execution.build import (
    CLOSE_ACCOUNT,
    SYNC_NATIVE,
    SYSTEM_TRANSFER,
    LookupTable,
    associated,
    budget,
    close_account,
    compiled,
    create_account,
    meaning_of,
    message_bytes,
    wrap,
)
from yieldbot.chains.solana.execution.judge import as_built, decode, judge
from yieldbot.execution.approvals import Approval
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.plan import Allocation, Certificate, Declined, LegKind, Plan
from yieldbot.model.solana_tx import SvmApproved, SvmSimulated, SvmUnsigned
from yieldbot.model.tx import Delta, SvmInstruction, SvmMeta

NOW, ENDS = 1_700_000_000, 1_700_003_600


def approval_of(work: LegWork, **changes: Any) -> Approval:
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    plan = Plan("p1", BlockRef(CHAIN, 5, "", NOW), OWNER, (), (work.leg,), allocation, 1.0, 0.0, 1, ENDS)
    return Approval(replace(plan, **changes), "you", ENDS)


DELTAS = (Delta(USDC, -RAW), Delta(SHARES, 4_900), Delta(NATIVE, -5_000))


def word_on(
    work: LegWork, tx: SvmUnsigned, deltas: tuple[Delta, ...] = DELTAS, now: int = NOW, **other: Any
) -> SvmApproved | Declined:
    approval = other.pop("approval", approval_of(work))
    simulated = SvmSimulated(tx, BlockRef(CHAIN, 6, "", NOW), 1, deltas)
    return judge(other.pop("rules", RULES), approval, work, simulated, now, other.pop("tables", ()))


def code(work: LegWork, *instructions: SvmInstruction, **other: Any) -> str | None:
    tx = other.pop("tx", None) or tx_of(*instructions)
    found = word_on(work, tx, **other)
    return found.code if isinstance(found, Declined) else None


WORK = work_of()
CALL = WORK.calls[0]
AS_READ = [(m.address, m.writable or m.address == OWNER) for m in CALL.accounts]
"""Who pays may be written, whatever an instruction says of it."""
OPENS = create_account(OWNER, SHARES, mine(SHARES), TOKEN_PROGRAM)


def test_what_was_built_of_an_approved_leg_passes_until_it_ends() -> None:
    tx = tx_of(OPENS, CALL)
    made = word_on(WORK, tx)
    assert isinstance(made, SvmApproved), made
    assert (made.digest, made.approver, made.expires_at) == (hashlib.sha256(tx.message).digest(), "you", ENDS)
    assert code(WORK, OPENS, CALL, now=ENDS - 1) is None and code(WORK, CALL, now=ENDS) == "EXPIRED"
    soon = replace(WORK, expires_at=NOW + 9)
    made = word_on(soon, tx)
    assert isinstance(made, SvmApproved) and made.expires_at == NOW + 9
    assert code(soon, CALL, now=NOW + 8) is None and code(soon, CALL, now=NOW + 9) == "EXPIRED"
    late = word_on(replace(WORK, expires_at=ENDS + 9), tx)
    assert isinstance(late, SvmApproved) and late.expires_at == ENDS


def test_a_transaction_is_of_the_plan_the_leg_the_owner_and_the_chain() -> None:
    good = tx_of(CALL)
    other = replace(CHAIN_PLAN := approval_of(WORK).plan, block=BlockRef(EVM, 5, "", NOW))
    assert code(WORK, tx=good) is None
    for changes in ({"plan_id": "p2"}, {"leg": 1}, {"payer": STRANGER}):
        assert code(WORK, tx=replace(good, **changes)) == "NOT_IN_PLAN", changes
    assert code(WORK, tx=replace(good, chain=EVM)) == "CHAIN_NOT_ALLOWED"
    assert code(WORK, tx=good, approval=Approval(other, "you", ENDS)) == "CHAIN_NOT_ALLOWED"
    theirs = replace(CHAIN_PLAN, owner=STRANGER)
    assert code(WORK, tx=good, approval=Approval(theirs, "you", ENDS)) == "NOT_IN_PLAN"
    assert code(WORK, tx=replace(good, payer=STRANGER), approval=Approval(theirs, "you", ENDS)) == "NOT_IN_PLAN"
    assert code(replace(WORK, index=1), tx=replace(good, leg=1)) == "NOT_IN_PLAN"
    smaller = approval_of(work_of(raw=RAW - 1))
    assert code(WORK, tx=good, approval=smaller) == "AMOUNT_ABOVE_PLAN"


EVM: Any = "eip155:1"


def test_the_markets_instructions_are_the_rehearsed_ones_in_their_order_or_none() -> None:
    refresh = SvmInstruction(SAVE, (SvmMeta(RESERVE, writable=True), SvmMeta(LENDING), SvmMeta(LENDING)), b"\x03", "")
    two = replace(WORK, calls=(refresh, CALL))
    assert code(two, refresh, CALL) is None
    assert code(two, OPENS) is None, "a step that only prepares"
    assert code(two, CALL, refresh) == code(two, CALL) == code(two, refresh) == "NOT_THE_CALL"
    assert code(two, refresh, CALL, CALL) == "NOT_THE_CALL"
    less = replace(CALL, data=b"\x04" + struct.pack("<Q", RAW - 1))
    assert code(WORK, less) == "NOT_THE_CALL"
    assert code(WORK, replace(CALL, data=b"\x04" + struct.pack("<Q", RAW + 1))) == "AMOUNT_ABOVE_PLAN"
    assert code(WORK, replace(CALL, data=b"\x07" + CALL.data[1:])) == "TAG_NOT_ALLOWED"
    assert code(WORK, replace(CALL, program=STRANGER)) == "PROGRAM_NOT_ALLOWED"
    swapped = tuple(SvmMeta(STRANGER, False, True) if m.address == mine(SHARES) else m for m in CALL.accounts)
    assert code(WORK, replace(CALL, accounts=swapped)) == "RECIPIENT_NOT_SELF"
    no_tags = replace(WORK, tags={SAVE: frozenset({b""})})
    assert code(no_tags, CALL) == "TAG_NOT_ALLOWED", "an empty tag lets nothing pass"


def test_no_account_is_written_that_no_call_needs() -> None:
    metas = tuple(replace(m, writable=True) if m.address == LENDING else m for m in CALL.accounts)
    assert code(WORK, replace(CALL, accounts=metas)) == "ACCOUNT_NOT_ALLOWED"
    fewer = replace(WORK, calls=(replace(CALL, accounts=tuple(replace(m, writable=False) for m in CALL.accounts)),))
    assert code(fewer, CALL) == "ACCOUNT_NOT_ALLOWED", "the reserve, which nothing writes then"
    assert code(fewer, replace(CALL, accounts=fewer.calls[0].accounts)) is None


def test_only_our_own_accounts_of_the_legs_tokens_are_opened() -> None:
    assert code(WORK, create_account(OWNER, USDC, mine(USDC), TOKEN_PROGRAM)) is None
    for bad in (
        create_account(OWNER, USDC, associated(STRANGER, USDC.address, TOKEN_PROGRAM), TOKEN_PROGRAM),
        create_account(STRANGER, USDC, mine(USDC), TOKEN_PROGRAM),
        create_account(OWNER, SOL, mine(SOL), TOKEN_PROGRAM),
        create_account(OWNER, USDC, mine(USDC), TOKEN_2022),
        replace(OPENS, data=b"\x00"),
        replace(OPENS, accounts=OPENS.accounts[:-1]),
    ):
        found = decode(tx_of(bad).message, OWNER) if bad.accounts[0].address == OWNER else None
        assert found is None or not isinstance(found, Declined)
        said = code(WORK, bad) if found is not None else "RECIPIENT_NOT_SELF"
        assert said == "RECIPIENT_NOT_SELF"


SOL_WORK = work_of(asset=SOL)
SOL_DELTAS = (Delta(SOL, -RAW), Delta(SHARES, 4_900), Delta(NATIVE, -10_000))


def wraps(work: LegWork, *instructions: SvmInstruction) -> str | None:
    return code(work, *instructions, deltas=SOL_DELTAS)


def test_sol_is_wrapped_for_a_deposit_of_it_and_for_nothing_else() -> None:
    send, sync = wrap(OWNER, mine(SOL), Amount(SOL, RAW), TOKEN_PROGRAM)
    assert wraps(SOL_WORK, send, sync) is None
    more, _ = wrap(OWNER, mine(SOL), Amount(SOL, RAW + 1), TOKEN_PROGRAM)
    assert wraps(SOL_WORK, more) == "AMOUNT_ABOVE_PLAN"
    away, _ = wrap(OWNER, STRANGER, Amount(SOL, 1), TOKEN_PROGRAM)
    assert wraps(SOL_WORK, away) == "RECIPIENT_NOT_SELF"
    assert wraps(SOL_WORK, replace(send, data=send.data + b"\0")) == "TAG_NOT_ALLOWED"
    assert wraps(SOL_WORK, replace(send, data=b"\x03" + send.data[1:])) == "TAG_NOT_ALLOWED"
    assert wraps(replace(SOL_WORK, native=True), send) == "TAG_NOT_ALLOWED"
    assert wraps(work_of(LegKind.WITHDRAW, SOL), send) == "TAG_NOT_ALLOWED"
    assert code(WORK, wrap(OWNER, mine(USDC), Amount(SOL, 1), TOKEN_PROGRAM)[0]) == "TAG_NOT_ALLOWED"
    assert SYSTEM_TRANSFER == b"\x02\0\0\0"


def test_token_accounts_of_ours_are_closed_into_our_wallet_and_sol_is_counted() -> None:
    close = close_account(OWNER, mine(USDC), TOKEN_PROGRAM, "")
    assert code(WORK, close) is None
    away = replace(close, accounts=(close.accounts[0], SvmMeta(mine(SHARES), writable=True), close.accounts[2]))
    sync = SvmInstruction(TOKEN_PROGRAM, (SvmMeta(mine(USDC), writable=True),), SYNC_NATIVE, "")
    for bad in (
        away,
        replace(close, data=b"\x04" + bytes(8)),
        replace(close, program=TOKEN_2022),
        close_account(OWNER, mine(SOL), TOKEN_PROGRAM, ""),
        sync,
        replace(sync, data=CLOSE_ACCOUNT),
    ):
        assert code(WORK, bad) == "TAG_NOT_ALLOWED", bad
    counted = replace(sync, accounts=(SvmMeta(mine(SOL), writable=True),))
    assert wraps(SOL_WORK, counted) is None
    assert wraps(SOL_WORK, replace(counted, accounts=(*counted.accounts, SvmMeta(OWNER)))) == "TAG_NOT_ALLOWED"


def test_a_budget_takes_no_accounts_and_keeps_to_its_ceilings() -> None:
    tx = tx_of(CALL, SvmInstruction(budget(BID)[0].program, (SvmMeta(OWNER),), b"\x02" + bytes(4), ""))
    assert code(WORK, tx=tx) == "MESSAGE_MALFORMED"
    tight = replace(RULES, limits=replace(LIMITS, max_fee_lamports=6_999))
    assert code(WORK, CALL, rules=tight) == "FEE_ABOVE_CEILING"


@pytest.mark.parametrize(
    ("work", "deltas", "said"),
    [
        (WORK, (Delta(USDC, -RAW - 1), Delta(SHARES, 1)), "DELTA_NOT_PLANNED"),
        (WORK, (Delta(USDC, -RAW + 1), Delta(SHARES, 1)), None),
        (WORK, (Delta(USDC, 0), Delta(SHARES, -1)), "DELTA_NOT_PLANNED"),
        (WORK, (Delta(USDC, 0), Delta(SHARES, 0)), None),
        (work_of(LegKind.WITHDRAW), (Delta(USDC, -1), Delta(SHARES, -RAW)), "DELTA_NOT_PLANNED"),
        (work_of(LegKind.WITHDRAW), (Delta(USDC, RAW), Delta(SHARES, -RAW)), None),
    ],
)
def test_what_it_did_on_the_fork_is_within_the_leg(work: LegWork, deltas: Any, said: str | None) -> None:
    assert code(work, *work.calls, deltas=deltas) == said


def test_bytes_that_were_not_built_from_the_rehearsal_are_refused() -> None:
    good = tx_of(CALL)
    assert code(WORK, tx=replace(good, meaning=bytes(32))) == "NOT_THE_CALL"
    assert as_built(good) is None
    again = message_bytes(compiled(good.instructions, OWNER, str(Hash.from_bytes(bytes([6] * 32)))))
    assert again != good.message and as_built(replace(good, message=again)) is None, "another blockhash"
    assert meaning_of(good.message, HASH.hash) == good.meaning
    assert good.meaning == hashlib.sha256(good.message.replace(bytes([5] * 32), bytes(32))).digest()
    assert (good.last_valid_height, good.fee_lamports, good.description) == (900, BID.fee_lamports, "deposit")


def test_only_a_version_0_message_that_we_alone_sign_and_pay_is_read() -> None:
    good = tx_of(CALL).message
    read = decode(good, OWNER)
    assert not isinstance(read, Declined) and len(read) == 3
    assert (read[2].program, read[2].data) == (SAVE, CALL.data)
    assert [(m.address, m.writable) for m in read[2].accounts] == AS_READ
    assert [m.signer for m in read[2].accounts] == [m.address == OWNER for m in CALL.accounts]

    def said(raw: bytes, owner: Address = OWNER, tables: tuple[LookupTable, ...] = ()) -> str | None:
        found = decode(raw, owner, tables)
        return found.code if isinstance(found, Declined) else None

    assert said(good + b"\0") == said(good[:-1]) == said(b"") == said(b"\x80") == "MESSAGE_MALFORMED"
    assert said(good, STRANGER) == "SIGNER_NOT_SELF"
    two = replace(CALL, accounts=(*CALL.accounts, SvmMeta(STRANGER, signer=True)))
    assert said(tx_of(two).message) == "SIGNER_NOT_SELF"
    both = replace(CALL, accounts=(*CALL.accounts, SvmMeta(STRANGER, True, True)))
    assert said(tx_of(both).message) == "SIGNER_NOT_SELF"
    legacy = Message.new_with_blockhash([], Pubkey.from_string(OWNER), Hash.default())
    assert said(bytes(to_bytes_versioned(legacy))) == "MESSAGE_MALFORMED"


def test_lookup_tables_are_read_by_what_is_configured_alone() -> None:
    table = LookupTable(TABLE, (STRANGER, LENDING, RESERVE))
    raw = tx_of(CALL, tables=(table,)).message
    assert len(raw) < len(tx_of(CALL).message)
    read = decode(raw, OWNER, (table,))
    assert not isinstance(read, Declined)
    assert [(m.address, m.writable) for m in read[2].accounts] == AS_READ
    for tables, wanted in (
        ((), "TABLE_NOT_ALLOWED"),
        ((LookupTable(TABLE, table.addresses[:2]),), "MESSAGE_MALFORMED"),
    ):
        found = decode(raw, OWNER, tables)
        assert isinstance(found, Declined) and found.code == wanted
    only_read = tx_of(CALL, tables=(LookupTable(TABLE, (LENDING,)),))
    tables = (LookupTable(TABLE, (LENDING,)),)
    assert code(WORK, tx=only_read, tables=tables) is None
    assert code(WORK, tx=only_read) == "TABLE_NOT_ALLOWED"
    hidden = tx_of(CALL, tables=(table,))
    assert code(WORK, tx=hidden, tables=(table,)) == "NOT_THE_CALL", "the market stands in the table"
