"""The relaxed problem as a linear program, for cases that the greedy method cannot solve: overlapping groups, several
assets.

Columns are the edges of the markets' hulls (each may be filled partly; as a hull is concave, steeper edges fill first
by themselves) and the vertices of each swap (weights that add up to one). Rows are the budgets and the groups. HiGHS
solves it; the bound is not HiGHS's objective but the Lagrangian dual at its multipliers, which is valid whatever the
tolerances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import local
from typing import TYPE_CHECKING, Any

from yieldbot.allocator.problem import Problem
from yieldbot.allocator.table import BoundTable, Box, Edge
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEASIBILITY = 1e-10
"""HiGHS's smallest tolerance; amounts are given to it as fractions of our wealth."""


_kept = local()
"""One solver for each thread, since making one takes longer than solving a small program."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The optimum of one linear program, relative to the first vertices of the hulls."""

    bound: float
    """Upper bound on what edges and swaps together earn a year, in the first asset."""
    grown: list[tuple[int, float, float]]
    """For each edge that is used: (market, tokens above the hull's first vertex, what they earn a year)."""
    swapped: list[tuple[float, float]]
    """For each swap: (amount in, value of its envelope there)."""
    prices: list[float]
    """Shadow price of each resource: income a year of one more token of it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """A swap's choices in one box: columns of a linear program."""

    floats: NDArray[np.float64]
    """One column for each choice: amount in, the envelope's value there, amount out, the choice's part of the objective
    (as a fraction of our wealth), and its coefficients in its rows."""
    rows: NDArray[np.int32]
    """One column for each choice: the rows of its source, of its target, and of the swap itself."""


@dataclass(frozen=True, slots=True)
class Columns:
    """All swaps' choices, one after the other."""

    floats: NDArray[np.float64]
    """As ``Choices.floats``."""
    rows: NDArray[np.int32]
    """As ``Choices.rows``."""
    owners: NDArray[np.intp]
    """The swap that each choice belongs to."""
    firsts: NDArray[np.intp]
    """Index of each swap's first choice."""
    lasts: NDArray[np.intp]
    """Index of each swap's last choice."""

    @classmethod
    def of(cls, swaps: Sequence[Choices]) -> Columns:
        import numpy as np

        sizes = np.array([len(swap.rows) for swap in swaps], dtype=np.intp)
        ends = np.cumsum(sizes)
        return cls(
            floats=np.concatenate([swap.floats for swap in swaps]) if swaps else np.zeros((0, 7)),
            rows=np.concatenate([swap.rows for swap in swaps]) if swaps else np.zeros((0, 3), dtype=np.int32),
            owners=np.repeat(np.arange(len(swaps)), sizes),
            firsts=ends - sizes,
            lasts=ends - 1,
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of the markets' hulls as columns of a linear program."""

    worth: NDArray[np.float64]
    """Income a year of one more token along each edge."""
    start: NDArray[np.float64]
    """Holding at which each edge begins, in whole tokens."""
    end: NDArray[np.float64]
    """Holding at which each edge ends, in whole tokens."""
    counts: NDArray[np.intp]
    """Number of rows in which each edge has a coefficient."""
    firsts: NDArray[np.intp]
    """Index in ``rows`` of each edge's first row."""
    rows: NDArray[np.int32]
    """The rows of all edges, one edge after the other."""
    weights: NDArray[np.float64]
    """The coefficient of one token in each row."""


class Linear:
    """The linear programs of one problem. uses: see ``relax.Resources.uses``."""

    def __init__(
        self, problem: Problem, tables: Sequence[BoundTable], uses: Sequence[Sequence[tuple[int, float]]]
    ) -> None:
        import numpy as np

        self.problem, self.tables = problem, tables
        # Of each market the rows that it takes, and how much of each, one market after the other.
        self.counts = np.array([len(own) for own in uses], dtype=np.intp)
        self.firsts = np.cumsum(self.counts) - self.counts
        self.rows = np.array([row for own in uses for row, _ in own], dtype=np.int32)
        self.weights = np.array([weight for own in uses for _, weight in own])
        self.scale = problem.wealth or 1.0
        self.resources = len(problem.budgets) + len(problem.groups)
        self.whole: tuple[list[Choices], Columns] | None = None
        self.api, self.solver = _highs()

    def refresh(self) -> None:
        """Read the tables of the swaps again, after some have changed."""
        self.whole = None

    def solve(self, rooms: Sequence[float], edges: Sequence[Edge], boxes: Mapping[int, Box]) -> Solution | None:
        """The program's optimum; None if it is infeasible. rooms: what each resource has left above the hulls' first
        vertices. edges: edges of the markets' hulls within the boxes."""
        import numpy as np

        swaps = self._columns(boxes)
        if swaps is None:
            return None
        arrays = self._edges(edges)
        status = self._run(rooms, arrays, swaps)
        if status == self.api.HighsModelStatus.kInfeasible:
            return None
        if status != self.api.HighsModelStatus.kOptimal:  # no optimum found: bound with multipliers of 0
            prices = [0.0] * len(rooms)
            kept = [(x, y) for x, y in swaps.floats[swaps.firsts, :2].tolist()]
            return Solution(self._dual(prices, rooms, arrays, swaps), [], kept, prices)
        solution = self.solver.getSolution()
        filled: list[float] = solution.col_value
        prices = [max(0.0, dual) for dual in solution.row_dual[: len(rooms)]]
        grown = [
            (i, min(share, 1.0) * (end - start), -negative * min(share, 1.0) * (end - start))
            for (negative, i, start, end), share in zip(edges, filled, strict=False)
            if share > 0.0
        ]
        weights = np.array(filled[len(edges) :])
        paid, income = [0.0] * len(self.problem.swaps), [0.0] * len(self.problem.swaps)
        chosen = np.flatnonzero(weights)
        parts = (weights[chosen, None] * swaps.floats[chosen, :2]).tolist()
        for k, (x, y) in zip(swaps.owners[chosen].tolist(), parts, strict=True):
            paid[k] += x
            income[k] += y
        # Weights add up to one but for the tolerance: an amount outside of its box would be searched for ever.
        least, most = swaps.floats[swaps.firsts, 0], swaps.floats[swaps.lasts, 0]
        inside = np.maximum(least, np.minimum(paid, most)).tolist()
        return Solution(self._dual(prices, rooms, arrays, swaps), grown, list(zip(inside, income, strict=True)), prices)

    def _edges(self, edges: Sequence[Edge]) -> Edges:
        import numpy as np

        negative, market, start, end = np.array(edges, dtype=float).reshape(-1, 4).T
        at = market.astype(np.intp)
        counts = self.counts[at]
        ends = np.cumsum(counts)
        firsts = ends - counts
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.firsts[at] - firsts, counts)
        return Edges(-negative, start, end, counts, firsts, self.rows[places], self.weights[places])

    def _columns(self, boxes: Mapping[int, Box]) -> Columns | None:
        """The choices of all swaps within their boxes; None if a swap has none."""
        markets = len(self.problem.markets)
        if self.whole is None:
            roots = [self._choices(markets + k, {}) for k in range(len(self.problem.swaps))]
            self.whole = roots, Columns.of(roots)
        roots, whole = self.whole
        own = {index - markets: self._choices(index, boxes) for index in boxes if index >= markets}
        if not all(len(swap.rows) for swap in own.values()):
            return None
        return Columns.of([own.get(k, root) for k, root in enumerate(roots)]) if own else whole

    def _choices(self, index: int, boxes: Mapping[int, Box]) -> Choices:
        """A swap's choices in its box."""
        table = self.tables[index]
        low, high = box = boxes.get(index, table.root)
        found: Choices | None = table.choices.get(box)
        if found is None:
            points = {(table.held, table.stay)} if low <= table.held <= high else set()
            if low == high:
                points.update(table.alone(low))
            for a, b, line in zip(table.starts, table.ends, table.lines, strict=True):
                if a >= low and b <= high:
                    points.update(line)
            found = table.choices[box] = self._made(index - len(self.problem.markets), sorted(points))
        return found

    def _made(self, number: int, points: list[tuple[float, float]]) -> Choices:
        import numpy as np

        swap, scale = self.problem.swaps[number], self.scale
        outs = [swap.out(x) for x, _ in points]
        floats = [
            (x, y, out, y / scale, x / scale, -out / scale, 1.0) for (x, y), out in zip(points, outs, strict=True)
        ]
        rows = [(swap.source, swap.target, self.resources + number)] * len(points)
        return Choices(np.array(floats).reshape(-1, 7), np.array(rows, dtype=np.int32).reshape(-1, 3))

    def _run(self, rooms: Sequence[float], edges: Edges, swaps: Columns) -> object:
        import numpy as np

        scale = self.scale
        length = (edges.end - edges.start) / scale
        costs, values = edges.worth * length, edges.weights * np.repeat(length, edges.counts)
        starts, rows = np.concatenate([[0], np.cumsum(edges.counts)]), edges.rows
        count, ones = len(edges.start) + len(swaps.rows), [1.0] * len(self.problem.swaps)
        further = np.arange(len(rows) + 3, len(rows) + 3 * len(swaps.rows) + 1, 3)  # three rows a choice
        self.solver.passModel(
            count,
            len(rooms) + len(ones),
            len(rows) + 3 * len(swaps.rows),
            int(self.api.MatrixFormat.kColwise),
            int(self.api.ObjSense.kMaximize),
            0.0,
            np.concatenate([costs, swaps.floats[:, 3]]),
            np.zeros(count),
            np.ones(count),
            np.array([-self.api.kHighsInf] * len(rooms) + ones),
            np.array([room / scale for room in rooms] + ones),
            np.concatenate([starts, further]).astype(np.int32),
            np.concatenate([rows, swaps.rows.ravel()]),
            np.concatenate([values, swaps.floats[:, 4:].ravel()]),
            np.zeros(count, dtype=np.int32),  # no column is an integer
        )
        self.solver.run()
        return self.solver.getModelStatus()

    def _dual(self, prices: Sequence[float], rooms: Sequence[float], edges: Edges, swaps: Columns) -> float:
        """The Lagrangian at these multipliers: an upper bound of every feasible income, whatever the solver's
        tolerances."""
        import numpy as np

        bound = sum(price * room for price, room in zip(prices, rooms, strict=True))
        if len(edges.start):
            taken = np.add.reduceat(np.array(prices)[edges.rows] * edges.weights, edges.firsts)
            for part in (np.maximum(0.0, edges.worth - taken) * (edges.end - edges.start)).tolist():
                bound += part
        if len(swaps.rows):
            paid, income, got = swaps.floats.T[:3]
            source, target = np.array(prices)[swaps.rows.T[:2]]
            for best in np.maximum.reduceat(income - source * paid + target * got, swaps.firsts).tolist():
                bound += best
        return bound


def _highs() -> tuple[Any, Any]:
    """The HiGHS module, and this thread's solver. ``passModel`` starts anew, so nothing is kept from one program to the
    next."""
    import highspy  # type: ignore[import-untyped]

    if not hasattr(_kept, "solver"):
        solver = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("primal_feasibility_tolerance", FEASIBILITY),
            ("dual_feasibility_tolerance", FEASIBILITY),
        ):
            solver.setOptionValue(option, value)
        _kept.solver = solver
    return highspy, _kept.solver
