"""The relaxed problem: every market's income is replaced by its concave envelope. Its optimum is a rigorous upper
bound.

With concave piecewise-linear incomes, one budget and caps on disjoint groups, filling the steepest slopes first (the
greedy method) is exact: it solves the Lagrangian dual, and the slope at which the money runs out is the optimal
multiplier (the shadow price). If a group that overlaps others would be exceeded, or assets are swapped, the same
relaxation is solved as a linear program (linear.py). Shared pools are left out, which can only raise the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from yieldbot.allocator.linear import Linear
from yieldbot.allocator.problem import Problem
from yieldbot.allocator.table import BoundTable, Box, Edge, Hull, edges_of
from yieldbot.model.dataclass import dataclass

ROUNDING = 1e-9
"""Added to the bound for the rounding of doubles, as a fraction of the incomes."""


@dataclass(slots=True)
class Relaxed:
    """The optimum of the relaxed problem."""

    bound: float
    """Upper bound of the objective, in the first asset a year."""
    x: list[float]
    """Whole tokens: one holding a market, then the amount into each swap."""
    y: list[float]
    """The envelopes' values at x."""
    moved: list[int]
    """Indexes of the markets and swaps that are not at their hull's first vertex."""
    prices: list[float]
    """Shadow price of each resource: income a year of one more token of it."""
    inexact: bool = False
    """Whether it comes from a linear program, so that limits may be exceeded by the solver's tolerance."""


class Resources:
    """The scarce resources: first the budgets, then the groups. A present sum above a limit may stay, but not grow."""

    def __init__(self, problem: Problem) -> None:
        assets = len(problem.budgets)
        self.uses: list[list[tuple[int, float]]] = [[(market.asset, 1.0)] for market in problem.markets]
        """For each market: (resource, how much of it one token takes)."""
        for number, group in enumerate(problem.groups):
            for member, part in group.uses():
                self.uses[member].append((assets + number, problem.markets[member].price * part))
        limits = [*(budget.spendable for budget in problem.budgets), *(group.most for group in problem.groups)]
        self.count = len(limits)
        used = self.used([market.held for market in problem.markets])
        self.most = [max(limit, was) for limit, was in zip(limits, used, strict=True)]
        """Capacity of each resource: a budget's in tokens of its asset, a group's in the first asset."""

    def used(self, x: Sequence[float]) -> list[float]:
        """How much of each resource the markets use at holdings x; swaps are left out."""
        found = [0.0] * self.count
        for now, uses in zip(x, self.uses, strict=False):
            for resource, weight in uses:
                found[resource] += weight * now
        return found


class Relaxation:
    """The relaxed problem, kept ready between nodes of the search: hulls of the root boxes, and their edges sorted by
    slope."""

    def __init__(self, problem: Problem, tables: Sequence[BoundTable]) -> None:
        self.problem, self.tables = problem, tables
        self.resources = Resources(problem)
        # Only for the rounding of doubles: one base unit too much in a full group is too much.
        self.slack = max(problem.unit / 4, 4e-16 * len(tables) * problem.wealth)
        assets = len(problem.budgets)
        self.linear_only = assets > 1 or bool(problem.swaps)
        self.group_of = [-1] * len(problem.markets)
        self.overlapping: list[int] = []
        for number, group in enumerate(problem.groups):
            if not group.parts and all(self.group_of[m] < 0 for m in group.members):
                for member in group.members:
                    self.group_of[member] = assets + number
            else:
                self.overlapping.append(assets + number)
        self.hulls: list[Hull] = [_of(table, table.root) for table in tables]
        markets = range(len(problem.markets))  # a linear program has swaps' choices of its own
        self.edges: list[Edge] = sorted(edge for i in markets for edge in edges_of(i, self.hulls[i]))

    @cached_property
    def linear(self) -> Linear:
        return Linear(self.problem, self.tables, self.resources.uses)

    def refresh(self, changed: Iterable[int]) -> None:
        """Read the tables of these markets again, after their bounds were refined."""
        new = {i: _of(self.tables[i], self.tables[i].root) for i in changed}
        for i, hull in new.items():
            self.hulls[i] = hull
        self.edges = self._edges_with(new)
        if any(i >= len(self.problem.markets) for i in new):
            self.linear.refresh()

    def _edges_with(self, hulls: Mapping[int, Hull]) -> list[Edge]:
        edges = [edge for edge in self.edges if edge[1] not in hulls]
        for i, hull in hulls.items():
            if i < len(self.problem.markets):
                edges += edges_of(i, hull)
        edges.sort()
        return edges

    def solve(self, boxes: Mapping[int, Box]) -> Relaxed | None:
        """The relaxed optimum with some markets' holdings restricted to boxes; None if nothing is feasible there."""
        firsts = [hull.vertices[0] for hull in self.hulls]
        edges, own = self.edges, dict[int, Hull]()
        if boxes:
            for i, box in boxes.items():
                hull = self.tables[i].hull(box)
                if hull is None:
                    return None
                own[i] = hull
                firsts[i] = hull.vertices[0]
            edges = self._edges_with(own)
        if not self.linear_only:
            found = self._greedy(firsts, edges)
            if found is None or not self._exceeded(found.x):
                return found
        return self._by_linear_program(boxes, own, firsts, edges)

    def _exceeded(self, x: Sequence[float]) -> bool:
        """Whether the greedy solution exceeds one of the overlapping groups, which the greedy method ignores."""
        if not self.overlapping:
            return False
        used, most = self.resources.used(x), self.resources.most
        return any(used[r] > most[r] * (1.0 + 1e-12) for r in self.overlapping)

    def _greedy(self, firsts: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Relaxed | None:
        x, y = [vertex[0] for vertex in firsts], [vertex[1] for vertex in firsts]
        rooms = list(self.resources.most)
        for i, group in enumerate(self.group_of):
            if group >= 0:
                rooms[group] -= x[i]
        room = rooms[0] - sum(x)
        if min(room, *rooms) < -self.slack:
            return None
        group_of, moved, prices = self.group_of, [], [0.0] * len(rooms)
        for negative, i, start, end in edges:
            if room <= 0.0:
                prices[0] = -negative
                break
            group = group_of[i]
            if x[i] != start:  # its group was full before this edge
                continue
            length = end - start
            if group >= 0:
                left = rooms[group]
                if length > left:
                    prices[group] = prices[group] or -negative
                    length = left
                if length <= 0.0:
                    continue
            if start == firsts[i][0]:
                moved.append(i)
            if length > room:
                length = room
            if length == end - start:
                x[i] = end
            else:
                x[i] += length
            y[i] -= negative * length
            room -= length
            if group >= 0:
                rooms[group] -= length
        bound = sum(y) + ROUNDING * sum(map(abs, y))
        for group in range(1, len(prices)):  # what a group's limit costs in addition to the budget's
            prices[group] = max(0.0, prices[group] - prices[0])
        return Relaxed(bound, x, y, moved, prices)

    def _by_linear_program(
        self,
        boxes: Mapping[int, Box],
        hulls: Mapping[int, Hull],
        firsts: Sequence[tuple[float, float]],
        edges: Sequence[Edge],
    ) -> Relaxed | None:
        """The relaxed optimum by a linear program. hulls: of the markets whose box is not the root box."""
        markets = len(self.problem.markets)
        rooms = list(self.resources.most)
        for resource, used in enumerate(self.resources.used([x for x, _ in firsts[:markets]])):
            rooms[resource] -= used
        if not self.problem.swaps and min(rooms) < -self.slack:
            return None  # by less than the program's tolerance, perhaps
        found = self.linear.solve(rooms, edges, boxes)
        if found is None:
            return None
        x, y = [vertex[0] for vertex in firsts[:markets]], [vertex[1] for vertex in firsts[:markets]]
        base = sum(y)
        for i, more, income in found.grown:
            x[i] += more
            y[i] += income
        for i in {i for i, _, _ in found.grown}:
            x[i], y[i] = hulls.get(i, self.hulls[i]).snapped(x[i], y[i])
        bound = base + found.bound + ROUNDING * (sum(map(abs, y)) + sum(abs(part) for _, part in found.swapped))
        x += [paid for paid, _ in found.swapped]
        y += [part for _, part in found.swapped]
        moved = [i for i in range(len(x)) if x[i] != firsts[i][0]]
        return Relaxed(bound, x, y, moved, found.prices, inexact=True)

    def price_of(self, relaxed: Relaxed, index: int) -> float:
        """What one more token in a market costs at the shadow prices: the sum over the resources that it uses; 0 for a
        swap."""
        if index >= len(self.resources.uses):
            return 0.0
        return sum(relaxed.prices[resource] * weight for resource, weight in self.resources.uses[index])


def _of(table: BoundTable, box: Box) -> Hull:
    hull = table.hull(box)
    assert hull is not None, "what is held lies in the root box"
    return hull
