"""What a rehearsal shows of one market is taken into account in the same cycle, and the rest of the money goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.allocator.sales import reward
from tests.kit.app.cycle import REHEARSED, SessionDouble, wired
from tests.kit.app.cycle import journal as journal
from tests.kit.decision.holds_edges import take
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.app.cycle import Report, run_job
from yieldbot.decision.aside import only_again, set_aside
from yieldbot.decision.decide import decide
from yieldbot.journal.store import Journal
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import Status
from yieldbot.model.plan import Declined, Hold, LegFails, LegKind, NoWayOut, Plan

LOCKED = replace(market("locked", ConstantCurve(0.001)), held=usdc(10_000))
LOW = replace(market("low", ConstantCurve(0.02)), held=usdc(20_000))
BEST, NEXT = market("best", ConstantCurve(0.1)), market("next", ConstantCurve(0.08))
VIEW = snapshot(50_000, LOCKED, LOW, BEST, NEXT)
WHY = "leg 1: withdraw everything from locked: the vault is locked"


def plan_for(view: Any = VIEW) -> Plan:
    found = decide(view, loose(horizon_days=30.0, idle_buffer="0"), JOB, NOW).outcome
    assert isinstance(found, Plan)
    return found


def fails(name: str, kind: LegKind, code: str = "WOULD_REVERT") -> LegFails:
    leg = next(leg for leg in plan_for().legs if leg.market_id == name and leg.kind is kind)
    return LegFails(code, WHY, leg)


LOCKED_ID, LOW_ID, BEST_ID, NEXT_ID = (one.market.id for one in (LOCKED, LOW, BEST, NEXT))


async def ran(journal: Journal, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> tuple[SessionDouble, Report, Any]:
    live = SessionDouble([VIEW], rehearsals=list(answers))
    world = wired(monkeypatch, journal, live)
    return live, await run_job(world, JOB), world


def rehearsed(live: SessionDouble) -> list[set[str]]:
    return [set(one[1]) for one in live.did if one[0] == "rehearse"]


async def test_a_withdrawal_that_fails_does_not_keep_the_rest_of_the_money(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {LOCKED_ID, LOW_ID, BEST_ID} == {leg.market_id for leg in plan_for().legs}
    live, report, world = await ran(journal, monkeypatch, fails(LOCKED_ID, LegKind.WITHDRAW), REHEARSED)
    assert rehearsed(live) == [{LOCKED_ID, LOW_ID, BEST_ID}, {LOW_ID, BEST_ID}]
    assert report.declined is None and report.outcomes and report.snapshot is not None
    state = report.snapshot.of(LOCKED_ID)
    assert state.stuck == WHY and state.withdrawable == usdc(0) and state.held == LOCKED.held
    assert any(line.startswith(f"what is held in {LOCKED_ID} cannot be taken out now: ") for line in world.lines)
    assert report.decision is not None
    vetoes = {one.market_id: one.vetoes for one in report.decision.assessments}
    assert vetoes[LOCKED_ID] == (f"what is held there cannot be taken out now: {WHY}",)
    assert not [one for one in live.did if one[0] == "refused"], "it may open again: nothing is remembered"


async def test_a_deposit_that_fails_sends_the_money_elsewhere(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, report, world = await ran(journal, monkeypatch, fails(BEST_ID, LegKind.DEPOSIT), REHEARSED)
    first, second = rehearsed(live)
    assert BEST_ID in first and BEST_ID not in second and {LOCKED_ID, LOW_ID, NEXT_ID} == second
    assert report.declined is None and report.outcomes and report.snapshot is not None
    assert report.snapshot.of(BEST_ID).flags == (f"a deposit does not go through: {WHY}",)
    assert f"nothing goes into {BEST_ID}: {WHY}" in world.lines


async def test_each_market_that_fails_is_set_aside_and_what_is_left_decides(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        fails(LOCKED_ID, LegKind.WITHDRAW),
        NoWayOut("NO_WAY_OUT", "a trap", BEST_ID),
        fails(LOW_ID, LegKind.WITHDRAW, "DELTA_NOT_PLANNED"),
        REHEARSED,
    ]
    live, report, _ = await ran(journal, monkeypatch, *answers)
    assert rehearsed(live)[-1] == {NEXT_ID} and report.declined is None
    again = LegFails("WOULD_REVERT", WHY, replace(plan_for().legs[0], market_id=LOCKED_ID))
    live, report, _ = await ran(journal, monkeypatch, again)  # it answers so for ever
    assert len(rehearsed(live)) == 2 and report.declined == again and not report.outcomes


async def test_what_is_no_markets_doing_ends_the_plan(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("INSUFFICIENT_NATIVE", "UNKNOWN_TOKEN_MOVED", "FEE_ABOVE_CEILING"):
        refused = Declined(code, "why")
        live, report, _ = await ran(journal, monkeypatch, refused, REHEARSED)
        assert len(rehearsed(live)) == 1 and report.declined == refused and not report.outcomes


def test_nothing_is_left_to_do_where_the_only_position_is_stuck() -> None:
    view = snapshot(0, LOCKED, BEST)
    aside = set_aside(view, fails(LOCKED_ID, LegKind.WITHDRAW))
    assert aside is not None
    assert isinstance(decide(aside[0], loose(horizon_days=30.0, idle_buffer="0"), JOB, NOW).outcome, Hold)
    assert set_aside(aside[0], fails(LOCKED_ID, LegKind.WITHDRAW)) is None and set_aside(view, None) is None


def test_steps_claims_and_swaps() -> None:
    leg = take(10, LOCKED)
    for kind in (LegKind.REQUEST, LegKind.COLLECT, LegKind.CANCEL):
        found = set_aside(VIEW, LegFails("WOULD_REVERT", WHY, replace(leg, kind=kind)))
        assert found is not None and found[0].of(LOCKED_ID).barred
    for kind in (LegKind.SWAP, LegKind.REBALANCE):
        assert set_aside(VIEW, LegFails("WOULD_REVERT", WHY, replace(leg, kind=kind))) is None
    due = reward()
    view = replace(VIEW, states={**VIEW.states, LOCKED_ID: replace(LOCKED, rewards=(due,))})
    claim = replace(leg, kind=LegKind.CLAIM, market_id=due.claim_id(LOCKED_ID))
    found = set_aside(view, LegFails("WOULD_REVERT", WHY, claim))
    assert found is not None and found[0].of(LOCKED_ID).rewards == () and "is not claimed" in found[1]
    assert set_aside(VIEW, LegFails("WOULD_REVERT", WHY, claim)) is None
    pool: Any = object()
    lp = replace(VIEW, states={**VIEW.states, LOCKED_ID: replace(LOCKED, liquidity_market=pool)})
    assert set_aside(lp, LegFails("WOULD_REVERT", WHY, leg)) is None, "pools are paused together"
    assert replace(LOCKED, status=Status.PAUSED).withdrawable == usdc(0)


def test_what_is_tried_again_has_no_other_withdrawal_before_it() -> None:
    again = replace(LOCKED, stuck="it reverted", again=True)
    view = only_again(snapshot(50_000, again, LOW, BEST))
    assert view.of(LOCKED_ID).withdrawable == LOCKED.held and not view.of(LOW_ID).withdrawable
    assert view.of(LOW_ID).held == LOW.held and view.of(BEST_ID) == BEST
    idle = next(state for key, state in view.states.items() if str(key).startswith("idle"))
    assert idle.withdrawable == idle.held
