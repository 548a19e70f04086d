"""Branch and bound: the best holdings found, and a bound that no allocation of the problem can exceed.

Each node is a box of holdings a market; its bound is that of the relaxed problem (relax.py). Where relaxed holdings
earn less than their envelope says, the lines there are made finer, or, where the envelope spans a dent that is really
there (a kink, a fixed cost, a minimum), the box is split. Of two markets that share a pool at most one may change:
where a relaxed solution changes both, one child keeps the one as it is, the other child its rivals.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

from yieldbot.allocator.problem import Problem
from yieldbot.allocator.relax import Box, Limits, Relaxed, limits_of, relax
from yieldbot.allocator.table import Table

Holdings = tuple[float, ...]
TOLERANCE_BPS = 5e-3
"""A gap below this, in bps of wealth a year, ends the search."""
MOST_STEPS = 600
"""Relaxed problems solved at most; what gap is then left, the certificate says."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """Holdings in whole tokens, their objective, the bound on any allocation's, the marginal value of the budget."""

    holdings: Holdings
    objective: float
    upper_bound: float
    price: float


@dataclass(frozen=True, slots=True)
class _Node:
    boxes: tuple[Box, ...]
    relaxed: Relaxed
    version: int


def optimise(problem: Problem) -> Optimum:
    """The best allocation found. Staying as we are is the first candidate, so the answer is always feasible."""
    return _Search(problem).run()


class _Search:
    """One run: the tables, the queue of open nodes by falling bound, the best allocation so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.tables = [Table.of(problem, index) for index in range(len(problem.places))]
        self.limits: Limits = limits_of(problem)
        self.tolerance = max(1e-9, problem.wealth * TOLERANCE_BPS / 10_000)
        self.best: Holdings = tuple(place.held for place in problem.places)
        self.best_value = problem.objective(self.best)
        self.queue: list[tuple[float, int, _Node]] = []
        self.order = self.version = self.steps = 0
        self.rivals = _rivals(problem)
        self.lost = float("-inf")

    def run(self) -> Optimum:
        places = self.problem.places
        boxes = tuple((min(p.low, p.held), max(p.high, p.held)) for p in places)
        self._push(boxes)
        bound, price = (self.queue[0][2].relaxed.bound, self.queue[0][2].relaxed.price) if self.queue else (0.0, 0.0)
        while self.queue and self.steps < MOST_STEPS:
            _, _, node = heapq.heappop(self.queue)
            if node.relaxed.bound <= self.best_value + self.tolerance:
                self.lost = max(self.lost, node.relaxed.bound)
                break
            price = node.relaxed.price
            if node.version != self.version:
                self._push(node.boxes, node.relaxed)
            else:
                self._expand(node)
        bound = max((node.relaxed.bound for _, _, node in self.queue), default=float("-inf"))
        return Optimum(self.best, self.best_value, max(bound, self.lost, self.best_value), price)

    def _push(self, boxes: tuple[Box, ...], parent: Relaxed | None = None) -> None:
        """Solve a node and queue it, unless nothing in it can be better than what is known."""
        self.steps += 1
        found = relax(self.tables, boxes, self.limits)
        if found is None:
            return
        if parent is not None and parent.bound < found.bound:
            found = replace(found, bound=parent.bound)
        if found.bound <= self.best_value + self.tolerance:
            self.lost = max(self.lost, found.bound)
            return
        self.order += 1
        heapq.heappush(self.queue, (-found.bound, self.order, _Node(boxes, found, self.version)))

    def _expand(self, node: _Node) -> None:
        relaxed, boxes = node.relaxed, node.boxes
        errors, below = [], []
        for table, box, x, y in zip(self.tables, boxes, relaxed.x, relaxed.y, strict=True):
            low, high = table.neighbours(x, box)
            below.append(low if low >= 0.0 else high)
            errors.append(y - table.value(x) if low == x or high == x else float("inf"))
        self._offer(tuple(below))
        share = self.tolerance / (2 * len(errors))
        rough = [i for i, error in enumerate(errors) if error > share]
        if not rough:
            self._branch_on_pools(node)
            return
        # What of each error finer lines can take away; the rest is a dent of the income itself.
        lines = {
            i: min(errors[i], self.tables[i].line_at(relaxed.x[i]) - relaxed.y[i] + errors[i])
            for i in rough
            if errors[i] < float("inf")
        }
        worst = max(rough, key=lambda i: (errors[i] - lines.get(i, 0.0), -i))
        if errors[worst] - lines.get(worst, 0.0) <= max(sum(lines.values()), share) and self._refine(relaxed, lines):
            self._push(boxes, relaxed)
        else:
            self._branch(node, worst)

    def _refine(self, relaxed: Relaxed, lines: dict[int, float]) -> bool:
        """Finer lines where they matter; False where there is nothing left to make finer."""
        most = max(lines.values(), default=0.0)
        chosen = [i for i, error in lines.items() if error > most / 1000]
        finer = [self.tables[i].split(relaxed.x[i], relaxed.prices[i]) for i in chosen]
        self.version += any(finer)
        return any(finer)

    def _branch(self, node: _Node, i: int) -> None:
        """Two boxes, to the left and to the right of the relaxed holding."""
        x, box, table = node.relaxed.x[i], node.boxes[i], self.tables[i]
        low, high = table.neighbours(x, box)
        if low == x or high == x:
            if table.cut(x):
                self.version += 1
            low = high = x
        for child in ((box[0], low), (high, box[1])):
            if child[0] <= child[1] and child != box and min(child) >= 0.0:
                self._push((*node.boxes[:i], child, *node.boxes[i + 1 :]), node.relaxed)

    def _branch_on_pools(self, node: _Node) -> None:
        """The relaxed solution earns what it says: done with this node, unless markets of one pool change together."""
        pair = next(self._conflicts(node.relaxed.x), None)
        if pair is None:
            self.lost = max(self.lost, node.relaxed.bound)
            return
        first = pair[0]
        for stopped in ({first}, self.rivals[first]):
            boxes = tuple(
                (place.held, place.held) if i in stopped else box
                for i, (place, box) in enumerate(zip(self.problem.places, node.boxes, strict=True))
            )
            if all(
                low <= self.problem.places[i].held <= high for i, (low, high) in enumerate(node.boxes) if i in stopped
            ):
                self._push(boxes, node.relaxed)

    def _conflicts(self, x: Holdings) -> Iterator[tuple[int, int]]:
        changed = {i for i, place in enumerate(self.problem.places) if abs(x[i] - place.held) >= self.problem.unit / 2}
        return ((i, j) for i in sorted(changed) for j in sorted(self.rivals[i] & changed))

    def _offer(self, x: Holdings) -> None:
        """Take x as the best if it is feasible and better; of rivals that change together only the best one does."""
        held = tuple(place.held for place in self.problem.places)
        gains = [self.problem.value(i, x[i]) - self.problem.value(i, held[i]) for i in range(len(x))]
        kept = list(x)
        for i, j in self._conflicts(x):
            loser = i if (gains[i], -i) < (gains[j], -j) else j
            kept[loser] = held[loser]
        candidate = tuple(kept)
        value = self.problem.objective(candidate)
        if value > self.best_value + 1e-9 and self.problem.feasible(candidate):
            self.best, self.best_value = candidate, value


def _rivals(problem: Problem) -> list[set[int]]:
    """For each market those that share a pool with it."""
    by_pool: dict[str, set[int]] = {}
    for i, place in enumerate(problem.places):
        for pool in place.pools:
            by_pool.setdefault(pool, set()).add(i)
    return [set().union(*(by_pool[pool] for pool in place.pools)) - {i} for i, place in enumerate(problem.places)]
