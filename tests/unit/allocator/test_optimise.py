"""The search leaves out nothing that a box allows: problems on which its bound was once below what can be had."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from yieldbot.allocator import linear
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import AssetBudget, Group, Problem, ProblemMarket
from yieldbot.allocator.table import MarketTable
from yieldbot.math.curves import KinkedCurve, Points
from yieldbot.math.dilution import Dilution
from yieldbot.math.liquidity_curve import LiquidityCurve, RangeOutlook
from yieldbot.math.scaled import CappedCurve

MONTH = 30 * 86_400.0
UNIT = 1e-6


def lending(held: float = 0.0, pool: str = "own", dilutions: tuple[Dilution, ...] = ()) -> ProblemMarket:
    curve = KinkedCurve(20_000.0, 10_000.0, ((0.0, 0.0), (0.5, 0.05), (1.0, 1.05)), 0.9)
    return ProblemMarket(curve, held, 0.0, 1_001.0, 0.0, 0.0, 0.0, frozenset({pool}), dilutions=dilutions)


def provided() -> ProblemMarket:
    """Liquidity of 1,000 that loses where it is newly made, and half of which cannot be taken out."""
    stays, enters = RangeOutlook(others=20_000.0), RangeOutlook(others=20_000.0, lost=0.0625)
    curve = LiquidityCurve(stays, enters, 1_000.0, 0.0)
    return ProblemMarket(curve, 1_000.0, 500.0, 1_001.0, 0.0, 0.0, 0.0, frozenset({"shared"}))


def problem(*markets: ProblemMarket, budget: float = 1_001.0, groups: tuple[Group, ...] = ()) -> Problem:
    return Problem(markets, groups, (AssetBudget(budget, budget),), 0.0, 0.0, MONTH, UNIT)


def rivals() -> Problem:
    """A market whose envelope stays above its income at every vertex, next to one of the same pool."""
    liquidity = provided()
    return problem(
        lending(), lending(pool="shared", dilutions=(Dilution(liquidity.curve, 1_000.0, 1_000.0),)), liquidity
    )


def test_a_box_whose_end_is_the_relaxed_holding_is_searched_on() -> None:
    """Both halves were the box itself and were dropped: the answer was 10.469, bound and all, where 10.728 is to be
    had."""
    asked = rivals()
    steps = [[k * market.high / 40 for k in range(41)] for market in asked.markets]
    best = max(asked.objective(x) for x in product(*steps) if asked.feasible(x))
    found = optimise(asked)
    assert found.upper_bound >= found.objective >= best > 10.7
    assert found.upper_bound - found.objective < 1e-3


def test_one_holding_alone_is_worth_what_it_earns() -> None:
    """A box that is one holding, inside of a cell or at its border, has that holding's income for its envelope."""
    asked = rivals()
    for index in range(2):
        table = MarketTable.of(asked, index)
        for x in (0.0, 333.25, 1_001.0):
            hull = table.hull((x, x))
            assert hull is not None and hull.vertices == [(x, table.value(x))]
    assert MarketTable.of(asked, 2).hull((499.0, 499.0)) is None  # not allowed: 500 cannot be taken out


def test_a_linear_program_that_gives_up_leaves_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HiGHS does not solve is not infeasible: the bound is then above all that could be earned, the answer what
    we hold or better."""
    asked = problem(lending(), lending(pool="b"), groups=(Group((0, 1), 900.0), Group((0,), 300.0)))
    solved = optimise(asked)
    monkeypatch.setattr(linear.Linear, "_run", lambda self, *_: SimpleNamespace(name="kIterationLimit"), raising=True)
    found = optimise(asked)
    assert found.upper_bound >= solved.upper_bound - 1e-9
    assert found.objective >= 0.0 and asked.feasible(found.holdings)


def capped(others: float, borrowed: float, points: Points, held: float, **bounds: Any) -> ProblemMarket:
    """A market whose rate is capped up to what we hold there, as at a utilisation spike."""
    curve = CappedCurve(KinkedCurve(others, borrowed, points, 0.9), held)
    return ProblemMarket(curve, held, enter_cost=13.7, leave_cost=338.3, haircut=0.0, pools=frozenset(), **bounds)


@pytest.mark.parametrize("held", [327_772.286606, 327_772.3])
def test_a_holding_beside_what_is_held_by_rounding_alone_is_not_searched_for(held: float) -> None:
    """A linear program's solution is what is held but for the last digit. As that is no allowed holding, the same box
    was searched until the steps ran out: the bound was left 55 bp of the wealth above the answer, and elsewhere money
    stayed where it was though a move paid."""
    spike = ((0.0, 0.0), (0.892, 0.039), (0.944, 0.508), (1.0, 1.028))
    flat = ((0.0, 0.0), (0.859, 0.0729), (0.948, 0.506), (1.0, 0.806))
    other = capped(42_004_953.7, 38_323_525.2, flat, 278_558.937151, low=0.0, high=1_062_569.4)
    full = capped(10_214_284.7, 9_902_457.9, spike, held, low=40_548.065577, high=held * 1.9, asset=1)
    budgets = AssetBudget(396_115.63062, 396_115.63062), AssetBudget(held, held)
    asked = Problem((other, full), (), budgets, 0.0, 0.0, 7 * 86_400.0, UNIT)
    found = optimise(asked)
    assert found.steps < 60
    assert found.upper_bound - found.objective < asked.wealth * 0.01 / 10_000
