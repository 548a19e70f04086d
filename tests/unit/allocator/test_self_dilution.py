"""A deposit that takes more from a holding of ours in the same pool than it earns is left out of the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import IDLE_ID, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.decision.holds import still_holds
from yieldbot.math.curves import KinkedCurve
from yieldbot.math.liquidity_curve import LiquidityCurve, RangeOutlook
from yieldbot.model.plan import Hold, Plan

POINTS = ((0.0, 0.0), (0.5, 0.05), (1.0, 1.05))
SHARED = frozenset({"shared"})
STAYS = RangeOutlook(fees=5_000.0, others=20_000.0, lost=0.0, gas=0.0, once=0.0)
RANGE = market("range", LiquidityCurve(STAYS, replace(STAYS, fees=0.0), 1_000.0, 0.0), held=1_000, pools=SHARED)
BESIDE = market("beside", KinkedCurve(20_000.0, 10_000.0, POINTS, 0.9), pools=SHARED)
APART = market("apart", KinkedCurve(48_068.0, 24_034.0, POINTS, 0.9))
POLICY = loose(horizon_days=30.0, min_gain_bps=0.0)


def test_what_loses_by_what_it_takes_from_us_stays_in_the_wallet() -> None:
    seen = snapshot(10_001, BESIDE, RANGE, APART, gwei=0.0)
    solved = allocate(seen, assess(seen, POLICY), POLICY)
    assert solved.targets[BESIDE.market.id], "the solver prices each market by itself"
    plan = make_plan(seen, solved, POLICY, 0)
    assert isinstance(plan, Plan) and all(move.gain_per_year > 0 for move in plan.moves)
    (leg,) = plan.legs
    assert leg.market_id == APART.market.id and still_holds(plan, 0, seen, POLICY) is None
    kept = solved.targets[BESIDE.market.id]
    assert plan.allocation.targets[IDLE_ID] == solved.targets[IDLE_ID] + kept
    assert sum(t.raw for t in plan.allocation.targets.values()) == usdc(11_001).raw
    was, now = solved.certificate, plan.allocation.certificate
    assert now.upper_bound == was.upper_bound and now.objective < was.objective
    assert now.gap_bps == pytest.approx((now.upper_bound - now.objective) / 11_001 * 1e4)


def test_where_nothing_else_is_left_nothing_is_done() -> None:
    seen = snapshot(10_001, BESIDE, RANGE, gwei=0.0)
    found = make_plan(seen, allocate(seen, assess(seen, POLICY), POLICY), POLICY, 0)
    assert isinstance(found, Hold)
