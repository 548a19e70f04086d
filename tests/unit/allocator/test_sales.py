"""Rewards of jobs over several assets: sold into the asset that brings most, by prices that agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.allocator.sales import JOB_SALE, RWD, SELLS, earned, reward
from tests.kit.allocator.several import BASE, DAI, JOB, LOW, NOW, POLICY, planned, pool, seen, solved
from tests.kit.market_builder import USDC
from tests.kit.policies import loose
from yieldbot.allocator.claims import sale_plan
from yieldbot.allocator.convert import swap_id
from yieldbot.chains.evm.execution.build import Fees
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.decision.holds import still_holds
from yieldbot.execution.approvals import Auto, Proposal
from yieldbot.journal.codec import plan_from_doc, plan_to_doc
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Token
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.policy import Policy


def sold(view: Snapshot, policy: Policy = POLICY, token: Token = RWD) -> Plan | None:
    ours = {token: 100 * token.one}
    return sale_plan(view, solved(view), policy, USDC, JOB_SALE, ours, NOW)


@pytest.mark.parametrize(("prices", "wanted"), [((2.0, 1.99), USDC), ((1.99, 2.0), DAI)])
def test_a_reward_is_sold_into_the_asset_that_brings_most(prices: tuple[float, float], wanted: Token) -> None:
    view = earned(*prices)
    plan = sold(view)
    assert plan is not None
    (leg,) = plan.legs
    assert (leg.kind, leg.market_id, leg.amount) == (LegKind.SWAP, swap_id(RWD, wanted), reward().in_wallet)
    assert leg.gets is not None and leg.gets.token == wanted
    assert float(leg.gets) == pytest.approx(199.0, abs=0.1), (
        "half a per cent below the quote, which pays fee and impact"
    )
    assert plan.asset == USDC and plan.sold is not None, "counted in the first asset"
    assert plan.sold.raw == pytest.approx(float(leg.gets) * 10**6, abs=1)
    assert plan.gain_per_year == pytest.approx(float(plan.sold) * 365 / 30)
    assert plan_from_doc(plan_to_doc(plan)) == plan


def test_a_dollar_that_is_none_is_not_sold_into() -> None:
    plan = sold(earned(2.0, 1.99, usd=(0.97, 1.0)))
    assert plan is not None and plan.legs[0].gets is not None and plan.legs[0].gets.token == DAI
    assert sold(earned(2.0, 1.99, usd=(0.97, 0.97))) is None, "but the reward itself need not be worth a dollar"


def test_a_reward_that_is_an_asset_is_money_already() -> None:
    view = earned(2.0, 2.0, token=DAI)
    assert sold(view, token=DAI) is None
    view = seen(0, 50_000, replace(LOW, rewards=(reward(DAI),)), pools=(pool(50),))
    plan = planned(view)
    assert isinstance(plan, Plan) and float(plan.legs[0].amount) == pytest.approx(50_000), (
        "counted once: as what lies in the wallet"
    )


def test_a_sale_is_held_against_its_own_bounds_and_a_swap_of_an_asset_against_the_bases() -> None:
    view = earned(2.0, 1.99)
    plan = sold(view)
    assert plan is not None
    assert still_holds(plan, 0, view, POLICY, SELLS) is None
    kept = still_holds(plan, 0, view, POLICY, JOB)
    assert kept is not None and kept.code == "NOT_IN_PLAN", "a job that keeps its rewards sells none"
    worse = still_holds(plan, 0, earned(1.95, 1.95), POLICY, SELLS)
    assert worse is not None and worse.code == "PRICE_IMPACT"
    assert (SELLS.bounds(RWD), SELLS.bounds(DAI), SELLS.bounds(USDC)) == (JOB_SALE, BASE, BASE)
    assert replace(SELLS, base=None, others=()).bounds(USDC) is None


@pytest.mark.parametrize(("limit", "passes"), [("200", True), ("198", False)])
async def test_a_sale_is_within_the_automatic_limits_in_the_first_asset(limit: str, passes: bool, tmp_path) -> None:
    plan = sold(earned(1.99, 2.0))
    assert plan is not None and plan.legs[0].gets is not None and plan.legs[0].gets.token == DAI
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        auto = Auto(journal, loose(horizon_days=30.0, auto_max_move=limit, auto_max_total=limit))
        said = await auto.approve(Proposal(plan, Rehearsal(plan.block, (), Fees(1, 1))))
    assert isinstance(said, Declined) is not passes
