"""The allocation problem as a mixed-integer program for HiGHS (scipy's milp): income as a broken line of many points.

Two models of the same points. The plain one, the textbook's, has a binary for every segment. The tuned one cuts the
points into concave pieces with one binary each, which needs the breakpoints that our envelope knows: then the
relaxation of a market is the concave hull of its choices, the tightest there is. Staying put is a choice without cost.
Amounts are shares of the wealth, incomes bps of it.
"""

from __future__ import annotations

import heapq
import math
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.bench.baselines import Limits
from yieldbot.allocator.envelope import breakpoints
from yieldbot.allocator.problem import Problem

BPS = 1e4
MOST_POINTS = 200
"""Of one interval of a market's holdings."""
ERROR_BPS = 5e-3
"""Of all wealth, by the root of the number of markets: what a line may miss. The allocator's own tolerance."""
Piece = tuple[list[float], list[float]]
"""Holdings and incomes (tokens, tokens a year) at the points of a concave piece."""


@dataclass(slots=True)
class Model:
    """The pieces of each market, the points in all, and what building them took."""

    problem: Problem
    limits: Limits
    pieces: list[list[Piece]] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def of(cls, problem: Problem, plain: bool = False) -> Model:
        start = time.perf_counter()
        model = cls(problem, Limits(problem))
        error = ERROR_BPS / BPS * problem.wealth / math.sqrt(len(problem.markets))
        for i, spans in enumerate(model.limits.spans):
            lines = (_line(problem, i, least, most, error) for least, most in spans)
            cut = _segments if plain else _concave
            model.pieces.append([piece for line in lines for piece in cut(line)])
        model.seconds = time.perf_counter() - start
        return model

    @property
    def points(self) -> int:
        return sum(len(xs) for pieces in self.pieces for xs, _ in pieces)

    @property
    def binaries(self) -> int:
        return sum(len(pieces) + 1 for pieces in self.pieces)

    def objective(self, x: list[float] | tuple[float, ...]) -> float:
        """What the model says these allowed holdings earn; less where income falls and its line was cut off."""
        return sum(self._value(i, value) for i, value in enumerate(x))

    def _value(self, i: int, x: float) -> float:
        if abs(x - self.limits.held[i]) < self.problem.unit / 2:
            return self.problem.value(i, self.limits.held[i])
        best = -math.inf
        for xs, ys in self.pieces[i]:
            if x < xs[0] - self.problem.unit:
                continue
            at = min(bisect_right(xs, x), len(xs) - 1)
            if at == 0 or x >= xs[-1]:
                best = max(best, ys[at])
            else:
                best = max(best, ys[at - 1] + (ys[at] - ys[at - 1]) * (x - xs[at - 1]) / (xs[at] - xs[at - 1]))
        return best


def _line(problem: Problem, i: int, least: float, most: float, error: float) -> list[tuple[float, float]]:
    """Points of the income on an interval: its breakpoints and just after them, then halves where a chord misses most.

    It ends where income is highest: every limit is an upper one, so nobody wants more.
    """
    market = problem.markets[i]
    pool = float(getattr(market.curve, "others", 0.0))

    def point(x: float) -> tuple[float, float]:
        return x, market.changed(x, problem.horizon_seconds)

    edges = {least, most}
    for x in breakpoints(market.curve, problem.horizon_seconds):
        edges.update(v for v in (x, x + 1e-11 * (pool + x)) if least < v < most)
    found = [point(x) for x in sorted(edges)]

    def missed(a: tuple[float, float], b: tuple[float, float]) -> Iterator[tuple[float, Any, Any, Any]]:
        x = math.sqrt((pool + a[0]) * (pool + b[0])) - pool
        if a[0] < x < b[0]:
            middle = point(x)
            chord = a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0])
            yield -abs(middle[1] - chord), a, middle, b

    for number in (MOST_POINTS // 4, MOST_POINTS):  # first to find where income is highest
        heap = [worst for a, b in pairwise(found) for worst in missed(a, b)]
        heapq.heapify(heap)
        while heap and heap[0][0] < -error and len(found) < number:
            _, a, middle, b = heapq.heappop(heap)
            found.append(middle)
            for worst in (*missed(a, middle), *missed(middle, b)):
                heapq.heappush(heap, worst)
        found.sort()
        best = max(range(len(found)), key=lambda k: (found[k][1], -k))
        found = found[: best + 2 if number < MOST_POINTS else best + 1]
    return found


def _segments(line: list[tuple[float, float]]) -> Iterator[Piece]:
    """Every segment for itself; a point alone where there is none."""
    if len(line) == 1:
        yield [line[0][0]], [line[0][1]]
    for (x0, y0), (x1, y1) in pairwise(line):
        yield [x0, x1], [y0, y1]


def _concave(line: list[tuple[float, float]]) -> Iterator[Piece]:
    """The line cut wherever its slope rises."""
    xs, ys, slope = [line[0][0]], [line[0][1]], math.inf
    for (x0, y0), (x1, y1) in pairwise(line):
        now = (y1 - y0) / (x1 - x0)
        if now > slope + 1e-9:
            yield xs, ys
            xs, ys = [x0], [y0]
        xs.append(x1)
        ys.append(y1)
        slope = now
    yield xs, ys


@dataclass(frozen=True, slots=True)
class Solved:
    """holdings: None where HiGHS found none in time; bound: its dual bound on the model's income a year."""

    holdings: list[float] | None
    bound: float
    finished: bool
    seconds: float


def solve(model: Model, gap: float, seconds: float) -> Solved:
    """Run HiGHS to a relative gap, or for so long. Its own time alone is taken, that of the model is not."""
    import numpy
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    wealth, limits = model.problem.wealth, model.limits
    income: list[float] = []
    binary: list[int] = []
    entries: list[tuple[int, int, float]] = []
    low: list[float] = []
    high: list[float] = []
    for _, most in limits.caps:
        low.append(-math.inf)
        high.append(most / wealth)
    chosen: list[list[tuple[int, int]]] = []
    for i, pieces in enumerate(model.pieces):
        choice = len(high)
        low.append(1.0)
        high.append(1.0)
        stay = [limits.held[i]], [model.problem.value(i, limits.held[i])]
        chosen.append([])
        for xs, ys in (stay, *pieces):
            first = len(income)
            chosen[i].append((first, len(xs)))
            entries += [(cap, first + k, x / wealth) for cap in limits.caps_of[i] for k, x in enumerate(xs) if x]
            income += [y / wealth * BPS for y in ys]
            if len(xs) == 1:
                binary.append(1)
                entries.append((choice, first, 1.0))
                continue
            binary += [0] * len(xs) + [1]
            income.append(0.0)
            entries += [(len(high), first + k, 1.0) for k in range(len(xs))]
            entries += [(len(high), first + len(xs), -1.0), (choice, first + len(xs), 1.0)]
            low.append(0.0)
            high.append(0.0)
    rows, columns, values = zip(*entries, strict=True)
    matrix = coo_array((values, (rows, columns)), shape=(len(high), len(income))).tocsc()
    start = time.perf_counter()
    found = milp(
        -numpy.array(income),
        integrality=numpy.array(binary),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    took = time.perf_counter() - start
    bound = -found.mip_dual_bound * wealth / BPS if found.mip_dual_bound is not None else math.inf
    holdings = _holdings(model, found.x, chosen) if found.x is not None else None
    return Solved(holdings, bound, found.status == 0, took)


def _holdings(model: Model, weights: Any, chosen: list[list[tuple[int, int]]]) -> list[float]:
    """Of each market the choice with the largest weight; repaired, for HiGHS is exact to a millionth only."""
    x = []
    for i, choices in enumerate(chosen):
        totals = [sum(weights[first : first + number]) for first, number in choices]
        k = max(range(len(choices)), key=totals.__getitem__)
        first, number = choices[k]
        if k == 0:
            x.append(model.limits.held[i])
        else:
            xs = model.pieces[i][k - 1][0]
            mean = sum(w * v for w, v in zip(weights[first : first + number], xs, strict=True)) / totals[k]
            x.append(min(max(mean, xs[0]), xs[-1]))
    return model.limits.repaired(x)
