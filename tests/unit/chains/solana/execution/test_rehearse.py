"""A plan on a cluster's fork: what each transaction may cost, touch and do. On labelled doubles;
with the real programs in tests/solana."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.chain_double import settings
from tests.kit.solana.effects import key
from tests.kit.solana.gate import CHAIN, LIMITS, NATIVE, OTHER, OWNER, STRANGER, TABLE, USDC, held, wallet
from tests.kit.solana.judge import BID, RAW, SAVE, SHARES, call_of, mine, padded, work_of
from tests.kit.solana.rehearse import SLOT, WORK, Effect, ran
from tests.kit.solana.rehearse import journal as journal
from tests.kit.solana.wayout import STATE, account_of, observed, out_of
from tests.kit.solana_fork_double import ClusterDouble, Images, SvmForkDouble
from yieldbot.chains.solana.execution import rehearse as rehearse_module
from yieldbot.chains.solana.execution.account import SYSTEM, LegWork
from yieldbot.chains.solana.execution.build import LookupTable, TxStep, bid_for
from yieldbot.chains.solana.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.solana.execution.rehearse import rehearse
from yieldbot.chains.solana.execution.simulate import (
    LACKS,
    reason,
    tables_of,
    would_fail,
)
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.errors import MarketError
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, LegFails, LegKind, NoWayOut
from yieldbot.model.tx import Delta


def done_by(fork: SvmForkDouble, data: list[bytes], takes: int = RAW, gives: int = 4_900) -> None:
    """What a deposit and a redemption do; each transaction costs 5,000 lamports."""
    fork.pay(-5_000)
    if any(one[:1] == b"\x04" for one in data):
        fork.give(mine(USDC), USDC, -takes)
        fork.give(mine(SHARES), SHARES, gives)
    if any(one[:1] == b"\x05" for one in data):
        fork.give(mine(USDC), USDC, RAW)
        fork.give(mine(SHARES), SHARES, -gives)


def forked(effect: Effect = done_by, **changes: Any) -> SvmForkDouble:
    accounts: Images = {mine(USDC): held(OWNER, 9_000, 1, USDC.address)}
    return SvmForkDouble(held={OWNER: wallet(10**9), **accounts}, effect=effect, **changes)


async def went(
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    *works: LegWork,
    fork: SvmForkDouble | None = None,
    nodes: ClusterDouble | None = None,
    **changes: Any,
) -> Rehearsal | Declined:
    made = fork or forked()
    monkeypatch.setattr(rehearse_module, "Fork", lambda node: made)
    return await rehearse(account_of(journal, nodes, **changes), works or (WORK,), SLOT)


def limited(**changes: Any) -> Any:
    return settings(chain=CHAIN, native_symbol="SOL", svm=replace(LIMITS, **changes))


async def test_a_plan_is_told_transaction_by_transaction_and_as_a_whole(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, nodes = forked(), ClusterDouble(prices=[7])
    back = replace(work_of(LegKind.WITHDRAW), index=1)
    found = await went(journal, monkeypatch, WORK, back, fork=fork, nodes=nodes)
    assert isinstance(found, Rehearsal) and found.block == SLOT
    assert [leg.index for leg in found.legs] == [0, 1]
    assert found.lines == ("open an account for cUSDC", "deposit", "redeem")
    bid = bid_for(1_000, [7], 500_000)
    (tx,) = found.legs[0].txs
    assert (tx.description, tx.gas_used, tx.gas_limit, tx.to, tx.bid) == (
        "open an account for cUSDC; deposit",
        1_000,
        bid.units,
        SAVE,
        bid,
    )
    assert found.gas_used == 2_000 and found.legs[0].gas_used == 1_000
    assert found.fee_lamports == 2 * bid.fee_lamports
    assert found.legs[0].deltas == (Delta(USDC, -RAW), Delta(SHARES, 4_900), Delta(NATIVE, -5_000))
    assert found.deltas == (Delta(USDC, 0), Delta(SHARES, 0), Delta(NATIVE, -10_000))
    assert fork.cloned[:3] == [OWNER, mine(USDC), mine(SHARES)]
    ((_, asked), _) = nodes.asked
    writable = [m.address for call in tx.step.instructions for m in call.accounts if m.writable]
    assert list(asked) == list(dict.fromkeys(writable)) and mine(USDC) in asked
    first = [bytes(i.data) for i in fork.sent[0].instructions][:2]
    assert first == [b"\x02" + (1_400_000).to_bytes(4, "little"), b"\x03" + bytes(8)], "no price on a fork"


async def test_a_leg_that_fails_is_told_by_its_place_and_a_trap_by_its_market(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(fork: SvmForkDouble, data: list[bytes]) -> tuple[Any, tuple[str, ...]] | None:
        return "x", ("Program log: Error: closed",)

    found = await went(journal, monkeypatch, WORK, fork=forked(fails))
    assert isinstance(found, LegFails) and found.leg == WORK.leg and found.code == "WOULD_REVERT"
    assert found.reason == "leg 1: open an account for cUSDC; deposit: Program log: Error: closed"
    unknown = forked(lambda fork, data: ("x", ("Program log: Error: invalid instruction data",)))
    found = await went(journal, monkeypatch, WORK, fork=unknown)
    assert isinstance(found, LegFails) and LACKS in found.reason, "nothing is known of its way out"
    lacks = replace(WORK, out=out_of(), observe=observed(STATE))
    found = await went(journal, monkeypatch, lacks, fork=unknown)
    assert isinstance(found, NoWayOut) and found.reason == f"Save: {LACKS}"
    out = replace(lacks, leg=replace(WORK.leg, kind=LegKind.WITHDRAW))
    assert isinstance(await went(journal, monkeypatch, out, fork=unknown), LegFails), "what is inside is not new"
    assert isinstance(await went(journal, monkeypatch, lacks, fork=forked(fails)), LegFails)


async def test_what_a_transaction_may_cost_is_bounded(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    bid = bid_for(1_000, [400_000], 500_000)
    nodes = ClusterDouble(prices=[400_000])
    most = limited(max_fee_lamports=bid.fee_lamports)
    assert isinstance(await went(journal, monkeypatch, nodes=nodes, settings=most), Rehearsal)
    less = limited(max_fee_lamports=bid.fee_lamports - 1)
    found = await went(journal, monkeypatch, nodes=nodes, settings=less)
    assert isinstance(found, Declined) and found.code == "FEE_ABOVE_CEILING"
    assert f"costs up to {bid.fee_lamports} lamports, allowed are {bid.fee_lamports - 1}" in found.reason
    capped = await went(journal, monkeypatch, nodes=nodes, settings=limited(max_unit_price_micro_lamports=3))
    assert isinstance(capped, Rehearsal) and capped.legs[0].txs[0].bid.micro_lamports == 3


async def test_what_no_transaction_holds_is_refused_before_what_prepares_it_is_made(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork = forked()
    found = await went(journal, monkeypatch, padded(1_300), fork=fork)
    assert isinstance(found, Declined) and found.code == "TOO_LARGE"
    assert len(fork.sent) == 1, "what prepares it, on the fork alone"


async def test_a_leg_must_do_what_it_says(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for takes, gives, code in ((RAW + 1, 4_900, "DELTA_NOT_PLANNED"), (RAW, 0, "NO_SHARES")):

        def effect(fork: SvmForkDouble, data: list[bytes], takes: int = takes, gives: int = gives) -> None:
            done_by(fork, data, takes, gives)

        found = await went(journal, monkeypatch, fork=forked(effect))
        assert isinstance(found, Declined) and found.code == code


async def test_a_deposit_is_worth_what_it_took_less_the_fees_that_are_known(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for before, after, entry, code in (
        (0, RAW, 0.0, None),
        (100, RAW + 100, 0.0, None),
        (100, RAW + 97, 0.0, "WORTH_LESS"),
        (0, RAW - 50, 100.0, None),
        (0, RAW - 53, 100.0, "WORTH_LESS"),
    ):
        states = [replace(STATE, held=Amount(USDC, raw)) for raw in (before, after)]
        work = replace(WORK, observe=observed(*states), entry_cost_bps=entry)
        found = await went(journal, monkeypatch, work)
        assert (found.code if isinstance(found, Declined) else None) == code, (before, after)
    unread = replace(WORK, observe=observed(STATE, MarketError("no answer")))
    found = await went(journal, monkeypatch, unread)
    assert isinstance(found, Declined) and found.code == "WORTH_LESS", "what cannot be read is worth nothing"
    late = replace(WORK, observe=observed(MarketError("no answer"), replace(STATE, held=Amount(USDC, RAW))))
    assert isinstance(await went(journal, monkeypatch, late), Rehearsal)
    back = replace(work_of(LegKind.WITHDRAW), observe=observed(MarketError("nobody asks")))
    assert isinstance(await went(journal, monkeypatch, WORK, back), Rehearsal)


async def test_the_way_out_of_a_deposit_is_rehearsed_after_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [replace(STATE, held=Amount(USDC, raw)) for raw in (70, RAW + 70, RAW + 70)]
    fork = forked()
    work = replace(WORK, out=out_of(), observe=observed(*states))
    found = await went(journal, monkeypatch, work, fork=fork)
    assert isinstance(found, NoWayOut) and "0.005 USDC come out where 0.00507 USDC should" in found.reason
    assert fork.did == ["keep", "put back"] and fork.amount(mine(SHARES)) == 4_900
    states = [replace(STATE, held=Amount(USDC, raw)) for raw in (0, RAW, RAW)]
    fork = forked()
    found = await went(journal, monkeypatch, replace(work, observe=observed(*states)), fork=fork)
    assert isinstance(found, Rehearsal) and fork.did == ["keep", "put back"]
    fork = forked()
    back = replace(work_of(LegKind.WITHDRAW), out=out_of(), observe=observed(STATE), index=1)
    await went(journal, monkeypatch, WORK, back, fork=fork)
    assert fork.did == []


async def test_a_token_that_the_leg_does_not_name_may_not_leave(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes_more(fork: SvmForkDouble, data: list[bytes]) -> None:
        done_by(fork, data)
        fork.held[OTHER] = held(OWNER, 1, 1, STRANGER)

    fork = forked(takes_more)
    fork.held[OTHER] = held(OWNER, 5, 1, STRANGER)
    fork.cloned.append(OTHER)
    found = await went(journal, monkeypatch, fork=fork)
    assert isinstance(found, Declined) and found.code == "UNKNOWN_TOKEN_MOVED"


async def test_tables_are_those_that_are_configured_and_there(journal: Journal) -> None:
    data = bytes(56) + key(STRANGER) + key(OTHER)
    nodes = ClusterDouble(accounts_held={TABLE: AccountImage(1, SYSTEM, data)})
    account = account_of(journal, nodes, settings=limited(lookup_tables=(TABLE, OTHER)))
    assert await tables_of(account, nodes) == (LookupTable(TABLE, (STRANGER, OTHER)),)  # type: ignore[arg-type]
    nodes.asked.clear()
    assert await tables_of(account_of(journal, nodes), nodes) == () and not nodes.asked  # type: ignore[arg-type]


class Custom:
    """As solders tells of a program's own error."""

    index = 2

    def __init__(self, code: int) -> None:
        self.err = type("Inner", (), {"code": code})()

    def __str__(self) -> str:
        return "custom"


def test_why_it_fails_is_told_in_the_words_of_who_knows_them(journal: Journal) -> None:
    def explain(program: Address, code: int) -> str | None:
        return f"{program} says {code}" if code != 9 else None

    account = account_of(journal, explain=explain)
    first, last = f"Program {OTHER} failed: custom program error", f"Program {SAVE} failed: custom program error"

    def said(error: Any, *logs: str) -> str:
        return reason(account, ran({}, {}, error=error, logs=logs))

    assert said(Custom(7), first, last, "Program log: x") == f"{SAVE} says 7", "the last that failed"
    assert said(Custom(7), f"log: {SAVE} failed: x") == " says 7" == said(Custom(7))
    assert said(Custom(9), first) == first and said("x", "nothing", "Error: a", "insufficient b") == "insufficient b"
    assert said("x", "fine") == "x"
    for line in (
        "Error: invalid instruction data",
        "x failed: Error Number: 101.",
        "Error: invalid instruction data y",
    ):
        assert said("x", line, "Error: later") == LACKS
    assert said("x", "Error Number: 1010.") != LACKS
    assert would_fail(account, "a deposit", ran({}, {})) is None
    assert would_fail(account, "a deposit", ran({}, {}, error="x")) == Declined("WOULD_REVERT", "a deposit: x")


def test_a_rehearsals_sums_are_those_of_its_legs() -> None:
    step = TxStep(
        (call_of(LegKind.DEPOSIT, USDC, RAW), replace(call_of(LegKind.DEPOSIT, USDC, RAW), description="")), SAVE
    )
    tx = RehearsedTx(step, 70, BID)
    leg = RehearsedLeg(0, (tx, tx), (Delta(USDC, 5),))
    whole = Rehearsal(SLOT, (leg, replace(leg, index=1)))
    assert (leg.gas_used, whole.gas_used, whole.fee_lamports) == (140, 280, 4 * BID.fee_lamports)
    assert whole.lines == ("deposit",) * 4 and whole.deltas == (Delta(USDC, 10),)
