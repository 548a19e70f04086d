"""Money that passes a fork and reverts on the chain when it is to leave: asked for seldom, apart, and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.kit.decision.holds_edges import plan_of, put, take
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.chains.exits import RETRY_SECONDS, with_exits
from yieldbot.cli.render import stuck
from yieldbot.decision.decide import Decision, decide
from yieldbot.journal.exit_entries import ExitRefused
from yieldbot.journal.fold import Record, fold_reverts
from yieldbot.journal.journal_entries import AccountCleared, JournalEntry, PlanWritten, TxSettled, TxSigned
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Exit, ExitKind, MarketState, Snapshot
from yieldbot.model.plan import Hold, Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Delta, Outcome, Reverted

TRAP = replace(market("trap", ConstantCurve(0.001)), held=usdc(10_000))
LOW = replace(market("low", ConstantCurve(0.02)), held=usdc(20_000))
BEST = market("best", ConstantCurve(0.1))
VIEW = snapshot(50_000, TRAP, LOW, BEST)
DONE = snapshot(0, TRAP, replace(BEST, held=usdc(80_000)))
T = VIEW.block.timestamp
POLICY = loose(horizon_days=30.0, idle_buffer="0")


def records(*events: JournalEntry) -> list[Record]:
    return [Record(index + 1, NOW, event) for index, event in enumerate(events)]


def asked(tx: str, leg: Leg, outcome: str, ago: int = 0, *, at: int = 0) -> list[JournalEntry]:
    """A plan whose leg was signed and mined so long before now."""
    plan = replace(plan_of(*(put(1),) * at, leg), id=f"plan {tx}")
    signed = TxSigned(
        chain=VIEW.block.chain,
        owner=VIEW.owner,
        plan_id=plan.id,
        leg=at,
        market_id=leg.market_id,
        hash=tx,
        raw=b"",
        nonce=1,
        gas=1,
        max_fee_wei=1,
        priority_fee_wei=1,
        words="",
        expires_at=NOW,
        simulated_at=VIEW.block,
        predicted=(),
    )
    block = replace(VIEW.block, timestamp=T - ago)
    deltas = (Delta(leg.amount.token, leg.amount.raw),) if outcome == "paid" else ()
    result: Outcome = Reverted(tx, block, 1, "why") if outcome == "reverted" else Confirmed(tx, block, 1, 1, deltas)
    return [PlanWritten(plan, ()), signed, TxSettled(VIEW.block.chain, VIEW.owner, result)]


OUT = take(10_000, TRAP, everything=True)
TRIAL = ExitRefused(
    chain=VIEW.block.chain,
    owner=VIEW.owner,
    market_id=TRAP.market.id,
    fingerprint="v1",
    reason="it does not come out",
    on_chain=True,
    time=T,
)


async def known(events: Sequence[JournalEntry], view: Snapshot = VIEW, print_: str | None = "v1") -> Snapshot:
    async def prints(states: Sequence[MarketState]) -> dict[MarketId, str]:
        return {} if print_ is None else {state.market.id: print_ for state in states}

    return await with_exits(prints, view, records(*events), loose(horizon_days=30.0, try_first=()))


def made(view: Snapshot) -> Decision:
    return decide(view, POLICY, JOB, NOW)


def left(view: Snapshot) -> set[str]:
    plan = made(view).outcome
    return {leg.market_id for leg in plan.legs if leg.kind is LegKind.WITHDRAW} if isinstance(plan, Plan) else set()


async def test_what_a_trial_caught_is_not_asked_for_and_the_rest_goes_on() -> None:
    assert left(VIEW) == {TRAP.market.id, LOW.market.id}
    view = await known([TRIAL])
    state = view.of(TRAP.market.id)
    assert (state.stuck, state.again, state.withdrawable) == ("it does not come out", False, usdc(0))
    assert left(view) == {LOW.market.id}
    done = await known([TRIAL], DONE)
    assert isinstance(made(done).outcome, Hold)
    (line,) = stuck(done)
    assert f"{TRAP.market.name}: what is held there (10,000 USDC) cannot be taken out now: it does not come out" in line
    rehearsed = replace(TRIAL, on_chain=False)
    assert not (await known([rehearsed])).of(TRAP.market.id).stuck, "a fork's word is asked for again on a fork"
    nothing = snapshot(50_000, replace(TRAP, held=usdc(0)), BEST)
    assert not (await known([TRIAL], nothing)).of(TRAP.market.id).stuck


async def test_it_is_asked_for_again_once_a_day_when_it_changes_or_when_a_person_says_so() -> None:
    for ago, again in ((RETRY_SECONDS - 1, False), (RETRY_SECONDS, True)):
        event = replace(TRIAL, time=T - ago)
        state = (await known([event])).of(TRAP.market.id)
        assert state.stuck and state.again is again
        assert left(await known([event])) == {LOW.market.id}, "never with other legs"
        assert left(await known([event], DONE)) == ({TRAP.market.id} if again else set())
        tried = [event, *asked("0x1", OUT, "reverted")]  # the last try counts
        assert left(await known(tried, DONE)) == set()
    assert not (await known([TRIAL], print_="v2")).of(TRAP.market.id).stuck
    assert left(await known([TRIAL, *asked("0x1", OUT, "reverted")], print_="v2")) == {TRAP.market.id, LOW.market.id}
    assert (await known([TRIAL], print_=None)).of(TRAP.market.id).stuck, "that it has changed is not known"
    cleared = [TRIAL, *asked("0x1", OUT, "reverted"), AccountCleared(VIEW.block.chain, VIEW.owner, "terminal")]
    assert left(await known(cleared, DONE)) == {TRAP.market.id} and left(await known(cleared)) == {LOW.market.id}


async def test_one_revert_is_bad_luck_and_two_wait_a_day() -> None:
    once = asked("0x1", OUT, "reverted", 60)
    state = (await known(once)).of(TRAP.market.id)
    assert (state.stuck, state.again) == ("it reverted on the chain: why", True)
    assert left(await known(once)) == {LOW.market.id} and left(await known(once, DONE)) == {TRAP.market.id}
    twice = [*asked("0x0", OUT, "reverted", 900), *once]
    assert left(await known(twice, DONE)) == set()
    late = [*asked("0x0", OUT, "reverted", RETRY_SECONDS + 9), *asked("0x1", OUT, "reverted", RETRY_SECONDS)]
    assert left(await known(late, DONE)) == {TRAP.market.id}
    paid = [*twice, *asked("0x2", OUT, "paid")]
    assert await known(paid) == VIEW
    allowed = [*twice, *asked("0x2", OUT, "allowed")]  # an allowance of the same leg, or a cancellation
    assert left(await known(allowed, DONE)) == set()


def test_of_what_reverts_only_the_ways_out_of_this_account_count() -> None:
    chain, owner = VIEW.block.chain, VIEW.owner
    fold = fold_reverts(records(*asked("0x1", OUT, "reverted", at=2)), chain, owner)
    assert fold[TRAP.market.id].count == 1 and fold[TRAP.market.id].at == T
    assert not fold_reverts(records(*asked("0x1", put(5, TRAP), "reverted")), chain, owner)
    assert not fold_reverts(records(*asked("0x1", OUT, "reverted")), "eip155:10", owner)
    plan, signed, settled = asked("0x1", OUT, "reverted")
    assert not fold_reverts(records(signed, settled), chain, owner), "a transaction of no plan"
    undated = replace(VIEW.block, timestamp=0)
    settled = TxSettled(chain, owner, Reverted("0x1", undated, 1, "why"))
    assert fold_reverts(records(plan, signed, settled), chain, owner)[TRAP.market.id].at == NOW
    for kind in (LegKind.REQUEST, LegKind.COLLECT):
        step = replace(OUT, kind=kind)
        assert fold_reverts(records(*asked("0x1", step, "reverted")), chain, owner)
        both = records(*asked("0x1", step, "reverted"), *asked("0x2", step, "asked"))
        assert not fold_reverts(both, chain, owner)


async def test_what_takes_a_day_to_leave_is_not_tried_in_parts() -> None:
    """With max_exit_hours new money may go in; of what goes in nothing can come out within one plan."""

    async def none(states: Sequence[MarketState]) -> dict[MarketId, str]:
        return {}

    cools = Exit(kind=ExitKind.COOLDOWN, seconds=86_400)
    for state, tried in ((BEST, True), (replace(BEST, exit=cools), False)):
        view = snapshot(50_000, state, LOW)
        policy = loose(horizon_days=30.0, idle_buffer="0", max_exit_hours=48.0, try_first=(BEST.market.id,))
        seen = await with_exits(none, view, (), policy)
        plan = decide(seen, policy, JOB, NOW).outcome
        assert isinstance(plan, Plan) and seen.of(BEST.market.id).untried is tried
        kinds = [leg.kind for leg in plan.legs if leg.market_id == BEST.market.id]
        assert kinds == ([LegKind.DEPOSIT, LegKind.WITHDRAW, LegKind.DEPOSIT] if tried else [LegKind.DEPOSIT])
