"""A rigorous upper bound by the Lagrangian of the budget, each market alone over small cells.

For any price p >= 0 of a token of budget, sum_i max_x (v_i(x) - p * x) + p * budget is never below the optimum;
groups are dropped, which only raises it. Within a cell [a, b] between breakpoints every curve's apr is
monotone (deposits lower utilisation) or, looking through a vault, bounded by its values at the ends and the middle; so

    x * (apr(x) - haircut - p)  <=  max over {a, b} of  end * (A - haircut - p),   A = the largest apr seen in the cell.

Cells near the maximum are split until the bound is tight. Source of the approach: Lagrangian relaxation of separable
problems; the duality gap of N markets stays bounded while N grows (Shapley-Folkman).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yieldbot.allocator.problem import Place, Problem

CELLS = 48
SPLIT = 8
ROUNDS = 5
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Cells:
    """One market's cells, ascending: ends ``left`` and ``right`` and the largest net rate inside."""

    left: Floats
    right: Floats
    rate: Floats
    stay: float
    held: float
    cost: float

    def best(self, price: float) -> tuple[float, int]:
        """Upper bound of v(x) - price * x, and the cell that gives it (-1: staying as we are)."""
        staying = self.stay - price * self.held
        if not len(self.left):
            return staying, -1
        net = self.rate - price
        tops = np.maximum(self.left * net, self.right * net)
        at = int(np.argmax(tops))
        moving = float(tops[at]) - self.cost
        return (moving, at) if moving > staying else (staying, -1)


def upper_bound(problem: Problem) -> tuple[float, float]:
    """(bound on the objective in tokens a year, the price that gives it: the marginal value of a token of budget)."""
    cells = [_cells(problem, place) for place in problem.places]
    # What is held already may stay, even where the idle buffer has grown meanwhile.
    budget = max(problem.budget, sum(place.held for place in problem.places))
    low, high = 0.0, max((float(np.max(c.rate, initial=0.0)) for c in cells), default=0.0)
    best = (float("inf"), 0.0)
    for round_ in range(ROUNDS + 1):
        for price in _prices(low, high):
            total = sum(c.best(price)[0] for c in cells) + price * budget
            if total < best[0]:
                best = (total, price)
        price = best[1]
        width = (high - low) / 16
        low, high = max(0.0, price - width), price + width
        if round_ < ROUNDS:
            cells = [_refined(problem, place, c, price) for place, c in zip(problem.places, cells, strict=True)]
            best = (sum(c.best(price)[0] for c in cells) + price * budget, price)
    return best


def _prices(low: float, high: float) -> list[float]:
    return [float(p) for p in np.linspace(low, high, 65)]


def _cells(problem: Problem, place: Place) -> Cells:
    points = {place.low, place.high, *(b for b in place.curve.breakpoints() if place.low < b < place.high)}
    points.update(float(p) for p in np.linspace(place.low, place.high, CELLS))
    edges = np.array(sorted(points)) if place.high > place.low else np.array([place.low, place.low])
    return Cells(
        left=edges[:-1],
        right=edges[1:],
        rate=_rates(problem, place, edges[:-1], edges[1:]),
        stay=place.income(place.held, problem.horizon_seconds),
        held=place.held,
        cost=place.touch_cost,
    )


def _rates(problem: Problem, place: Place, left: Floats, right: Floats) -> Floats:
    h = problem.horizon_seconds
    ends = zip(left, (left + right) / 2, right, strict=True)
    return np.array([max(place.curve.apr(float(x), h) for x in points) for points in ends]) - place.haircut


def _refined(problem: Problem, place: Place, cells: Cells, price: float) -> Cells:
    """Split the cells that could still hold the maximum at this price, and their neighbours for prices near it."""
    net = cells.rate - price
    tops = np.maximum(cells.left * net, cells.right * net)
    values = np.array([place.income(float(x), problem.horizon_seconds) - price * float(x) for x in cells.right])
    floor = max(float(np.max(values)), cells.stay - price * cells.held + cells.cost)
    split = tops >= floor
    if not split.any():
        return cells
    split |= np.r_[split[1:], False] | np.r_[False, split[:-1]]
    left, right = [], []
    for a, b, cut in zip(cells.left, cells.right, split, strict=True):
        edges = np.linspace(a, b, SPLIT + 1) if cut else np.array([a, b])
        left.append(edges[:-1])
        right.append(edges[1:])
    a, b = np.concatenate(left), np.concatenate(right)
    return Cells(a, b, _rates(problem, place, a, b), cells.stay, cells.held, cells.cost)
