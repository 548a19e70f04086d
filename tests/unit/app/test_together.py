"""What a market pays once the plans of several wallets are all carried out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from yieldbot.app.together import together
from yieldbot.app.yields import apy_after
from yieldbot.decision.decide import decide
from yieldbot.math.curves import ConstantCurve, DilutedCurve
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Plan

POLICY = loose(horizon_days=30.0)
SHARED = market("shared", DilutedCurve(1e6, 1e5))


def planned(*wallets: Snapshot) -> list[tuple[Snapshot, Plan]]:
    found = [(one, decide(one, POLICY, JOB, one.block.timestamp).outcome) for one in wallets]
    return [(seen, plan) for seen, plan in found if isinstance(plan, Plan)]


def test_plans_that_fill_one_market_pay_what_all_of_them_leave() -> None:
    views = [snapshot(100_000, replace(SHARED, held=usdc(held))) for held in (0, 50_000)]
    plans = planned(*views)
    (found,) = together(plans, POLICY)
    put = [plan.allocation.targets[SHARED.market.id] - seen.of(SHARED.market.id).held for seen, plan in plans]
    assert found.plans == 2 and found.amount.raw == sum(one.raw for one in put) and found.name == SHARED.market.name
    once = [
        apy_after(seen.of(SHARED.market.id), plan.allocation.targets[SHARED.market.id], POLICY.horizon_seconds, POLICY)
        for seen, plan in plans
    ]
    assert (found.least, found.alone) == (min(one.value for one in once), max(one.value for one in once))
    everything = 1e6 + sum(float(one) for one in put)  # the first wallet holds nothing yet
    mean = 1e5 / everything
    assert found.together == pytest.approx((1 + mean * 30 / 365) ** (365 / 30) - 1, rel=1e-6)


def test_what_one_plan_alone_does_or_does_not_change_is_no_line() -> None:
    assert together(planned(snapshot(100_000, SHARED)), POLICY) == ()
    steady = market("steady", ConstantCurve(0.08))
    assert together(planned(*[snapshot(100_000, steady)] * 3), POLICY) == (), "it pays the same whoever comes"
