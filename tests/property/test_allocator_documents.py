"""Problems as documents, against exhaustive search: one asset and several, overlapping groups, every cost.

The searched points are a grid, so the best of them is at most the true optimum: no bound may be below it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from tests.bench.problems import problem
from tests.kit.draws import draws
from yieldbot.allocator.answer import Posed, pose, solve
from yieldbot.allocator.document import read
from yieldbot.allocator.optimise import optimise

BATCH = 250


def grid(posed: Posed, index: int, steps: int) -> list[float]:
    """Allowed holdings of a place: what is held, the ends of its spans, and points between them."""
    found = {posed.problem.markets[index].held}
    for least, most in posed.problem.spans(index):
        found |= {least + (most - least) * (k / steps) ** power for k in range(steps + 1) for power in (1, 3)}
    return sorted(x for x in found if posed.problem.allowed(index, x))


def searched(posed: Posed, steps: int) -> float:
    """The best objective of a grid that satisfies every limit."""
    problem, markets = posed.problem, range(len(posed.problem.markets))
    choices = [[(x, problem.value(i, x)) for x in grid(posed, i, steps)] for i in markets]
    for k, swap in enumerate(problem.swaps):
        most, index = swap.quotes[-1][0], len(problem.markets) + k
        amounts = [most * j / steps for j in range(steps + 1)]
        choices.append([(x, problem.value(index, x)) for x in amounts])
    best = problem.objective(problem.held())
    for choice in product(*choices):
        value = sum(part for _, part in choice)
        if value > best and problem.within([x for x, _ in choice]):
            best = value
    return best


def several(seed: int) -> dict[str, Any]:
    """Two or three assets, each with markets, and swaps between them at a price that gets worse."""
    draw = random.Random(seed)
    document = problem(seed, draw.choice([2, 3]), wealth=draw.choice([1e4, 1e6]), overlapping=draw.random() < 0.5)
    document["assets"] = [
        {
            "id": "other",
            "wealth": draw.choice(["0", "5000", "250000"]),
            "price": draw.choice(["1", "0.999", "2500"]),
            "idle_rate": draw.choice([0.0, 0.02]),
        }
    ]
    for row in document["markets"]:
        if float(row["held"]) == 0.0 and draw.random() < 0.6:
            row["asset"] = "other"
    price = float(document["assets"][0]["price"])
    size = draw.choice([2e3, 1e5])
    fee = draw.choice([0.0001, 0.002])
    document["swaps"] = [
        {
            "from": "asset",
            "to": "other",
            "quotes": [[f"{part * size:.6f}", f"{part * size * (1 - fee * part) / price:.6f}"] for part in (0.5, 1, 2)],
            "fixed_cost": draw.choice(["0", "3"]),
        },
        {
            "from": "other",
            "to": "asset",
            "quotes": [[f"{part * size / price:.6f}", f"{part * size * (1 - fee * part):.6f}"] for part in (0.5, 1)],
        },
    ]
    return document


def cases() -> Iterator[tuple[str, int]]:
    """Batches, so that workers share them."""
    for kind in ("one group each", "overlapping", "several assets"):
        for first in range(0, draws(1, 4) * BATCH if kind != "several assets" else BATCH, BATCH):
            yield kind, first


@pytest.mark.parametrize(("kind", "first"), list(cases()))
def test_no_allocation_of_an_exhaustive_search_exceeds_the_bound(kind: str, first: int) -> None:
    for seed in range(first, first + (BATCH if kind != "several assets" else draws(60, BATCH))):
        if kind == "several assets":
            document, steps = several(seed), 5
        else:
            draw = random.Random(seed)
            number = draw.choice([1, 2, 3])
            document, steps = problem(seed, number, overlapping=kind == "overlapping"), {1: 200, 2: 20, 3: 6}[number]
        posed = pose(read(document))
        best, found = searched(posed, steps), optimise(posed.problem)
        rounding = 1e-9 * max(1.0, abs(best))
        assert found.upper_bound >= best - rounding, (kind, seed)
        assert found.objective <= found.upper_bound + rounding
        assert posed.problem.feasible(found.holdings), (kind, seed)
        gap = (found.upper_bound - found.objective) / posed.problem.wealth * 10_000
        assert gap <= 0.1, (kind, seed, gap)
        raws, paid = posed.exact.rounded(found.holdings, posed.ones, posed.problem.value)
        assert posed.exact.feasible(raws, paid), (kind, seed)
        answer = solve(posed)
        assert answer["gap_bps"] <= 0.1, (kind, seed, answer["gap_bps"])  # not thrown away by rounding to base units


@pytest.mark.parametrize("markets", [4, 12, 50])
def test_the_answer_keeps_every_limit_as_written(markets: int) -> None:
    """Checked from the document's own text, in base units, with none of the solver's code."""
    for seed in range(60):
        document = problem(seed, markets, overlapping=True)
        answer = solve(pose(read(document)))
        units = {row["id"]: round(float(answer["targets"][row["id"]]) * 10**6) for row in document["markets"]}
        wealth, least = raw(document["wealth"]), raw(document["min_position"])
        assert sum(units.values()) + raw(answer["idle"]) == wealth
        held = {row["id"]: raw(row["held"]) for row in document["markets"]}
        for row in document["markets"]:
            now, then = held[row["id"]], units[row["id"]]
            if then == now:
                continue
            assert then == 0 or then >= least
            assert then <= max(now, wealth * row["max_share"])
            assert then <= now + raw(row.get("max_deposit", "1e12"))
            liquid = max(0, raw(row["supplied"]) - raw(row["borrowed"]))
            assert now - then <= raw(row["max_withdraw"]) if "max_withdraw" in row else now - then <= liquid
        for group in document["groups"]:
            before, after = (sum(amounts[member] for member in group["members"]) for amounts in (held, units))
            assert after <= max(wealth * group["max_share"], before)


def raw(text: str) -> int:
    return round(float(text) * 10**6)


def test_the_same_problem_gives_the_same_answer_bit_for_bit() -> None:
    for seed in range(20):
        assert solve(pose(read(problem(seed, 12, overlapping=True)))) == solve(
            pose(read(problem(seed, 12, overlapping=True)))
        )
