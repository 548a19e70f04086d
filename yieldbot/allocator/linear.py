"""The relaxed problem as a linear program, for what the greedy cannot do: overlapping groups, several assets.

Columns are the edges of the markets' hulls (a fraction of each may be filled; the steeper first by itself, as the hull
is concave) and the vertices of each swap (weights that add up to one). Rows are the budgets and the groups. HiGHS
solves it; the bound is not HiGHS's objective but the Lagrangian dual at its multipliers, valid whatever the tolerances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yieldbot.allocator.problem import Problem
from yieldbot.allocator.table import BoundTable, Box, Edge

FEASIBILITY = 1e-10
"""HiGHS's smallest tolerance; amounts are given to it as fractions of our wealth."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The optimum of one linear program, relative to the first vertices of the hulls."""

    bound: float
    """Upper bound on what edges and swaps together earn a year, in the first asset."""
    grown: list[tuple[int, float, float]]
    """(market, tokens above the hull's first vertex, what they earn a year), of each edge that is used."""
    swapped: list[tuple[float, float]]
    """Of each swap (what goes in, its envelope there)."""
    prices: list[float]
    """Shadow price of each resource: income a year of one more token of it."""


class Linear:
    """The linear programs of one problem. uses: as ``relax.Resources.uses``."""

    def __init__(
        self, problem: Problem, tables: Sequence[BoundTable], uses: Sequence[Sequence[tuple[int, float]]]
    ) -> None:
        import highspy  # type: ignore[import-untyped]

        self.problem, self.tables, self.uses = problem, tables, uses
        self.scale = problem.wealth or 1.0
        self.api: Any = highspy
        self.solver: Any = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("primal_feasibility_tolerance", FEASIBILITY),
            ("dual_feasibility_tolerance", FEASIBILITY),
        ):
            self.solver.setOptionValue(option, value)

    def solve(self, rooms: Sequence[float], edges: Sequence[Edge], boxes: Mapping[int, Box]) -> Solution | None:
        """The program's optimum; None where it is infeasible. rooms: what is left of each resource above the hulls'
        first vertices. edges: of all hulls, within the boxes."""
        markets = len(self.problem.markets)
        swaps = [self._vertices(markets + k, boxes) for k in range(len(self.problem.swaps))]
        edges = [edge for edge in edges if edge[1] < markets]
        if not all(swaps):
            return None
        status = self._run(rooms, edges, swaps)
        if status == self.api.HighsModelStatus.kInfeasible:
            return None
        if status != self.api.HighsModelStatus.kOptimal:  # no optimum found: bound with multipliers of 0
            prices = [0.0] * len(rooms)
            kept = [vertices[0][:2] for vertices in swaps]
            return Solution(self._dual(prices, rooms, edges, swaps), [], kept, prices)
        solution = self.solver.getSolution()
        filled: list[float] = solution.col_value
        prices = [max(0.0, dual) for dual in solution.row_dual[: len(rooms)]]
        grown = [
            (i, min(share, 1.0) * (end - start), -negative * min(share, 1.0) * (end - start))
            for (negative, i, start, end), share in zip(edges, filled, strict=False)
            if share > 0.0
        ]
        swapped, at = [], len(edges)
        for vertices in swaps:
            weights = filled[at : at + len(vertices)]
            at += len(vertices)
            paid = sum(w * x for w, (x, _, _) in zip(weights, vertices, strict=True))
            # Weights add up to one but for the tolerance: an amount outside of its box would be searched for ever.
            paid = max(vertices[0][0], min(paid, vertices[-1][0]))
            swapped.append((paid, sum(w * y for w, (_, y, _) in zip(weights, vertices, strict=True))))
        return Solution(self._dual(prices, rooms, edges, swaps), grown, swapped, prices)

    def _vertices(self, index: int, boxes: Mapping[int, Box]) -> list[tuple[float, float, float]]:
        """(in, envelope, out) of a swap's choices in its box."""
        table = self.tables[index]
        low, high = boxes.get(index, table.root)
        found = {(table.held, table.stay)} if low <= table.held <= high else set()
        if low == high:
            found.update(table.alone(low))
        for a, b, line in zip(table.starts, table.ends, table.lines, strict=True):
            if a >= low and b <= high:
                found.update(line)
        out = self.problem.swaps[index - len(self.problem.markets)].out
        return [(x, y, out(x)) for x, y in sorted(found)]

    def _run(
        self, rooms: Sequence[float], edges: Sequence[Edge], swaps: Sequence[Sequence[tuple[float, float, float]]]
    ) -> object:
        import numpy as np

        starts, rows, values, costs = [0], [], [], []
        for negative, i, start, end in edges:
            length = (end - start) / self.scale
            costs.append(-negative * length)
            for resource, weight in self.uses[i]:
                rows.append(resource)
                values.append(weight * length)
            starts.append(len(rows))
        for k, (swap, vertices) in enumerate(zip(self.problem.swaps, swaps, strict=True)):
            for x, y, out in vertices:
                costs.append(y / self.scale)
                rows += [swap.source, swap.target, len(rooms) + k]
                values += [x / self.scale, -out / self.scale, 1.0]
                starts.append(len(rows))
        program = self.api.HighsLp()
        program.num_col_, program.num_row_ = len(costs), len(rooms) + len(swaps)
        program.col_cost_ = np.array(costs)
        program.col_lower_, program.col_upper_ = np.zeros(len(costs)), np.ones(len(costs))
        limits = [room / self.scale for room in rooms]
        ones = [1.0] * len(swaps)
        program.row_lower_ = np.array([-self.api.kHighsInf] * len(rooms) + ones)
        program.row_upper_ = np.array(limits + ones)
        program.sense_ = self.api.ObjSense.kMaximize
        matrix = program.a_matrix_
        matrix.format_ = self.api.MatrixFormat.kColwise
        matrix.start_ = np.array(starts, dtype=np.int32)
        matrix.index_ = np.array(rows, dtype=np.int32)
        matrix.value_ = np.array(values)
        self.solver.passModel(program)
        self.solver.run()
        return self.solver.getModelStatus()

    def _dual(
        self,
        prices: Sequence[float],
        rooms: Sequence[float],
        edges: Sequence[Edge],
        swaps: Sequence[Sequence[tuple[float, float, float]]],
    ) -> float:
        """The Lagrangian at these multipliers: an upper bound of every feasible income, whatever the solver's
        tolerances."""
        bound = sum(price * room for price, room in zip(prices, rooms, strict=True))
        for negative, i, start, end in edges:
            worth = -negative - sum(prices[resource] * weight for resource, weight in self.uses[i])
            if worth > 0.0:
                bound += worth * (end - start)
        for swap, vertices in zip(self.problem.swaps, swaps, strict=True):
            source, target = prices[swap.source], prices[swap.target]
            bound += max(y - source * x + target * out for x, y, out in vertices)
        return bound
