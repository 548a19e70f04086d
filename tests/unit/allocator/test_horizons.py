"""Two horizons in one solve: idle money enters within the longer, what is invested moves within the shorter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import IDLE_ID, market, snapshot, usdc
from tests.kit.policies import loose
from tests.unit.allocator.test_several import BASE, LOW, in_dai, pool, seen, solved
from yieldbot.allocator.allocate import allocate, exact_of, portfolio_of, problem_of
from yieldbot.allocator.assess import assess
from yieldbot.allocator.horizons import Horizons, days_allowed, horizon_days
from yieldbot.allocator.plan import make_plan
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, Move, Plan
from yieldbot.model.policy import Policy

YEAR = 365.0
HERE, THERE = market("here", ConstantCurve(0.04), held=10_000), market("there", ConstantCurve(0.06))
HERE_ID, THERE_ID = HERE.market.id, THERE.market.id


def decided(view: Snapshot, policy: Policy) -> Plan | Hold:
    return make_plan(view, allocate(view, assess(view, policy), policy), policy, 0)


@pytest.mark.parametrize(
    ("gwei", "policy", "enters"),
    [
        (15, loose(), True),  # 9 USDC of gas against 40 a year: 82 days
        (17, loose(), False),  # 93 days
        (5, loose(enter_horizon_days=30), True),  # 27 days
        (5, loose(enter_horizon_days=20), False),
        (5, loose(break_even_days=20), False),
        (5, loose(break_even_days=30), True),
        (5, loose(max_gas_share_of_gain=0.25), False),  # 22.5 of 90 days
        (5, loose(max_gas_share_of_gain=0.5), True),
        (5, loose(horizon_days=20), False),  # both at once
        (5, loose(horizon_days=30), True),
    ],
)
def test_idle_money_enters_where_that_pays_within_its_horizon(gwei: float, policy: Policy, enters: bool) -> None:
    view = snapshot(1_000, market("a", ConstantCurve(0.04)), gwei=gwei)
    found = decided(view, policy)
    assert isinstance(found, Plan) == enters
    assert isinstance(found, Plan) or found.reason == "nothing earns more than what is held, after costs"


@pytest.mark.parametrize(
    ("gwei", "policy", "moves"),
    [
        (3, loose(), True),  # 3.6 USDC of gas against 200 a year: 6.6 days
        (3.5, loose(), False),
        (5, loose(), False),  # 11 days
        (5, loose(move_horizon_days=12), True),
        (3, loose(break_even_days=5), False),
        (1, loose(break_even_days=5), True),
        (3, loose(max_gas_share_of_gain=0.5), False),
        (1.5, loose(max_gas_share_of_gain=0.5), True),
        (5, loose(horizon_days=12), True),
        (3, loose(enter_horizon_days=1), True),  # never less than what moves has
    ],
)
def test_invested_money_moves_where_that_pays_within_its_own(gwei: float, policy: Policy, moves: bool) -> None:
    found = decided(snapshot(0, HERE, THERE, gwei=gwei), policy)
    assert isinstance(found, Plan) == moves


@pytest.mark.parametrize(("gwei", "moves"), [(5, False), (1, True)])
def test_a_wallet_that_is_partly_idle_does_both_in_one_solve(gwei: float, moves: bool) -> None:
    """2,000 idle enter in either case; of what is invested only the cheaper move pays within 7 days."""
    view = snapshot(2_000, HERE, THERE, gwei=gwei)
    found = decided(view, loose())
    assert isinstance(found, Plan)
    ends = {(move.source, move.target) for move in found.moves}
    assert ends == ({(IDLE_ID, THERE_ID), (HERE_ID, THERE_ID)} if moves else {(IDLE_ID, THERE_ID)})
    assert found.allocation.targets[THERE_ID] == usdc(12_000 if moves else 2_000)
    assert found.allocation.certificate.gap_bps < 0.1
    assert found.cost / found.gain_per_year * YEAR <= days_allowed(found.moves, loose())


def test_the_older_key_spreads_every_cost_over_one_time_as_it_did() -> None:
    policy, view = loose(horizon_days=30), snapshot(2_000, HERE, THERE)
    portfolio, by_id = portfolio_of(view, None), {a.market_id: a for a in assess(view, policy)}
    exact = exact_of(view.markets, by_id, policy, portfolio)
    problem = problem_of(view, view.markets, by_id, policy, exact, portfolio)
    assert [p.enter_cost for p in problem.markets] == pytest.approx([0.6 * YEAR / 30] * 2)
    assert [p.leave_cost for p in problem.markets] == pytest.approx([0.6 * YEAR / 30] * 2)
    assert problem.horizon_seconds == 30 * 86_400
    both = loose(move_horizon_days=30, enter_horizon_days=30)
    for gwei in (0.1, 1, 5, 20):
        seen_at = snapshot(2_000, HERE, THERE, gwei=gwei)
        assert decided(seen_at, policy) == decided(seen_at, both)


def test_horizons_are_bounded_by_break_even_and_gas_by_its_share() -> None:
    plain = Horizons.of(loose())
    assert [years * YEAR for years in (plain.move_years, plain.enter_years)] == pytest.approx([7, 90])
    assert (plain.gas_move_years, plain.gas_enter_years) == (plain.move_years, plain.enter_years)
    shared = Horizons.of(loose(max_gas_share_of_gain=0.5))
    assert [years * YEAR for years in (shared.gas_move_years, shared.gas_enter_years)] == pytest.approx([3.5, 45])
    assert (shared.move_years, shared.enter_years) == (plain.move_years, plain.enter_years)
    bound = Horizons.of(loose(break_even_days=30))
    assert [years * YEAR for years in (bound.move_years, bound.enter_years)] == pytest.approx([7, 30])
    both = Horizons.of(loose(break_even_days=30, max_gas_share_of_gain=0.25))
    assert [years * YEAR for years in (both.gas_move_years, both.gas_enter_years)] == pytest.approx([1.75, 22.5])
    none = Horizons.of(loose(max_gas_share_of_gain=0.0))
    assert 0.0 < none.gas_enter_years < 1e-5, "above 0: costs are divided by it"


def test_moves_together_have_the_time_that_their_costs_ask_for() -> None:
    idle = Move(IDLE_ID, THERE_ID, usdc(1_000), 50.0, 4.0, None, "")
    other = replace(idle, source=HERE_ID, cost=1.0)
    policy = loose(break_even_days=60)
    assert days_allowed([idle], policy) == 60 and horizon_days([idle], policy) == 90
    assert days_allowed([other], policy) == 7 and horizon_days([other], policy) == 7
    assert days_allowed([idle, other], policy) == pytest.approx(5 / (4 / 60 + 1 / 7))
    assert days_allowed([replace(idle, cost=0.0)], policy) == 60 and days_allowed([], policy) == 7
    assert days_allowed([replace(idle, cost=0.0), replace(other, cost=0.0)], policy) == 7


def test_what_a_trial_costs_is_known_to_the_solver() -> None:
    """5 USDC of gas pay within 90 days, the 13 of a deposit that is tried first do not: that is no plan to veto."""
    tried = replace(market("a", ConstantCurve(0.04)), untried=True)
    view = snapshot(1_000, tried, gwei=9)
    found = decided(view, loose())
    assert isinstance(found, Hold) and found.reason.startswith("nothing earns more")
    assert isinstance(decided(snapshot(1_000, replace(tried, untried=False), gwei=9), loose()), Plan)


@pytest.mark.parametrize(("rate", "swapped"), [(0.05, 20_000.0), (0.15, 100_000.0), (0.0325, 0.0)])
def test_a_swap_is_cheap_as_far_as_money_is_idle(rate: float, swapped: float) -> None:
    """10 bp of fee once: within 90 days that is 0.4 % a year, within 7 days 5.2 %. 20,000 are idle, 80,000 invested."""
    low, high = replace(LOW, held=usdc(80_000)), in_dai(market("high", ConstantCurve(rate)))
    view = seen(20_000, 0, low, high, pools=(pool(5_000, fee_bps=10),))
    found = solved(view, loose(), BASE)
    assert sum(float(swap.given) for swap in found.swaps) == pytest.approx(swapped, rel=1e-3, abs=0.1)
    assert found.certificate.gap_bps < 0.1
    assert float(found.targets[MarketId("lend/1/low")]) == pytest.approx(100_000 - swapped, rel=1e-3, abs=0.1)
