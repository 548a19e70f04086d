"""What the allocator is compared with, and the repair that makes any method's holdings allowed ones.

Each baseline takes a Problem of one asset and gives holdings that every constraint allows. None of them knows of fixed
costs, minima and kinks at once; where the outcome is worse than staying put, the benchmark counts staying put.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence

from yieldbot.allocator.problem import Problem

Holdings = list[float]
STARTS = 20
"""Random starts of SLSQP."""
NEAR = 1e-6
"""What a numerical optimiser's holding may be off by, as a share of the wealth."""


class Limits:
    """The constraints of a problem of one asset, for methods that know of bounds alone."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        markets = range(len(problem.markets))
        self.held = problem.held()
        self.spans = [problem.spans(i) for i in markets]
        sums = [*((g.members, g.most) for g in problem.groups), (tuple(markets), problem.budgets[0].spendable)]
        self.caps = [(members, max(most, sum(self.held[m] for m in members))) for members, most in sums]
        """Members and the most that they may hold; the budget is the last."""
        self.caps_of: list[list[int]] = [[] for _ in markets]
        for cap, (members, _) in enumerate(self.caps):
            for member in members:
                self.caps_of[member].append(cap)
        self.least = [min([self.held[i], *(a for a, _ in self.spans[i])]) for i in markets]
        self.most = [max([self.held[i], *(b for _, b in self.spans[i])]) for i in markets]

    def down(self, i: int, x: float, near: float = 0.0) -> float:
        """The largest allowed holding up to x (and ``near`` above it), or the least of all."""
        if abs(x - self.held[i]) <= near:
            return self.held[i]
        best = max(self.least[i], self.held[i] if self.held[i] <= x else 0.0)
        for least, most in self.spans[i]:
            if least <= x + near:
                best = max(best, min(max(x, least), most))
        return best

    def rooms(self, x: Sequence[float]) -> list[float]:
        return [most - sum(x[m] for m in members) for members, most in self.caps]

    def room(self, i: int, rooms: Sequence[float]) -> float:
        return max(0.0, min(rooms[cap] for cap in self.caps_of[i]))

    def repaired(self, x: Sequence[float]) -> Holdings:
        """Rounded down to allowed holdings; what is above a cap is taken off in proportion, what is left given out."""
        near = NEAR * self.problem.wealth
        now = [self.down(i, value, near) for i, value in enumerate(x)]
        for members, most in self.caps:
            self._cut(now, members, most)
        self._fill(now)
        return now

    def _cut(self, now: Holdings, members: Sequence[int], most: float) -> None:
        excess = sum(now[m] for m in members) - most
        if excess <= 0.0:
            return
        room = {m: now[m] - self._floor(m, now[m]) for m in members}
        total = sum(room.values())
        share = min(1.0, excess / total * (1.0 + 1e-12)) if total > 0.0 else 0.0
        for m in members:
            now[m] -= room[m] * share
        value, slack = self.problem.value, 1e-13 * self.problem.wealth
        while (excess := sum(now[m] for m in members) - most) > slack:
            less = {m: self.down(m, max(0.0, now[m] - excess)) for m in members}
            costs = {m: (value(m, now[m]) - value(m, to)) / (now[m] - to) for m, to in less.items() if to < now[m]}
            if not costs:
                return
            m = min(costs, key=lambda m: (costs[m], m))
            now[m] = less[m]

    def _floor(self, i: int, x: float) -> float:
        """How far a changed holding may fall within its interval; an unchanged one not at all."""
        if x == self.held[i]:
            return x
        return max((least for least, most in self.spans[i] if least <= x <= most), default=x)

    def _fill(self, now: Holdings) -> None:
        """Money left over goes where it earns most, into as many as four markets."""
        value, rooms = self.problem.value, self.rooms(now)
        for _ in range(4):
            best = (1e-9, -1, 0.0)
            if rooms[-1] <= NEAR**2 * self.problem.wealth:
                return
            for i, x in enumerate(now):
                if (to := self.down(i, x + self.room(i, rooms))) > x:
                    best = max(best, (value(i, to) - value(i, x), i, to))
            _, i, to = best
            if i < 0:
                return
            for cap in self.caps_of[i]:
                rooms[cap] -= to - now[i]
            now[i] = to


def grid(problem: Problem, parts: int = 20) -> Holdings:
    """Kamino-style: weights in steps of a twentieth, each block to the market where it earns most, costs and all."""

    def worth(i: int, x: float, to: float) -> float:
        return (problem.value(i, to) - problem.value(i, x)) / (to - x)

    return _blocks(problem, parts, worth)


def marginal(problem: Problem, parts: int = 1000) -> Holdings:
    """Water-filling in steps of a thousandth, each to the highest marginal rate; blind to the costs of moving."""

    def worth(i: int, x: float, to: float) -> float:
        market = problem.markets[i]
        return market.curve.marginal(x, problem.horizon_seconds) - market.haircut

    return _blocks(problem, parts, worth)


def _blocks(problem: Problem, parts: int, worth: Callable[[int, float, float], float]) -> Holdings:
    """From the least that each market may hold, block by block to whichever is worth most, while any is."""
    limits, block = Limits(problem), problem.wealth / parts
    x = list(limits.least)
    rooms = limits.rooms(x)

    def step(i: int) -> tuple[float, int, float] | None:
        room = limits.room(i, rooms)
        to = limits.down(i, x[i] + min(block, room))
        if to <= x[i] + problem.unit:  # over a gap: a minimum, or the least move
            ahead = [v for v in (limits.held[i], *(least for least, _ in limits.spans[i])) if v > x[i]]
            to = min(ahead, default=x[i])
            if not x[i] < to <= x[i] + room:
                return None
        return -worth(i, x[i], to), i, to

    heap = [found for i in range(len(x)) if (found := step(i))]
    heapq.heapify(heap)
    while heap:
        _, i, _ = heapq.heappop(heap)
        found = step(i)  # the room may be smaller by now
        if found is None or found[0] >= 0.0:
            continue
        if heap and found > heap[0]:
            heapq.heappush(heap, found)
            continue
        for cap in limits.caps_of[i]:
            rooms[cap] -= found[2] - x[i]
        x[i] = found[2]
        if found := step(i):
            heapq.heappush(heap, found)
    return x


def quoted(problem: Problem) -> Holdings:
    """The highest rate as quoted now first, as much as it may take, then the next."""
    limits, h = Limits(problem), problem.horizon_seconds
    x = list(limits.least)
    rooms = limits.rooms(x)
    rates = [market.curve.apr(market.held, h) - market.haircut for market in problem.markets]
    for i in sorted(range(len(x)), key=lambda i: (-rates[i], i)):
        to = limits.down(i, x[i] + limits.room(i, rooms))
        if rates[i] > 0.0 and to > x[i]:
            for cap in limits.caps_of[i]:
                rooms[cap] -= to - x[i]
            x[i] = to
    return x


def equal(problem: Problem) -> Holdings:
    """All marginal rates equal to one price, by bisection, as if income were concave and moving free; then repaired."""
    limits, h = Limits(problem), problem.horizon_seconds
    near = 1e-9 * problem.wealth

    def rate(i: int, x: float) -> float:
        return problem.markets[i].curve.marginal(x, h) - problem.markets[i].haircut

    def at(price: float, least: Sequence[float], most: Sequence[float]) -> Holdings:
        found = []
        for i, (a, b) in enumerate(zip(least, most, strict=True)):
            if b > a and rate(i, b) >= price:
                a = b
            while b - a > near:
                middle = (a + b) / 2
                a, b = (middle, b) if rate(i, middle) >= price else (a, middle)
            found.append(a)
        return found

    budget = limits.caps[-1][1]
    least, most = limits.least, limits.most
    low, high = 0.0, max(rate(i, x) for i, x in enumerate(least))
    x = at(low, least, most)
    if sum(x) > budget:
        most = x
        while high - low > 1e-9:
            price = (low + high) / 2
            x = at(price, least, most)
            if sum(x) > budget:
                low, most = price, x
            else:
                high, least = price, x
        share = (budget - sum(least)) / max(sum(most) - sum(least), near)  # of what lies exactly at the price
        x = [a + min(1.0, share) * (b - a) for a, b in zip(least, most, strict=True)]
    return limits.repaired(x)


def slsqp(problem: Problem) -> Holdings:
    """The best of SLSQP's ends, repaired, from random starts; blind to fixed costs and minima, not to kinks."""
    import numpy
    from scipy.optimize import LinearConstraint, minimize

    limits, h, wealth = Limits(problem), problem.horizon_seconds, problem.wealth
    markets = problem.markets
    bounds = [(a / wealth, b / wealth) for a, b in zip(limits.least, limits.most, strict=True)]

    def loss(shares: Sequence[float]) -> float:
        held = [max(0.0, share * wealth) for share in shares]
        return -sum(p.changed(x, h) + p.enter_cost for p, x in zip(markets, held, strict=True)) / wealth * 100

    def slope(shares: Sequence[float]) -> list[float]:
        return [
            -100
            * (p.curve.marginal(x := max(0.0, v * wealth), h) - p.haircut - (1 if x >= p.held else -1) * p.move_cost)
            for p, v in zip(markets, shares, strict=True)
        ]

    rows = numpy.zeros((len(limits.caps), len(markets)))
    for cap, (members, _) in enumerate(limits.caps):
        rows[cap, list(members)] = 1.0
    caps = LinearConstraint(rows, -numpy.inf, [most / wealth for _, most in limits.caps])
    draw, best = random.Random(0), list(limits.held)
    for _ in range(STARTS):
        start = [draw.expovariate(1.0) for _ in markets]
        x0 = [min(max(v / sum(start), a), b) for v, (a, b) in zip(start, bounds, strict=True)]
        found = minimize(loss, x0, jac=slope, bounds=bounds, constraints=caps, method="SLSQP", options={"ftol": 1e-9})
        x = limits.repaired([min(max(v, a), b) * wealth for v, (a, b) in zip(found.x, bounds, strict=True)])
        if problem.feasible(x):
            best = max(best, x, key=problem.objective)
    return best
