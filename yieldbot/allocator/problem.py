"""The allocation problem as pure numbers: floats in whole tokens, rates as simple annual fractions.

Maximise, over holdings x with sum(x) + idle = wealth and idle >= buffer,

    sum over markets of  x_i * (apr_i(x_i) - haircut_i)  -  [x_i != held_i] * touch_cost_i

in tokens a year. Each x_i is either what we hold now, or 0, or within [low_i, high_i] and at least the minimum position
and the minimum move away from what we hold. Groups bound sums of holdings; of the markets that share a pool at most one
may change, because their curves are not independent: money that leaves one moves the rate of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from yieldbot.model.curve import YieldCurve

Number = TypeVar("Number", int, float)


def spans(
    held: Number, low: Number, high: Number, min_position: Number, min_move: Number, unit: Number
) -> tuple[tuple[Number, Number], ...]:
    """Ascending closed intervals of CHANGED holdings: in base units (unit 1) or in whole tokens (unit: one base unit).

    A change is at least one unit and the minimum move; what is left is nothing or at least the minimum position.
    """
    step = max(min_move, unit)
    found: list[tuple[Number, Number]] = []
    nothing = held - held
    if low <= nothing and held >= step:
        found.append((nothing, nothing))
    for least, most in ((max(low, min_position, nothing), held - step), (max(held + step, min_position), high)):
        if most >= least:
            if found and found[-1][1] == least:
                found[-1] = (found[-1][0], most)
            else:
                found.append((least, most))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Place:
    """One market of the problem. low, high: bounds of a changed holding; touch_cost: tokens a year over the horizon."""

    curve: YieldCurve
    held: float
    low: float
    high: float
    haircut: float
    touch_cost: float
    pools: frozenset[str]

    def income(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year at holding x, net of the haircut, before the cost of touching."""
        return x * (self.curve.apr(x, horizon_seconds) - self.haircut) if x > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Members (indexes of places) whose holdings together stay within ``most``, or do not grow if they are above it."""

    members: tuple[int, ...]
    most: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that the solver sees. ``budget``: wealth less the idle buffer; ``unit``: one base unit in tokens."""

    places: tuple[Place, ...]
    groups: tuple[Group, ...]
    wealth: float
    budget: float
    min_position: float
    min_move: float
    horizon_seconds: float
    unit: float

    def spans(self, index: int) -> tuple[tuple[float, float], ...]:
        """Intervals of changed holdings of place ``index``, ascending; keeping what is held is allowed besides."""
        place = self.places[index]
        return spans(place.held, place.low, place.high, self.min_position, self.min_move, self.unit)

    def allowed(self, index: int, x: float) -> bool:
        """Whether place ``index`` may hold ``x``, apart from groups, pools and the budget; to half a base unit."""
        near = self.unit / 2
        if abs(x - self.places[index].held) < near:
            return True
        return any(least - near <= x <= most + near for least, most in self.spans(index))

    def value(self, index: int, x: float) -> float:
        """Contribution of one place to the objective, tokens a year."""
        place = self.places[index]
        touched = abs(x - place.held) >= self.unit / 2
        return place.income(x, self.horizon_seconds) - (place.touch_cost if touched else 0.0)

    def objective(self, x: tuple[float, ...]) -> float:
        return sum(self.value(index, held) for index, held in enumerate(x))

    def feasible(self, x: tuple[float, ...]) -> bool:
        """Every constraint, to a tenth of a base unit or the rounding of doubles; integers.py settles it exactly."""
        slack = max(self.unit / 10, 1e-12 * self.wealth)
        if sum(x) > max(self.budget, sum(p.held for p in self.places)) + slack:
            return False
        if not all(self.allowed(index, held) for index, held in enumerate(x)):
            return False
        for group in self.groups:
            before = sum(self.places[m].held for m in group.members)
            if sum(x[m] for m in group.members) > max(group.most, before) + slack:
                return False
        changed = [p.pools for p, now in zip(self.places, x, strict=True) if abs(now - p.held) >= self.unit / 2]
        return sum(len(pools) for pools in changed) == len(frozenset().union(*changed)) if changed else True
