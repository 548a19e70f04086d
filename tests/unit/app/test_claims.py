"""Plans of claims alone: nothing else is proposed by them, and they take the place of no plan that waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.app.cycle import SessionDouble
from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from tests.unit.allocator.test_rewards import reward, rewarded
from tests.unit.app.test_run import REHEARSED, context, stored
from yieldbot.app.claims import queued_claims
from yieldbot.app.context import Context
from yieldbot.app.run import RunRequest, queued
from yieldbot.decision.decide import NO_CLAIM, decide, decide_claims
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.plan import Hold, LegKind, Plan

__all__ = ["context"]

EARNED = rewarded("a", reward(claimable=1_000.0), held=10_000)
SEEN = snapshot(500_000, EARNED, market("b", ConstantCurve(0.08)))


@pytest.fixture
def live() -> SessionDouble:
    return SessionDouble([SEEN], rehearsals=[REHEARSED])


def test_only_claims_are_proposed_where_money_should_move_too() -> None:
    moves = decide(SEEN, loose(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(moves, Plan) and LegKind.DEPOSIT in {leg.kind for leg in moves.legs}
    claims = decide_claims(SEEN, loose(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(claims, Plan) and {leg.kind for leg in claims.legs} == {LegKind.CLAIM} and claims.moves == ()
    nothing = snapshot(50_000, replace(EARNED, rewards=(), held=usdc(10_000)))
    held = decide_claims(nothing, loose(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(held, Hold) and held.reason == NO_CLAIM


def test_a_claim_that_brings_more_than_the_moves_goes_first_and_others_wait() -> None:
    """It grows, so that it waits for ever in no account, however many moves that has."""
    few = snapshot(5_000, EARNED, market("b", ConstantCurve(0.08)))
    for seen, kind in ((few, LegKind.CLAIM), (SEEN, LegKind.DEPOSIT)):
        made = decide(seen, loose(horizon_days=30.0), JOB, NOW).outcome
        assert isinstance(made, Plan) and kind in {leg.kind for leg in made.legs}


def test_a_claim_waits_for_a_person_and_takes_the_place_of_no_plan_that_waits(
    context: Context, live: SessionDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    first = queued_claims(RunRequest(), context)
    assert first.document.exit_code == 3 and stored(context) == [PlanStatus.QUEUED]
    (report,) = first.reports
    assert report.decision is not None and isinstance(report.decision.outcome, Plan)
    assert {leg.kind for leg in report.decision.outcome.legs} == {LegKind.CLAIM}
    again = queued_claims(RunRequest(), context)
    assert again.document.jobs == () and again.document.exit_code == 0 and stored(context) == [PlanStatus.QUEUED]
    assert "no claim is planned while a plan waits" in capsys.readouterr().err
    assert queued(RunRequest(), context).document.exit_code == 3
    assert stored(context) == [PlanStatus.EXPIRED, PlanStatus.QUEUED], "a cycle's plan does"
    assert "open the key" not in live.did and not any(one[0] == "execute" for one in live.did if isinstance(one, tuple))
