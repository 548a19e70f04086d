"""What a leg is built into on Solana: accounts that it opens and closes, its instructions, how many transactions."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.kit.solana.gate import CHAIN, OWNER, SOL, STRANGER, TABLE, TOKEN_PROGRAM, USDC, held
from tests.kit.solana.judge import (
    HASH,
    LENDING,
    MINT,
    OPEN,
    RAW,
    RESERVE,
    SAVE,
    SHARES,
    TOKEN_2022,
    Present,
    mine,
    padded,
    work_of,
)
from yieldbot.chains.solana.execution.account import SYSTEM, LegWork
from yieldbot.chains.solana.execution.build import (
    ATA_PROGRAM,
    CLOSE_ACCOUNT,
    NO_BLOCKHASH,
    SIGNATURE_BYTES,
    Bid,
    LookupTable,
    TxContext,
    TxStep,
    associated,
    budget,
    close_account,
    compiled,
    create_account,
    message_bytes,
    own_accounts,
    steps,
    too_large,
    unsigned,
    without,
    wrap,
    written_out,
)
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import Pool, SwapTerms
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.solana_tx import SvmUnsigned
from yieldbot.model.tx import SvmInstruction, SvmMeta
from yieldbot.protocols.solana.layout import ata


def text(found: tuple[TxStep, ...]) -> list[list[str]]:
    """What each instruction is: its words, or its program and first bytes."""
    return [[i.description or f"{i.program[:5]} {i.data[:1].hex()}" for i in step.instructions] for step in found]


def test_token_accounts_are_derived_of_owner_program_and_mint() -> None:
    work = work_of(share_program=TOKEN_2022)
    assert own_accounts(work, OWNER) == {USDC: ata(OWNER, USDC.address), SHARES: mine(SHARES, TOKEN_2022)}
    assert mine(SHARES, TOKEN_2022) != mine(SHARES) != associated(STRANGER, MINT, TOKEN_PROGRAM)
    pool = Pool("orca_whirlpool", "a pool", STRANGER, USDC, SOL)
    swapping = replace(work, swaps=(SwapTerms((pool,), Amount(USDC, 1), Amount(SOL, 1)),))
    assert written_out(swapping, OWNER) == {mine(USDC), mine(SHARES, TOKEN_2022), RESERVE, STRANGER}


def test_a_table_stands_for_nothing_that_must_be_named_in_full() -> None:
    table = LookupTable(TABLE, (STRANGER, RESERVE, SAVE))
    assert without((table,), {RESERVE}) == (LookupTable(TABLE, (STRANGER, TABLE, SAVE)),)
    assert without((table,), set()) == (table,) and without((), {RESERVE}) == ()


@pytest.mark.parametrize(
    ("work", "present", "wanted"),
    [
        (work_of(), OPEN, ["deposit"]),
        (work_of(), {}, ["open an account for cUSDC", "deposit"]),
        (work_of(LegKind.WITHDRAW), OPEN, ["redeem"]),
        (work_of(LegKind.WITHDRAW), {}, ["open an account for USDC", "open an account for cUSDC", "redeem"]),
        (work_of(LegKind.WITHDRAW, all=True), OPEN, ["redeem", "close our cUSDC account"]),
        (work_of(LegKind.WITHDRAW, all=True, share_token=None), OPEN, ["redeem"]),
        (work_of(all=True), OPEN, ["deposit"]),
        (
            work_of(asset=SOL),
            OPEN,
            ["open an account for SOL", "wrap 0.000005 SOL", "Token 11", "deposit", "unwrap SOL"],
        ),
        (
            work_of(asset=SOL),
            OPEN | {mine(SOL): held(OWNER, 4_999, 1)},
            ["wrap 0.000000001 SOL", "Token 11", "deposit", "unwrap SOL"],
        ),
        (work_of(asset=SOL), OPEN | {mine(SOL): held(OWNER, 5_000, 1)}, ["deposit", "unwrap SOL"]),
        (work_of(asset=SOL), OPEN | {mine(SOL): held(OWNER, 6_000, 1)}, ["deposit", "unwrap SOL"]),
        (work_of(LegKind.WITHDRAW, SOL), OPEN, ["open an account for SOL", "redeem", "unwrap SOL"]),
        (work_of(asset=SOL, native=True), OPEN, ["deposit"]),
        (
            work_of(asset=SOL, native=True),
            OPEN | {mine(SOL): held(OWNER, 6_000, 1)},
            ["unwrap what SOL lies wrapped", "deposit"],
        ),
        (work_of(LegKind.WITHDRAW, SOL, native=True), OPEN, ["redeem"]),
    ],
)
def test_a_leg_is_built_of_what_it_needs_and_no_more(work: LegWork, present: Present, wanted: list[str]) -> None:
    assert text(steps(work, OWNER, present)) == [wanted]


def test_an_emptied_share_account_is_closed_by_its_own_program_into_our_wallet() -> None:
    work = work_of(LegKind.WITHDRAW, all=True, share_program=TOKEN_2022)
    share = mine(SHARES, TOKEN_2022)
    (step,) = steps(work, OWNER, {mine(USDC): held(OWNER, 9, 1), share: held(OWNER, 5, 1, MINT)})
    last = step.instructions[-1]
    assert (last.program, last.data, last.description) == (TOKEN_2022, CLOSE_ACCOUNT, "close our cUSDC account")
    assert [meta.address for meta in last.accounts] == [share, OWNER, OWNER]


def test_a_swap_for_sol_is_unwrapped_and_one_of_sol_wrapped() -> None:
    leg = Leg(LegKind.SWAP, MarketId("swap/1/x"), Amount(USDC, RAW), gets=Amount(SOL, 7))
    swap = work_of(share_token=None)
    swap = replace(swap, leg=leg)
    assert text(steps(swap, OWNER, OPEN)) == [["open an account for SOL", "deposit", "unwrap SOL"]]
    (step,) = steps(swap, OWNER, OPEN)
    assert step.instructions[-1] == close_account(OWNER, mine(SOL), TOKEN_PROGRAM, "unwrap SOL")
    back = replace(swap, leg=replace(leg, amount=Amount(SOL, RAW), gets=Amount(USDC, 7)))
    assert text(steps(back, OWNER, OPEN)) == [
        ["open an account for SOL", "wrap 0.000005 SOL", "Token 11", "deposit", "unwrap SOL"]
    ]


def test_the_instructions_of_ours_are_those_of_solanas_programs() -> None:
    account = mine(USDC)
    opened = create_account(OWNER, USDC, account, TOKEN_PROGRAM)
    assert (opened.program, opened.data) == (ATA_PROGRAM, b"\x01")
    assert opened.accounts == (
        SvmMeta(OWNER, True, True),
        SvmMeta(account, False, True),
        *(SvmMeta(a) for a in (OWNER, USDC.address, SYSTEM, TOKEN_PROGRAM)),
    )
    closed = close_account(OWNER, account, TOKEN_PROGRAM, "x")
    metas = (SvmMeta(account, writable=True), SvmMeta(OWNER, writable=True), SvmMeta(OWNER, signer=True))
    assert closed == SvmInstruction(TOKEN_PROGRAM, metas, b"\x09", "x")
    send, sync = wrap(OWNER, account, Amount(SOL, 7), TOKEN_PROGRAM)
    assert (send.program, send.data) == (SYSTEM, struct.pack("<IQ", 2, 7))
    assert send.accounts == (SvmMeta(OWNER, True, True), SvmMeta(account, writable=True))
    assert sync == SvmInstruction(TOKEN_PROGRAM, (SvmMeta(account, writable=True),), b"\x11", "")


def test_what_one_transaction_does_not_hold_is_split_and_what_no_one_holds_refused() -> None:
    sizes = [
        size
        for size in range(600, 1_000)
        if too_large(TxStep(padded(size).calls, SAVE), OWNER) is None and len(steps(padded(size), OWNER, {})) == 2
    ]
    first = TxStep(padded(sizes[0]).calls, SAVE)
    assert text(steps(padded(sizes[0]), OWNER, {})) == [["open an account for cUSDC"], ["deposit"]]
    assert len(steps(padded(sizes[0] - 1), OWNER, {})) == 1 and sizes == list(range(sizes[0], sizes[-1] + 1))
    whole = message_bytes(compiled((*budget(Bid(1, 0)), *padded(sizes[-1]).calls), OWNER, NO_BLOCKHASH))
    assert len(whole) + SIGNATURE_BYTES == 1232, "a packet, to the byte"
    largest = TxStep(padded(sizes[-1] + 1).calls, SAVE)
    refused = too_large(largest, OWNER)
    assert (
        refused is not None
        and refused.code == "TOO_LARGE"
        and "1233 bytes, a transaction holds 1232" in (refused.reason)
    )
    context = TxContext(CHAIN, OWNER, "p1", 0, MarketId("save/1/usdc"))
    assert unsigned(largest, context, Bid(1, 0), HASH) == refused
    assert isinstance(unsigned(first, context, Bid(1, 0), HASH), SvmUnsigned)
    table = LookupTable(TABLE, (RESERVE, LENDING))
    assert too_large(largest, OWNER, (table,)) is None, "addresses of a table take a byte"
    assert len(steps(padded(sizes[0]), OWNER, {}, (table,))) == 1
