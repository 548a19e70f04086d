"""The relaxed problem: every market's income replaced by its concave envelope. Its optimum is a rigorous upper bound.

With concave piecewise-linear incomes, one budget and caps on disjoint groups the greedy by slope is exact: it is the
Lagrangian dual, and the slope at which the money ends is the optimal multiplier (the shadow price). Groups that overlap
an earlier one and shared pools are left out, which can only raise the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from yieldbot.allocator.problem import Group, Problem
from yieldbot.allocator.table import Box, Hull, Table

ROUNDING = 1e-9
"""Share of the incomes added to the bound for the rounding of doubles."""

Edge = tuple[float, int, float, float]
"""Of a hull: minus its slope, its market, where it begins and ends. Sorted: the steepest first."""


@dataclass(slots=True)
class Relaxed:
    """bound: in the first asset a year; x: one holding a market; y: envelope at x; moved: those not at their hull's
    first corner; prices: of one more token in each group that is full (0: it is not); price: of the budget."""

    bound: float
    x: list[float]
    y: list[float]
    moved: list[int]
    price: float
    full: list[float]


class Relaxation:
    """The greedy, kept ready: hulls of the root boxes and their edges, sorted; a node changes a few of them."""

    def __init__(self, problem: Problem, tables: Sequence[Table]) -> None:
        held = [place.held for place in problem.places]
        self.tables = tables
        self.budget = max(problem.purses[0].budget, sum(held))
        self.group_of = [-1] * len(held)
        kept: list[Group] = []
        for group in problem.groups:
            if all(self.group_of[m] < 0 for m in group.members):
                for member in group.members:
                    self.group_of[member] = len(kept)
                kept.append(group)
        self.rooms = [max(g.most, sum(held[m] for m in g.members)) for g in kept]
        self.hulls: list[Hull] = [_of(table, table.root) for table in tables]
        self.edges: list[Edge] = sorted(edge for i in range(len(tables)) for edge in _edges(i, self.hulls[i]))

    def refresh(self, changed: Iterable[int]) -> None:
        """Take up tables that were made finer."""
        new = {i: _of(self.tables[i], self.tables[i].root) for i in changed}
        for i, hull in new.items():
            self.hulls[i] = hull
        self.edges = self._edges_with(new)

    def _edges_with(self, hulls: Mapping[int, Hull]) -> list[Edge]:
        edges = [edge for edge in self.edges if edge[1] not in hulls]
        for i, hull in hulls.items():
            edges += _edges(i, hull)
        edges.sort()
        return edges

    def solve(self, boxes: Mapping[int, Box]) -> Relaxed | None:
        """The relaxed optimum with some markets' holdings kept in boxes; None where those leave no allocation."""
        corners = [hull.corners[0] for hull in self.hulls]
        edges = self.edges
        if boxes:
            own: dict[int, Hull] = {}
            for i, box in boxes.items():
                hull = self.tables[i].hull(box)
                if hull is None:
                    return None
                own[i] = hull
                corners[i] = hull.corners[0]
            edges = self._edges_with(own)
        x, y = [corner[0] for corner in corners], [corner[1] for corner in corners]
        rooms = list(self.rooms)
        for i, group in enumerate(self.group_of):
            if group >= 0:
                rooms[group] -= x[i]
        slack = 1e-9 * self.budget + 1e-12
        room = self.budget - sum(x)
        if room < -slack or any(left < -slack for left in rooms):
            return None
        return self._greedy(corners, edges, x, y, room, rooms)

    def _greedy(
        self,
        corners: Sequence[tuple[float, float]],
        edges: Sequence[Edge],
        x: list[float],
        y: list[float],
        room: float,
        rooms: list[float],
    ) -> Relaxed:
        group_of, full, moved, price = self.group_of, [0.0] * len(rooms), [], 0.0
        for negative, i, start, end in edges:
            if room <= 0.0:
                price = -negative
                break
            group = group_of[i]
            if x[i] != start:  # its group was full before this edge
                continue
            length = end - start
            if group >= 0:
                left = rooms[group]
                if length > left:
                    full[group] = full[group] or -negative
                    length = left
                if length <= 0.0:
                    continue
            if start == corners[i][0]:
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
        return Relaxed(bound, x, y, moved, price, full)

    def price_of(self, relaxed: Relaxed, index: int) -> float:
        """What one more token is worth to a market: its group's price where that is full, else the budget's."""
        group = self.group_of[index]
        return relaxed.price if group < 0 else max(relaxed.price, relaxed.full[group])


def _of(table: Table, box: Box) -> Hull:
    hull = table.hull(box)
    assert hull is not None, "what is held lies in the root box"
    return hull


def _edges(index: int, hull: Hull) -> list[Edge]:
    corners = hull.corners
    return [(-slope, index, corners[k][0], corners[k + 1][0]) for k, slope in enumerate(hull.slopes) if slope > 0.0]
