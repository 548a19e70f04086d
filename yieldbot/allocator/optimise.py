"""Branch and bound: the best holdings found, and an upper bound that no allocation of the problem can exceed.

Each node of the search restricts some markets' holdings to boxes; its bound is that of the relaxed problem (relax.py).
Where a market's relaxed holding earns less than its envelope says, either its piecewise-linear bound is refined there,
or, if the income really is not concave (a kink, a fixed cost, a minimum), the box is split. Of two markets that share a
pool at most one may change: where a relaxed solution changes both, one child keeps the first market unchanged, the
other child the rivals.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite

from yieldbot.allocator.problem import Problem
from yieldbot.allocator.relax import Relaxation, Relaxed
from yieldbot.allocator.swap_table import SwapTable
from yieldbot.allocator.table import BoundTable, Box, MarketTable
from yieldbot.model.dataclass import dataclass

Holdings = tuple[float, ...]
"""Whole tokens: one holding a market, then the amount into each swap."""
TOLERANCE_BPS = 5e-3
"""The search ends at a gap below this, in bps of the wealth a year."""
TOLERANCE_FRACTION = 1e-3
"""The gap must also be below this fraction of the possible income, which may be tiny where markets cannot take the
wealth."""
MOST_STEPS = 600
"""Most relaxed problems that are solved; the certificate states the gap that then remains."""
FILLED = 4
"""Most markets among which the money is distributed that rounding to allowed holdings leaves over."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best allocation found, and its certificate."""

    holdings: Holdings
    """Whole tokens: one holding a market, then the amount into each swap."""
    objective: float
    """The objective of these holdings, in whole tokens of the first asset a year."""
    upper_bound: float
    """No allocation has a higher objective; in the first asset a year."""
    price: float
    """Shadow price of the first budget: income a year of one more token."""
    steps: int
    """Relaxed problems that were solved."""
    prices: tuple[float, ...] = ()
    """For each resource (``relax.Resources``) the highest shadow price in any of the bounds."""
    complete: bool = True
    """Whether every bound comes from shadow prices: False where a box was dropped because its linear program had no
    solution."""


@dataclass(frozen=True, slots=True)
class _Node:
    """An open node of the search."""

    boxes: Mapping[int, Box]
    """Intervals that restrict the holdings of some markets; the others have their root box."""
    relaxed: Relaxed
    """The optimum of its relaxed problem."""
    bound: float
    """Upper bound of the objective within its boxes."""
    version: int
    """Version of the markets' bounds with which it was solved; it is solved again if they have changed since."""


def optimise(problem: Problem) -> Optimum:
    """The best allocation found. Keeping the present holdings is the first candidate, so the answer is always
    feasible."""
    return _Search(problem).run()


class _Search:
    """One run: the tables, the queue of open nodes (highest bound first), the best allocation so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        markets = len(problem.markets)
        self.tables: list[BoundTable] = [MarketTable.of(problem, index) for index in range(markets)]
        self.tables += [SwapTable.of(problem, markets + k) for k in range(len(problem.swaps))]
        self.relaxation = Relaxation(problem, self.tables)
        self._tolerate(problem.wealth * TOLERANCE_BPS / 10_000)
        self.held = problem.held()
        self.best: Holdings = self.held
        self.best_value = problem.objective(self.best)
        self.queue: list[tuple[float, int, _Node]] = []
        self.order = self.version = self.steps = 0
        self.rivals = _rivals(problem)
        self.lost = float("-inf")
        self.price = 0.0  # of the last node whose bound may still be improved; of the first one if none may
        self.prices = [0.0] * self.relaxation.resources.count
        self.complete = True
        self.firsts: list[float] = [0.0] * len(self.tables)
        self.uneven: set[int] = set()
        self._note(range(len(self.tables)))

    def run(self) -> Optimum:
        self._push({})
        most = self.queue[0][2].bound if self.queue else self.lost
        if isfinite(most) and abs(most) * TOLERANCE_FRACTION < self.tolerance:
            self._tolerate(abs(most) * TOLERANCE_FRACTION)
            if not self.queue and most > self.best_value + self.tolerance:
                self.lost = float("-inf")
                self._push({})
        while self.queue and self.steps < MOST_STEPS:
            _, _, node = heapq.heappop(self.queue)
            if node.bound <= self.best_value + self.tolerance:
                self.lost = max(self.lost, node.bound)
                break
            self.price = node.relaxed.prices[0]
            if node.version != self.version:
                self._push(node.boxes, node.bound)
            else:
                self._expand(node)
        bound = max((node.bound for _, _, node in self.queue), default=float("-inf"))
        most = max(bound, self.lost, self.best_value)
        return Optimum(self.best, self.best_value, most, self.price, self.steps, tuple(self.prices), self.complete)

    def _tolerate(self, gap: float) -> None:
        """Stop the search once the gap is at most ``gap``, in whole tokens of the first asset a year."""
        self.tolerance = max(1e-9, gap)
        self.share = self.tolerance / (2 * max(1, len(self.tables)))

    def _push(self, boxes: Mapping[int, Box], most: float = float("inf")) -> None:
        """Solve a node and queue it, unless its bound is no better than the best allocation known."""
        self.steps += 1
        found = self.relaxation.solve(boxes)
        if found is None:
            self.complete = False
            return
        if self.order == 0:
            self.price = found.prices[0]
        self.prices = list(map(max, self.prices, found.prices))
        bound = min(found.bound, most)
        if bound <= self.best_value + self.tolerance:
            self.lost = max(self.lost, bound)
            return
        self.order += 1
        heapq.heappush(self.queue, (-bound, self.order, _Node(boxes, found, bound, self.version)))

    def _expand(self, node: _Node) -> None:
        relaxed, boxes = node.relaxed, node.boxes
        below = list(relaxed.x)
        errors: dict[int, float] = {}
        gain = 0.0
        for i in {*relaxed.moved, *boxes, *self.uneven}:
            table, x = self.tables[i], relaxed.x[i]
            low, high = table.neighbours(x, boxes.get(i, table.root))
            below[i] = low if low >= 0.0 else high
            value = table.value(below[i])
            gain += value - self.firsts[i]
            error = relaxed.y[i] - value if low == x or high == x else float("inf")
            if error > self.share:
                errors[i] = error
        self._offer(below, gain, relaxed, boxes)
        pair, lost = self._worst_conflict(relaxed)
        if pair is not None and lost >= max((self._open_by(i, below[i], relaxed) for i in errors), default=0.0):
            self._branch_on_pools(node, pair)
            return
        if not errors:
            self.lost = max(self.lost, node.bound)
            return
        # What refining can take off each error; the rest is the income's own nonconcavity.
        lines = {
            i: min(error, self.tables[i].line_at(relaxed.x[i]) - relaxed.y[i] + error)
            for i, error in errors.items()
            if error < float("inf")
        }
        worst = max(errors, key=lambda i: (errors[i] - lines.get(i, 0.0), -i))
        if errors[worst] - lines.get(worst, 0.0) <= max(sum(lines.values()), self.share) and self._refine(
            relaxed, lines
        ):
            self._push(boxes, node.bound)
        else:
            self._branch(node, worst)

    def _refine(self, relaxed: Relaxed, lines: Mapping[int, float]) -> bool:
        """Refine the bounds where they matter; False where there is nothing left to refine."""
        most = max(lines.values(), default=0.0)
        finer = [
            i
            for i, error in lines.items()
            if error > most / 1000 and self.tables[i].split(relaxed.x[i], self.relaxation.price_of(relaxed, i))
        ]
        if finer:
            self._changed(finer)
        return bool(finer)

    def _changed(self, finer: list[int]) -> None:
        self.version += 1
        self.relaxation.refresh(finer)
        self._note(finer)

    def _note(self, indexes: Iterator[int] | range | list[int]) -> None:
        """Record the true incomes at the hulls' first vertices, and which of them are below their envelope."""
        for i in indexes:
            x, y = self.relaxation.hulls[i].vertices[0]
            self.firsts[i] = self.tables[i].value(x)
            if y - self.firsts[i] > self.share:
                self.uneven.add(i)
            else:
                self.uneven.discard(i)

    def _branch(self, node: _Node, i: int) -> None:
        """Split the box of market ``i`` in two, left and right of its relaxed holding; no allowed holding is lost.

        If the relaxed holding is itself an end of the box (its envelope is above the income at a vertex), markets of
        one pool that change together are separated first; else the box is halved.
        """
        table = self.tables[i]
        box = node.boxes.get(i, table.root)
        low, high = table.neighbours(node.relaxed.x[i], box)
        if low == high and low in box:
            pair, _ = self._worst_conflict(node.relaxed, i)
            if pair is not None:
                self._branch_on_pools(node, pair)
                return
            low = high = (box[0] + box[1]) / 2
            if not box[0] < low < box[1]:
                self.lost = max(self.lost, node.bound)
                return
            low, high = table.neighbours(low, box)
        if low == high and table.cut(low):
            self._changed([i])
        for child in ((box[0], low), (high, box[1])):
            if child[0] <= child[1] and min(child) >= 0.0:
                self._push({**node.boxes, i: child}, node.bound)

    def _branch_on_pools(self, node: _Node, pair: tuple[int, int]) -> None:
        """Separate two markets of one pool that change together: one child keeps the first as it is, the other child
        all of its rivals."""
        first = pair[0]
        for stopped in ({first}, self.rivals[first]):
            kept = {i: self.held[i] for i in stopped}
            boxes = {i: node.boxes.get(i, self.tables[i].root) for i in stopped}
            if all(boxes[i][0] <= held <= boxes[i][1] for i, held in kept.items()):
                self._push({**node.boxes, **{i: (held, held) for i, held in kept.items()}}, node.bound)

    def _worst_conflict(self, relaxed: Relaxed, among: int | None = None) -> tuple[tuple[int, int] | None, float]:
        """(pair, income): of the markets of one pool that change together, the pair that loses most by keeping one of
        the two as it is, and that loss if its money then earns the shadow price; (None, 0.0): none change together.

        among: only pairs with this market.
        """
        found, worst = None, 0.0
        for pair in self._conflicts(relaxed.x):
            if among is not None and among not in pair:
                continue
            lost = max(0.0, min(self._worth(i, relaxed) for i in pair))
            if found is None or lost > worst:
                found, worst = pair, lost
        return found, worst

    def _open_by(self, i: int, x: float, relaxed: Relaxed) -> float:
        """By how much a market's envelope is above what it earns at x, where the rest earns the shadow price."""
        rest = relaxed.x[i] - x
        return relaxed.y[i] - self.tables[i].value(x) - self.relaxation.price_of(relaxed, i) * rest

    def _worth(self, i: int, relaxed: Relaxed) -> float:
        """What the change of one market brings beyond the shadow price of the money that it takes."""
        table, x = self.tables[i], relaxed.x[i]
        changed = x - table.held
        return relaxed.y[i] - table.stay - self.relaxation.price_of(relaxed, i) * changed

    def _conflicts(self, x: list[float]) -> Iterator[tuple[int, int]]:
        if not self.rivals:
            return iter(())
        changed = {i for i in self.rivals if abs(x[i] - self.held[i]) >= self.problem.unit / 2}
        return ((i, j) for i in sorted(changed) for j in sorted(self.rivals[i] & changed))

    def _offer(self, below: list[float], gain: float, relaxed: Relaxed, boxes: Mapping[int, Box]) -> None:
        """Take these holdings as the best if they are feasible and better; of rivals in a pool only the best one
        changes.

        gain: their objective less the objective at the hulls' first vertices.
        """
        problem = self.problem
        conflicts = list(self._conflicts(below))
        losers = set[int]()
        if conflicts:
            gains = {i: problem.value(i, below[i]) - problem.value(i, self.held[i]) for pair in conflicts for i in pair}
            losers = {i if (gains[i], -i) < (gains[j], -j) else j for i, j in conflicts}
            for loser in losers:
                below[loser] = self.held[loser]
            value = problem.objective(below) + self._fill(below, relaxed, boxes, losers)
        else:
            value = sum(self.firsts) + gain + self._fill(below, relaxed, boxes)
        if value > self.best_value + 1e-9 and problem.within(below):
            self.best, self.best_value = tuple(below), value

    def _fill(
        self, below: list[float], relaxed: Relaxed, boxes: Mapping[int, Box], losers: Iterable[int] = ()
    ) -> float:
        """Put the money that rounding down has left over, or that markets of one pool may not both get, where it earns
        most, and take back what rounding up has added too much.

        Changes ``below`` and returns what that earns, in the first asset a year. losers: markets that stay as they are.
        """
        resources = self.relaxation.resources
        left = sum(relaxed.x) - sum(below)
        if left <= 1e-9 * sum(relaxed.x) and not relaxed.inexact:
            return 0.0
        rooms = [most - used for most, used in zip(resources.most, self._used(below), strict=True)]
        gained = self._trim(below, relaxed, boxes, rooms)
        for _ in range(FILLED):
            best = (self.share, -1, 0.0)
            for i in relaxed.moved:
                if i >= len(resources.uses) or i in losers:
                    continue
                table = self.tables[i]
                most = table.top(below[i], boxes.get(i, table.root)) - below[i]
                for resource, weight in resources.uses[i]:
                    most = min(most, rooms[resource] / weight)
                if most > 0.0:
                    earned = table.value(below[i] + most) - table.value(below[i])
                    best = max(best, (earned, i, most))
            earned, i, most = best
            if i < 0:
                break
            below[i] += most
            gained += earned
            for resource, weight in resources.uses[i]:
                rooms[resource] -= weight * most
        return gained

    def _used(self, x: list[float]) -> list[float]:
        """How much of each resource these holdings use, swaps included."""
        used = self.relaxation.resources.used(x)
        for swap, paid in zip(self.problem.swaps, x[len(self.problem.markets) :], strict=True):
            if paid:
                used[swap.source] += paid
                used[swap.target] -= swap.out(paid)
        return used

    def _trim(self, below: list[float], relaxed: Relaxed, boxes: Mapping[int, Box], rooms: list[float]) -> float:
        """Reduce a linear program's solution by what it exceeds the limits within its tolerance, where that costs
        least.

        The budgets are trimmed twice, because a smaller swap brings less of the other asset.
        """
        gained = 0.0
        for resource in (*range(len(rooms)), *range(len(self.problem.budgets))):
            if rooms[resource] >= -self.relaxation.slack / 4:
                continue
            users = [(i, weight) for i in relaxed.moved for r, weight in self._takes(i) if r == resource]
            while users and -1e-6 * self.problem.wealth < rooms[resource] < -self.relaxation.slack / 4:
                best = (float("-inf"), -1, 0.0)
                for i, weight in users:
                    table = self.tables[i]
                    most = max(0.0, below[i] + rooms[resource] / weight * (1.0 + 1e-9))
                    less, _ = table.neighbours(most, boxes.get(i, table.root))
                    if 0.0 <= less < below[i]:
                        best = max(best, (table.value(less) - table.value(below[i]), i, less))
                earned, i, less = best
                if i < 0:
                    break
                gained += earned
                for r, weight in self._takes(i):
                    rooms[r] += weight * (below[i] - less)
                if i >= len(self.problem.markets):
                    swap = self.problem.swaps[i - len(self.problem.markets)]
                    rooms[swap.target] -= swap.out(below[i]) - swap.out(less)
                below[i] = less
                users = [user for user in users if user[0] != i]
        return gained

    def _takes(self, index: int) -> list[tuple[int, float]]:
        """(resource, how much of it one token takes) for a market or a swap."""
        uses = self.relaxation.resources.uses
        return uses[index] if index < len(uses) else [(self.problem.swaps[index - len(uses)].source, 1.0)]


def _rivals(problem: Problem) -> dict[int, set[int]]:
    """For each market that shares a pool with others, the indexes of those others."""
    by_pool: dict[str, set[int]] = {}
    for i, market in enumerate(problem.markets):
        for pool in market.pools:
            by_pool.setdefault(pool, set()).add(i)
    found = {
        i: set().union(*(by_pool[pool] for pool in market.pools)) - {i}
        for i, market in enumerate(problem.markets)
        if market.pools
    }
    return {i: others for i, others in found.items() if others}
