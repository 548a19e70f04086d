"""The search leaves out nothing that a box allows: problems on which its bound was once below what can be had."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

from yieldbot.allocator import linear
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import AssetBudget, Group, Problem, ProblemMarket
from yieldbot.allocator.table import MarketTable
from yieldbot.math.curves import KinkedCurve
from yieldbot.math.dilution import Dilution
from yieldbot.math.liquidity_curve import LiquidityCurve, RangeOutlook

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
