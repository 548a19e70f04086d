"""The search is closed where many markets are nearly alike, each has a limit, and some share a pool."""

from __future__ import annotations

import random

from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.problem import AssetBudget, Problem, ProblemMarket
from yieldbot.math.curves import KinkedCurve

PROBLEMS = 60


def problem(seed: int) -> Problem:
    """Up to 30 markets that pay nearly the same, for money that fills about half of their limits."""
    draw = random.Random(seed)
    limit = draw.choice((3_000.0, 7_000.0, 25_000.0))
    markets = tuple(
        ProblemMarket(
            curve=KinkedCurve(others, others * draw.uniform(0.5, 0.9), ((0.0, 0.0), (0.9, 0.05), (1.0, 0.6)), 0.9),
            held=limit if draw.random() < 0.1 else 0.0,
            low=0.0,
            high=limit,
            haircut=draw.choice((0.0, 0.002, 0.02)),
            enter_cost=draw.uniform(0.5, 3.0),
            leave_cost=draw.uniform(0.5, 5.0),
            pools=frozenset({f"pool {draw.randrange(8)}"} if draw.random() < 0.4 else ()),
        )
        for _ in range(draw.randint(12, 30))
        for others in (draw.choice((1e6, 1e6, 4e6)),)
    )
    wealth = sum(market.held for market in markets) + limit * draw.uniform(4.0, 16.0)
    budget = AssetBudget(wealth, wealth - 500.0)
    return Problem(markets, (), (budget,), 1_000.0, 100.0, 30 * 86_400.0, 1e-6)


def test_markets_of_one_pool_do_not_keep_the_search_from_its_end() -> None:
    """What two markets of one pool would earn together is taken off the bound before fixed costs of cents are."""
    for seed in range(PROBLEMS):
        posed = problem(seed)
        found = optimise(posed)
        assert posed.feasible(found.holdings), seed
        gap_bps = (found.upper_bound - found.objective) / posed.wealth * 10_000
        assert gap_bps < 0.02, (seed, gap_bps, found.steps)
