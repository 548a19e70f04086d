"""Bounds of the search hold whatever swaps bring between their quotes."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tests.property.several import case_of
from yieldbot.allocator.allocate import exact_of, problem_of
from yieldbot.allocator.assess import assess
from yieldbot.allocator.convert import upper_quotes
from yieldbot.allocator.optimise import optimise
from yieldbot.allocator.portfolio import portfolio_of
from yieldbot.allocator.swap_quotes import SwapQuotes, most_added


def test_what_is_added_to_a_bound_covers_the_best_of_the_wider_problem() -> None:
    """So that the wider problem need not be solved where little is added."""
    compared = 0
    for seed in range(300):
        snapshot, policy, job = case_of(random.Random(seed))
        portfolio = portfolio_of(snapshot)
        by_id = {a.market_id: a for a in assess(snapshot, policy, None, job.base)}
        quotes = SwapQuotes.of(snapshot, portfolio, job.base)
        exact = exact_of(snapshot.markets, by_id, policy, portfolio, job.base, quotes.quoted())
        problem = problem_of(snapshot, snapshot.markets, by_id, policy, exact, portfolio, job.base, quotes.gas())
        best = optimise(problem)
        if not problem.swaps or not best.complete:
            continue
        wider = quotes.widened(problem)
        added = most_added(problem, wider, best.prices, float("inf"))
        found = optimise(wider)
        assert best.upper_bound + added >= found.objective - 1e-9 * (1.0 + abs(found.objective)), seed
        assert found.upper_bound >= best.objective - 1e-9 * (1.0 + abs(best.objective)), seed
        compared += found.objective > best.objective
    assert compared >= 15


@pytest.mark.parametrize("unit", [1e-6, 1e-2])
def test_a_line_above_quotes_is_above_every_output_that_they_can_be_of(unit: float) -> None:
    """Outputs of a pool with a constant product, rounded down; the rate of the feeds is what it pays at most."""
    for seed in range(40):
        draw = random.Random(seed)
        most, depth, fee = 10 ** draw.uniform(0, 6), 10 ** draw.uniform(2, 9), draw.choice([0.0, 0.0002, 0.003])

        def out(x: float, depth: float = depth, fee: float = fee) -> float:
            return x * (1.0 - fee) * depth / (depth + x)

        points = [
            (x, got)
            for k in range(16)
            if (got := int(out(x := most / 4096 ** (k / 15)) / unit) * unit) > 0.0
        ][::-1]  # fmt: skip
        line = [(0.0, 0.0), *upper_quotes(points, 1.0, unit)]
        assert line[-1][0] == pytest.approx(most)
        for (x0, y0), (x1, y1) in pairwise(line):
            assert x1 > x0 and y1 >= y0 - 1e-12 * most
            for part in (0.0, 0.1, 0.5, 0.9, 1.0):
                x = x0 + part * (x1 - x0)
                assert y0 + part * (y1 - y0) >= out(x) - 1e-12 * most, (seed, x)
        if fee and depth > 1e4 * most and most > 1e5 * unit:  # all but straight: hardly above the last quote's own rate
            x, y = line[-2]
            assert y <= out(most) + 4 * unit


def test_a_flat_pool_needs_no_wider_problem() -> None:
    """Quotes in a line are told apart from quotes that are few: the loss between them is known to the unit."""
    points = [(float(k), 0.9998 * k) for k in (1, 10, 100, 1000)]
    for x, y in upper_quotes(points, 1.0, 1e-6):
        assert y <= 0.9998 * x + 1e-4
