"""Upper bounds of one market's net income, for the branch-and-bound search: one bound per cell of holdings, refined on
demand.

A cell is an interval of holdings. It starts with a coarse bound: where the APR never rises with our holding, one
evaluation of the APR bounds the income over a whole range. Only where the relaxed problem puts money is a cell cut at
the curve's breakpoints and bounded tightly.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import field
from enum import IntEnum
from itertools import pairwise
from typing import Any

from yieldbot.allocator.envelope import (
    breakpoints,
    coarse_bound,
    dilution_breakpoints,
    is_nonincreasing,
    less_dilution,
    tight_bound,
)
from yieldbot.allocator.problem import Problem, ProblemMarket
from yieldbot.allocator.vertices import Vertices
from yieldbot.model.dataclass import dataclass

LEAST_WIDTH = 1e-12
"""No cell is split into cells narrower than this fraction of the market's range."""
WIDEST = 2.0
"""When a cell is first bounded tightly it is cut so that within one cell the pool (others' money and ours) grows by
this factor at most."""
SNAPPED = 1e-9
"""A linear program's solution that is closer to a vertex than this fraction of the hull's range is taken as the vertex
itself."""
NEARLY_WIDEST = 1.999
"""Below this ratio of pool sizes one cell suffices, and no logarithm needs to be computed."""

Box = tuple[float, float]
"""(low, high): closed interval of holdings, in whole tokens."""


class Bound(IntEnum):
    """How a cell's upper bound was computed."""

    COARSE = 0
    """``envelope.coarse_bound``, breakpoints may lie inside."""
    CUT = 1
    """``envelope.coarse_bound``, with no breakpoint inside."""
    TIGHT = 2
    """``envelope.tight_bound``."""


@dataclass(slots=True)
class Hull:
    """Concave envelope over a box."""

    vertices: Vertices
    """(holding, income a year) of each vertex, by ascending holding."""
    slopes: list[float]
    """Slopes of the edges between vertices, descending: income a year of one more token."""

    def snapped(self, x: float, y: float) -> tuple[float, float]:
        """The vertex next to a point of the hull if only a linear program's tolerance separates them; else the point
        itself.

        Without it, a holding just beside an allowed one would be searched for ever, and so would one just outside of
        its box.
        """
        at = bisect_left(self.vertices, (x,))
        for vertex in self.vertices[max(0, at - 1) : at + 1]:
            if abs(x - vertex[0]) <= SNAPPED * self.vertices[-1][0]:
                return vertex
        return x, y


Edge = tuple[float, int, float, float]
"""One edge of a hull: (minus its slope, its market's index, holding at its start, holding at its end). So that sorting
puts the steepest first."""


def edges_of(index: int, hull: Hull) -> list[Edge]:
    """The edges of a market's hull that have a positive slope."""
    vertices = hull.vertices
    return [(-slope, index, vertices[k][0], vertices[k + 1][0]) for k, slope in enumerate(hull.slopes) if slope > 0.0]


@dataclass(slots=True)
class BoundTable:
    """Upper bounds of the net income of one market or swap, in tokens of the first asset a year, after the risk haircut
    and costs."""

    held: float
    """Present holding, in whole tokens of the market's asset."""
    spans: tuple[Box, ...]
    """Intervals of allowed changed holdings, ascending (``problem.spans``)."""
    stay: float
    """Net income if the present holding is kept."""
    root: Box
    """The box that contains every possible holding."""
    scale: float
    """The scale on which the income curve bends, in whole tokens: for a market, others' money that shares its
    income."""
    starts: list[float] = field(default_factory=list)
    """Lower ends of the cells, ascending."""
    ends: list[float] = field(default_factory=list)
    """Upper ends of the cells."""
    lines: list[Vertices] = field(default_factory=list)
    """Vertices of each cell's upper bound."""
    kinds: list[Bound] = field(default_factory=list)
    """How each cell's bound was computed."""
    hulls: dict[Box, Hull | None] = field(default_factory=dict)
    """Concave envelopes by box, kept until a cell changes; None for a box without an allowed holding."""
    choices: dict[Box, Any] = field(default_factory=dict)
    """What ``linear.py`` has computed for a box, kept until a cell changes."""

    def value(self, x: float) -> float:
        """True net income at an allowed holding."""
        raise NotImplementedError

    def line(self, a: float, b: float, kind: Bound) -> Vertices:
        """Vertices of an upper bound of the net income on [a, b], computed as ``kind`` says."""
        raise NotImplementedError

    def breakpoints(self) -> tuple[float, ...]:
        """Holdings that bound the cells of TIGHT bounds, ascending."""
        raise NotImplementedError

    def _fill(self, kind: Bound) -> None:
        for least, most in self.spans:
            if kind is Bound.COARSE and least < most:
                self._insert(len(self.starts), least, most, kind)
                continue
            for a, b in pairwise(self._edges(least, most)) if least < most else ((least, most),):
                self._insert(len(self.starts), a, b, Bound.TIGHT)

    def _edges(self, a: float, b: float) -> list[float]:
        """The ends, the breakpoints in between, and points that keep each cell's pool within the factor WIDEST."""
        found = [a]
        for x in (*(x for x in self.breakpoints() if a < x < b), b):
            if self.scale + x < NEARLY_WIDEST * (self.scale + found[-1]):
                found.append(x)
                continue
            parts = math.ceil(math.log((self.scale + x) / (self.scale + found[-1]), WIDEST))
            if parts > 1:
                start = self.scale + found[-1]
                ratio = ((self.scale + x) / start) ** (1.0 / parts)
                found += [point for k in range(1, parts) if found[-1] < (point := start * ratio**k - self.scale) < x]
            found.append(x)
        return found

    def _insert(self, at: int, a: float, b: float, kind: Bound) -> None:
        self.starts.insert(at, a)
        self.ends.insert(at, b)
        self.lines.insert(at, self.line(a, b, kind))
        self.kinds.insert(at, kind)

    def hull(self, box: Box) -> Hull | None:
        """Concave envelope of the bounds in a box; None where the box contains no allowed holding.

        The ends of the box must be borders of cells or lie in gaps between them.
        """
        if box not in self.hulls:
            self.hulls[box] = self._hull(*box)
        return self.hulls[box]

    def _hull(self, low: float, high: float) -> Hull | None:
        points = self.alone(low) if low == high else [(self.held, self.stay)] if low <= self.held <= high else []
        for a, b, line in zip(self.starts, self.ends, self.lines, strict=True):
            if a >= low and b <= high:
                points += line
        if not points:
            return None
        points.sort()
        last_x, last_y = points[0]
        chain, slopes = [points[0]], [math.inf]  # slope of the edge that ends at each vertex
        for point in points[1:]:
            x, y = point
            if x == last_x:
                if y <= last_y:
                    continue
                chain.pop()
                slopes.pop()
                if not chain:
                    chain, slopes = [point], [math.inf]
                    last_x, last_y = point
                    continue
                last_x, last_y = chain[-1]
            slope = (y - last_y) / (x - last_x)
            while slope >= slopes[-1]:
                chain.pop()
                slopes.pop()
                last_x, last_y = chain[-1]
                slope = (y - last_y) / (x - last_x)
            chain.append(point)
            slopes.append(slope)
            last_x, last_y = point
        return Hull(chain, slopes[1:])

    def alone(self, x: float) -> Vertices:
        """The only vertex of a box that is a single holding: its net income. Empty where that holding is not
        allowed."""
        return [(x, self.value(x))] if self.neighbours(x, (x, x)) == (x, x) else []

    def neighbours(self, x: float, box: Box) -> Box:
        """(largest allowed holding <= x in the box, smallest >= x); -1 where there is none."""
        low, high = box
        held = self.held
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

    def top(self, x: float, box: Box) -> float:
        """The largest holding in the box that belongs to the same interval of allowed holdings as x."""
        return max((min(most, box[1]) for least, most in self.spans if least <= x <= most), default=x)

    def split(self, x: float, price: float) -> bool:
        """Refine the cells at x: narrowly around x, or around the holding where the slope of income equals ``price``.
        Returns whether any cell was refined.

        The slope is approximated as linear within a cell, so that splits converge quadratically.
        """
        at = bisect_right(self.starts, x) - 1
        cut = False
        for k in (at, at - 1):
            if k < 0 or not self.starts[k] <= x <= self.ends[k]:
                continue
            inside = self.starts[k] < x < self.ends[k]
            cut = self._finer(k, x, price) or cut
            if inside:
                break
        return cut

    def _finer(self, k: int, x: float, price: float) -> bool:
        a, b, line = self.starts[k], self.ends[k], self.lines[k]
        match self.kinds[k]:
            case Bound.COARSE:
                self._open(k, price)
                return True
            case Bound.CUT:
                self._replace(k, [a, b])
                return True
        if b - a <= LEAST_WIDTH * max(self.root[1], self.held):
            return False
        first = (line[1][1] - line[0][1]) / (line[1][0] - line[0][0]) if line[1][0] > line[0][0] else 0.0
        last = (line[-1][1] - line[-2][1]) / (line[-1][0] - line[-2][0]) if line[-1][0] > line[-2][0] else 0.0
        reach = (b - a) * min(0.15, max(1e-4, (b - a) / (self.scale + a)))
        if a + 1e-3 * (b - a) < x < b - 1e-3 * (b - a) and all(x != vertex for vertex, _ in line):
            # A budget or a group was exhausted here. The halves are for when that happens elsewhere next time.
            points = [(a + x) / 2, x - reach, x + reach, (x + b) / 2]
        elif first > price > last:
            meet = a + (b - a) * (first - price) / (first - last)
            points = [meet - reach, meet + reach]
        else:
            points = [(a + b) / 2]
        inner = sorted(p for p in points if a < p < b)
        if inner:
            self._replace(k, [a, *inner, b])
        return bool(inner)

    def _open(self, k: int, price: float) -> None:
        """Cut a coarsely bounded cell around the best of its breakpoints at this price, and halve the rest on either
        side."""
        edges = self._edges(self.starts[k], self.ends[k])
        low, high = 0, len(edges) - 1
        while low < high:  # income less price rises, then falls (nearly so: this only chooses where to search)
            middle = (low + high) // 2
            a, b = edges[middle], edges[middle + 1]
            if self.value(b) - self.value(a) > price * (b - a):
                low = middle + 1
            else:
                high = middle
        last = len(edges) - 1
        chosen = sorted(
            {0, max(0, low - 1) // 2, max(0, low - 1), low, min(last, low + 1), (low + 1 + last) // 2, last}
        )
        kinds = [
            Bound.COARSE if j - i > 1 else Bound.TIGHT if abs(i + j - 2 * low) == 1 else Bound.CUT
            for i, j in pairwise(chosen)
        ]
        self._replace(k, [edges[i] for i in chosen], *kinds)

    def cut(self, x: float) -> bool:
        """Make x a border between cells; False if it already is one or lies in no cell."""
        k = bisect_right(self.starts, x) - 1
        if k < 0 or not self.starts[k] < x < self.ends[k]:
            return False
        kind = self.kinds[k]
        self._replace(k, [self.starts[k], x, self.ends[k]], kind, kind)
        return True

    def _replace(self, k: int, edges: list[float], *kinds: Bound) -> None:
        """Replace the k-th cell by cells between these edges. kinds: how each is bounded; TIGHT for those not given."""
        cells = list(pairwise(edges))
        self.starts[k : k + 1] = edges[:-1]
        self.ends[k : k + 1] = edges[1:]
        self.kinds[k : k + 1] = kinds or (Bound.TIGHT,) * len(cells)
        self.lines[k : k + 1] = [self.line(a, b, self.kinds[k + i]) for i, (a, b) in enumerate(cells)]
        self.hulls.clear()
        self.choices.clear()

    def line_at(self, x: float) -> float:
        """The upper bound of net income at x by its cell only, without the hull; -inf where x lies in no cell."""
        best = self.stay if x == self.held else float("-inf")
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


@dataclass(slots=True)
class MarketTable(BoundTable):
    """The table of a market."""

    market: ProblemMarket = field(kw_only=True)
    """The market, as numbers."""
    horizon_seconds: float = field(kw_only=True)
    """Period over which the APR curve is averaged, in seconds."""
    bends: tuple[float, ...] | None = None
    """The breakpoints; None until they are first needed."""

    @classmethod
    def of(cls, problem: Problem, index: int) -> MarketTable:
        market, spans, h = problem.markets[index], problem.spans(index), problem.horizon_seconds
        table = cls(
            held=market.held,
            spans=spans,
            stay=market.income(market.held, h),
            root=(min(market.low, market.held), max(market.high, market.held)),
            scale=float(getattr(market.curve, "others", 0.0)) or max(market.high, market.held) or 1.0,
            market=market,
            horizon_seconds=h,
        )
        table._fill(Bound.COARSE if is_nonincreasing(market.curve) else Bound.TIGHT)
        return table

    def value(self, x: float) -> float:
        return self.stay if x == self.held else self.market.changed(x, self.horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        if self.bends is None:
            market, h = self.market, self.horizon_seconds
            found = [dilution_breakpoints(one, market.held, h) for one in market.dilutions]
            own = breakpoints(market.curve, h)
            self.bends = tuple(sorted({*own, *(x for more in found for x in more)})) if found else own
        return self.bends

    def line(self, a: float, b: float, kind: Bound) -> Vertices:
        market = self.market
        if kind is Bound.TIGHT or a == b:
            vertices = tight_bound(market.curve, a, b, self.horizon_seconds)
            for one in market.dilutions:
                vertices = less_dilution(one, market.held, vertices, self.horizon_seconds)
        else:
            vertices = coarse_bound(market.curve, a, b, self.horizon_seconds)
        # No cell reaches over what is held, so the cost of moving is a straight line too.
        price, fixed = market.price, market.enter_cost if a >= market.held else market.leave_cost
        cost = market.move_cost if a >= market.held else -market.move_cost
        base, each = fixed - price * cost * market.held, price * (market.haircut + cost)
        return [(x, price * y - each * x - base) for x, y in vertices]
