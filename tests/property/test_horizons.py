"""With two horizons: no choice of a grid beats the bound, and no plan is made that a rule then refuses."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.market_builder import kinked, snapshot
from tests.kit.policies import loose
from tests.property.several import case_of
from tests.property.test_allocator import states
from tests.unit.risk.test_protections import JOB
from yieldbot.allocator.horizons import Horizons, days_allowed
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import AssetBudget, Problem, ProblemMarket, Swap
from yieldbot.decision.decide import Decision, decide
from yieldbot.math.curves import ConstantCurve, DilutedCurve
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.policy import Policy

UNIT = 1e-6
PARTS = 6


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return loose(
        move_horizon_days=draw(st.sampled_from([1.0, 7.0, 30.0])),
        enter_horizon_days=draw(st.sampled_from([30.0, 90.0])),
        break_even_days=draw(st.sampled_from([None, None, 3.0, 60.0])),
        max_gas_share_of_gain=draw(st.sampled_from([1.0, 0.3])),
        max_share_market=draw(st.sampled_from([1.0, 0.5])),
        min_position=draw(st.sampled_from(["0", "2000"])),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Three markets of two assets, partly invested, and a swap each way whose cost has its kink where idle money
    ends."""
    spread, gas = Horizons.of(draw(policies())), draw(st.sampled_from([0.0, 0.5, 20.0]))
    prices = (1.0, draw(st.sampled_from([1.0, 1.25])))
    holdings = [draw(st.sampled_from([0.0, 5_000.0, 40_000.0])) for _ in range(3)]
    assets = (0, 0, 1)
    idle = [draw(st.sampled_from([0.0, 7_000.0, 60_000.0])) for _ in range(2)]
    wealth = [idle[k] + sum(h for h, a in zip(holdings, assets, strict=True) if a == k) for k in range(2)]
    swaps = []
    for source, target in ((0, 1), (1, 0)):
        if (most := wealth[source]) <= 0.0:
            continue
        rate, fee = prices[source] / prices[target], draw(st.sampled_from([0.0001, 0.001, 0.005]))
        deep = draw(st.sampled_from([1e6, 1e8]))
        given_in = sorted({most * part for part in (0.1, 0.3, 1.0)} | ({idle[source]} if idle[source] else set()))
        quotes = tuple((x, rate * x * (1.0 - fee) * (1.0 - x / deep)) for x in given_in)
        years = spread.gas_enter_years if idle[source] > 0.0 else spread.gas_move_years
        swaps.append(Swap(source, target, quotes, gas / years, spread.move_years, idle[source], spread.enter_years))
    markets = []
    for held, asset in zip(holdings, assets, strict=True):
        others = draw(st.floats(2e4, 3e6))
        curve = draw(
            st.sampled_from(
                [
                    kinked(others, draw(st.floats(0.3, 0.99)) * others, high=draw(st.floats(0.05, 2.0))),
                    DilutedCurve(others, others * draw(st.floats(0.01, 0.2))),
                    ConstantCurve(draw(st.floats(0.0, 0.25))),
                ]
            )
        )
        again = gas * (1.0 / spread.gas_move_years - 1.0 / spread.gas_enter_years)
        markets.append(
            ProblemMarket(
                curve=curve,
                held=held,
                low=draw(st.sampled_from([0.0, held / 2])),
                high=max(held, wealth[asset] + sum(s.quotes[-1][1] for s in swaps if s.target == asset)),
                haircut=draw(st.sampled_from([0.0, 0.002])),
                enter_cost=gas / spread.gas_enter_years,
                leave_cost=gas / spread.gas_move_years + again,
                pools=frozenset(),
                asset=asset,
                price=prices[asset],
            )
        )
    least = draw(st.sampled_from([0.0, 1_000.0]))
    budgets = tuple(AssetBudget(w, w, price) for w, price in zip(wealth, prices, strict=True))
    return Problem(tuple(markets), (), budgets, least, least / 10, 7 * 86_400.0, UNIT, tuple(swaps))


@settings(max_examples=20, deadline=None)
@given(problems())
def test_no_choice_of_a_grid_beats_the_bound_of_a_partly_idle_wallet(problem: Problem) -> None:
    grids = []
    for p in problem.markets:
        steps = {p.held, 0.0, *(p.low + (p.high - p.low) * k / PARTS for k in range(PARTS + 1))}
        grids.append(sorted(steps | {p.held + swap.idle for swap in problem.swaps if swap.source == p.asset}))
    for swap in problem.swaps:
        most = swap.quotes[-1][0]
        near = {swap.idle, *(swap.idle + d for d in (-1.0, 1.0)), *(most * k / 3 for k in range(4))}
        grids.append(sorted(x for x in near if 0.0 <= x <= most))
    found = optimise(problem)
    best = max(problem.objective(x) for x in product(*grids) if problem.feasible(x))
    assert found.upper_bound >= best - 1e-6
    assert found.upper_bound >= found.objective - 1e-6
    assert problem.feasible(found.holdings)
    assert found.objective >= best - 2e-3 * abs(best) - 0.01


@pytest.mark.parametrize("idle", [0.0, 30.0, 100.0])
def test_the_value_of_a_swap_is_concave_with_its_kink_where_idle_money_ends(idle: float) -> None:
    swap = Swap(0, 1, ((50.0, 49.9), (100.0, 99.7)), 1.0, 7 / 365, idle, 90 / 365)
    budgets = (AssetBudget(100.0, 100.0), AssetBudget(0.0, 0.0))
    problem = Problem((), (), budgets, 0.0, 0.0, 7 * 86_400.0, UNIT, (swap,))
    worth = [problem.value(0, float(x)) for x in range(1, 101)]
    slopes = [b - a for a, b in pairwise(worth)]
    assert all(later <= sooner + 1e-9 for sooner, later in pairwise(slopes))
    lost = [x - swap.out(float(x)) for x in range(101)]
    first = min(int(idle), 100)
    wanted = -lost[first] / (90 / 365) - (lost[100] - lost[first]) / (7 / 365) - 1.0
    assert worth[-1] == pytest.approx(wanted)


def refused(found: Decision, policy: Policy) -> str | None:
    """Why a rule refuses what the solver found; None where none does, or nothing was found."""
    if not isinstance(plan := found.outcome, Plan):
        return found.outcome.reason if found.outcome.late else None
    days = plan.cost / plan.gain_per_year * 365
    return None if days <= days_allowed(plan.moves, policy) * (1 + 1e-9) else f"{days} days"


@st.composite
def wallets(draw: st.DrawFn) -> Snapshot:
    """Of one asset; gas differs from market to market, some are to be tried first."""
    gas, trial = st.sampled_from([100_000, 200_000, 400_000]), st.sampled_from([False, False, False, True])
    found = [
        replace(state, gas_deposit=draw(gas), gas_withdraw=draw(gas), untried=draw(trial) and not state.held)
        for state in draw(st.lists(states(), min_size=1, max_size=6))
    ]
    return snapshot(
        draw(st.sampled_from([1.0, 300.0, 10_000.0, 100_000.0])), *found, gwei=draw(st.sampled_from([1, 30]))
    )


@settings(max_examples=draws(40, 80), deadline=None)
@given(wallets(), policies())
def test_no_plan_is_made_that_a_rule_then_refuses(seen: Snapshot, policy: Policy) -> None:
    assert refused(decide(seen, policy, JOB, 0), policy) is None


@pytest.mark.parametrize("first", [*range(0, 120, 40), 184, 722, 997])
def test_nor_of_several_assets(first: int) -> None:
    """The last three seeds: swaps that took for idle what another move used too, and together would have paid late."""
    for seed in range(first, first + (40 if first < 120 else 1)):
        draw = random.Random(seed)
        seen, policy, job = case_of(draw)
        policy = replace(
            policy,
            horizon_days=None,
            break_even_days=draw.choice([None, None, 3.0, 30.0]),
            max_gas_share_of_gain=draw.choice([1.0, 0.3]),
            move_horizon_days=draw.choice([7.0, 30.0]),
            enter_horizon_days=draw.choice([90.0, 30.0]),
        )
        assert refused(decide(seen, policy, job, 0), policy) is None, seed
