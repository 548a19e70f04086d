"""What the search knows of one market: cells, each with a broken line above its net income, made finer on demand."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

from yieldbot.allocator.envelope import Corners, cover, joints
from yieldbot.allocator.problem import Place, Problem

FIRST_CELLS = 3
"""Cells that a curve's range between two joints starts with."""
LEAST_WIDTH = 1e-12
"""No cell is split below this share of the market's range."""


@dataclass(slots=True)
class Hull:
    """Concave envelope over a box: its corners, and the slopes of the edges between them, falling."""

    corners: Corners
    slopes: list[float]


@dataclass(slots=True)
class Table:
    """Cells ascending, each with corners of a line above the income in it, net of haircut and touching cost."""

    place: Place
    spans: tuple[tuple[float, float], ...]
    horizon_seconds: float
    stay: float
    width: float
    scale: float
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    lines: list[Corners] = field(default_factory=list)
    hulls: dict[tuple[float, float], Hull | None] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, index: int) -> Table:
        place, spans = problem.places[index], problem.spans(index)
        most = max((span[1] for span in spans), default=place.held)
        stay = place.income(place.held, problem.horizon_seconds)
        scale = float(getattr(place.curve, "others", 0.0)) or most or 1.0
        table = cls(place, spans, problem.horizon_seconds, stay, max(most, place.held), scale)
        cuts = joints(place.curve, problem.horizon_seconds)
        for least, most in spans:
            edges = [least, *(x for x in cuts if least < x < most), most]
            for a, b in pairwise(edges):
                parts = FIRST_CELLS if b - a > 0.2 * (scale + a) else 1
                ratio = ((scale + b) / (scale + a)) ** (1.0 / parts)
                inner = [(scale + a) * ratio**k - scale for k in range(1, parts)]
                points = [a, *(x for x in inner if a < x < b), b]
                for left, right in pairwise(points):
                    table._insert(len(table.starts), left, right)
        return table

    def _insert(self, at: int, a: float, b: float) -> None:
        place = self.place
        line = [
            (x, y - place.haircut * x - place.touch_cost) for x, y in cover(place.curve, a, b, self.horizon_seconds)
        ]
        self.starts.insert(at, a)
        self.ends.insert(at, b)
        self.lines.insert(at, line)

    def value(self, x: float) -> float:
        """True net income at an allowed holding, tokens a year."""
        if x == self.place.held:
            return self.stay
        return self.place.income(x, self.horizon_seconds) - self.place.touch_cost

    def hull(self, box: tuple[float, float]) -> Hull | None:
        """Concave envelope of the lines in the box (its ends are cell borders or gaps); None where it is empty."""
        if box not in self.hulls:
            self.hulls[box] = self._hull(*box)
        return self.hulls[box]

    def _hull(self, low: float, high: float) -> Hull | None:
        held = self.place.held
        points = [(held, self.stay)] if low <= held <= high else []
        for a, b, line in zip(self.starts, self.ends, self.lines, strict=True):
            if a >= low and b <= high:
                points += line
        if not points:
            return None
        points.sort()
        chain: Corners = []
        for x, y in points:
            if chain and x == chain[-1][0]:
                if y <= chain[-1][1]:
                    continue
                chain.pop()
            while len(chain) > 1:
                (x0, y0), (x1, y1) = chain[-2], chain[-1]
                if (y1 - y0) * (x - x1) > (y - y1) * (x1 - x0):
                    break
                chain.pop()
            chain.append((x, y))
        return Hull(chain, [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(chain)])

    def neighbours(self, x: float, box: tuple[float, float]) -> tuple[float, float]:
        """The largest allowed holding <= x in the box and the smallest >= x; -1 where there is none."""
        low, high = box
        held = self.place.held
        below, above = (held if low <= held <= x else -1.0), (held if x <= held <= high else -1.0)
        for least, most in self.spans:
            a, b = max(least, low), min(most, high)
            if a > b:
                continue
            if a <= x:
                below = max(below, min(x, b))
            if b >= x:
                above = max(x, a) if above < 0.0 else min(above, max(x, a))
        return below, above

    def split(self, x: float, price: float) -> bool:
        """Make the line finer at x: narrowly around where income's slope meets the price in the cells at x.

        The slope is taken as linear in a cell, so each split leaves a cell that is smaller by the square.
        """
        at = bisect_right(self.starts, x) - 1
        cut = False
        for k in (at, at - 1):
            if k < 0 or not self.starts[k] <= x <= self.ends[k]:
                continue
            a, b, line = self.starts[k], self.ends[k], self.lines[k]
            if b - a <= LEAST_WIDTH * self.width:
                continue
            first = (line[1][1] - line[0][1]) / (line[1][0] - line[0][0]) if line[1][0] > line[0][0] else 0.0
            last = (line[-1][1] - line[-2][1]) / (line[-1][0] - line[-2][0]) if line[-1][0] > line[-2][0] else 0.0
            inside = a < x < b
            if first > price > last:
                meet = a + (b - a) * (first - price) / (first - last)
                reach = (b - a) * min(0.15, max(1e-4, (b - a) / (self.scale + a)))
                points = [meet - reach, meet + reach]
            elif inside and a + 1e-3 * (b - a) < x < b - 1e-3 * (b - a):
                points = [x]
            else:
                points = [(a + b) / 2]
            cut = self._cut_at(k, [p for p in points if a < p < b]) or cut
            if inside:
                break
        return cut

    def cut(self, x: float) -> bool:
        """Make x a border of cells; False where it is one already or lies in no cell."""
        k = bisect_right(self.starts, x) - 1
        return k >= 0 and self.starts[k] < x < self.ends[k] and self._cut_at(k, [x])

    def _cut_at(self, k: int, points: list[float]) -> bool:
        if not points:
            return False
        edges = [self.starts[k], *points, self.ends[k]]
        del self.starts[k], self.ends[k], self.lines[k]
        for a, b in reversed(list(pairwise(edges))):
            self._insert(k, a, b)
        self.hulls.clear()
        return True

    def line_at(self, x: float) -> float:
        """The lowest-known upper bound of net income at x by its own cells, without the hull; -inf outside of them."""
        best = self.stay if x == self.place.held else float("-inf")
        at = bisect_right(self.starts, x) - 1
        for k in (at - 1, at):
            if k < 0 or not self.starts[k] <= x <= self.ends[k]:
                continue
            line = self.lines[k]
            for (x0, y0), (x1, y1) in pairwise(line):
                if x0 <= x <= x1:
                    best = max(best, max(y0, y1) if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0))
            if len(line) == 1:
                best = max(best, line[0][1])
        return best
