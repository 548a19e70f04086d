"""The relaxed problem: every market's income replaced by its concave envelope. Its optimum is a rigorous upper bound.

With concave piecewise-linear incomes, one budget and caps on disjoint groups the greedy by slope is exact: it is the
Lagrangian dual, and the slope at which the money ends is the optimal multiplier (the shadow price). Groups that overlap
an earlier one and shared pools are left out, which can only raise the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yieldbot.allocator.problem import Group, Problem
from yieldbot.allocator.table import Table

Box = tuple[float, float]
ROUNDING = 1e-9
"""Share of the incomes added to the bound for the rounding of doubles."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """bound: tokens a year; x: one holding a market; y: envelope at x; price: income of one more token of budget.

    prices: the same for each market, within its group where that is full.
    """

    bound: float
    x: tuple[float, ...]
    y: tuple[float, ...]
    price: float
    prices: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps that the greedy keeps. group_of: index into ``rooms``, or -1; rooms: most that a group may hold."""

    budget: float
    group_of: tuple[int, ...]
    rooms: tuple[float, ...]


def limits_of(problem: Problem) -> Limits:
    """Budget and disjoint groups. What is held already may stay, even above a limit that has shrunk meanwhile."""
    held = [place.held for place in problem.places]
    group_of = [-1] * len(held)
    kept: list[Group] = []
    for group in problem.groups:
        if all(group_of[m] < 0 for m in group.members):
            for member in group.members:
                group_of[member] = len(kept)
            kept.append(group)
    rooms = tuple(max(g.most, sum(held[m] for m in g.members)) for g in kept)
    return Limits(max(problem.budget, sum(held)), tuple(group_of), rooms)


def relax(tables: Sequence[Table], boxes: Sequence[Box], limits: Limits) -> Relaxed | None:
    """The greedy; None where the boxes leave no allocation."""
    x, y, k_at = [], [], []
    room, rooms = limits.budget, list(limits.rooms)
    edges: list[tuple[float, int, int]] = []
    hulls = []
    for index, (table, box) in enumerate(zip(tables, boxes, strict=True)):
        hull = table.hull(box)
        if hull is None:
            return None
        hulls.append(hull)
        first_x, first_y = hull.corners[0]
        x.append(first_x)
        y.append(first_y)
        k_at.append(0)
        room -= first_x
        group = limits.group_of[index]
        if group >= 0:
            rooms[group] -= first_x
        edges += [(-slope, index, k) for k, slope in enumerate(hull.slopes) if slope > 0.0]
    slack = 1e-9 * limits.budget + 1e-12
    if room < -slack or any(left < -slack for left in rooms):
        return None
    edges.sort()
    price, full = 0.0, [0.0] * len(rooms)
    for negative, index, k in edges:
        corner_x, corner_y = hulls[index].corners[k + 1]
        group = limits.group_of[index]
        most = room if group < 0 else min(room, rooms[group])
        length = corner_x - x[index]
        if k != k_at[index] or most <= 0.0:
            if room <= 0.0:
                price = -negative
                break
            full[group] = full[group] or -negative  # its group is full
            continue
        if length <= most:
            x[index], y[index], k_at[index] = corner_x, corner_y, k + 1
        else:
            length = most
            x[index] += length
            y[index] -= negative * length
        room -= length
        if group >= 0:
            rooms[group] -= length
    total = sum(y)
    prices = tuple(price if group < 0 else max(price, full[group]) for group in limits.group_of)
    return Relaxed(total + ROUNDING * sum(abs(part) for part in y), tuple(x), tuple(y), price, prices)
