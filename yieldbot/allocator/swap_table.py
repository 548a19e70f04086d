"""Net income of one swap for the branch-and-bound search: piecewise linear between its quotes. Pure."""

from __future__ import annotations

from dataclasses import field
from itertools import pairwise

from yieldbot.allocator.problem import Problem, Quotes
from yieldbot.allocator.table import Bound, BoundTable, Hull
from yieldbot.allocator.vertices import Vertices
from yieldbot.model.dataclass import dataclass


@dataclass(slots=True)
class SwapTable(BoundTable):
    """The table of a swap; x is the amount that goes in. Its income is piecewise linear, so its bounds are exact and
    need no refinement."""

    quotes: Quotes = field(kw_only=True)
    """(in, out) quotes: the breakpoints of the bounds."""
    problem: Problem = field(kw_only=True)
    """The problem that the swap belongs to."""
    index: int = field(kw_only=True)
    """The swap's index in a holdings vector."""
    known: dict[float, float] = field(default_factory=dict)
    """Net income by amount, of the amounts computed so far."""

    @classmethod
    def of(cls, problem: Problem, index: int) -> SwapTable:
        quotes = problem.swaps[index - len(problem.markets)].quotes
        most = quotes[-1][0]
        table = cls(
            held=0.0,
            spans=((min(problem.unit, most), most),),
            stay=0.0,
            root=(0.0, most),
            scale=most,
            quotes=quotes,
            problem=problem,
            index=index,
        )
        table._fill(Bound.TIGHT)
        return table

    def value(self, x: float) -> float:
        if x not in self.known:
            self.known[x] = self.problem.value(self.index, x)
        return self.known[x]

    def _fill(self, kind: Bound) -> None:
        for least, most in self.spans:
            edges = self._edges(least, most) if least < most else [least, most]
            points = [(x, self.value(x)) for x in edges]
            self.starts += edges[:-1]
            self.ends += edges[1:]
            self.lines += [[a, b] for a, b in pairwise(points)] if least < most else [points[:1]]
            self.kinds += [kind] * (len(edges) - 1)

    def _hull(self, low: float, high: float) -> Hull | None:
        """Only the first vertex: a linear program gets the swap's choices directly."""
        points = self.alone(low) if low == high else [(self.held, self.stay)] if low <= self.held <= high else []
        points += (
            line[0] for a, b, line in zip(self.starts, self.ends, self.lines, strict=True) if a >= low and b <= high
        )
        return Hull([max(points, key=lambda point: (-point[0], point[1]))], []) if points else None

    def breakpoints(self) -> tuple[float, ...]:
        idle = self.problem.swaps[self.index - len(self.problem.markets)].idle
        return tuple(sorted({x for x, _ in self.quotes} | ({idle} if 0.0 < idle < self.quotes[-1][0] else set())))

    def line(self, a: float, b: float, kind: Bound) -> Vertices:
        return [(x, self.value(x)) for x in ((a, b) if b > a else (a,))]
