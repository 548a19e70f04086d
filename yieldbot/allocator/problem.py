"""The allocation problem as pure numbers: floats in whole tokens, rates as simple annual fractions.

Maximise, over holdings x with sum(x) + idle = wealth and idle >= buffer,

    sum over markets of  x_i * (apr_i(x_i) - haircut_i)  -  [x_i != held_i] * touch_cost_i

in tokens a year. Each x_i is either what we hold now, or 0, or within [low_i, high_i] and at least the minimum position
and the minimum move away from what we hold. Groups bound sums of holdings; of the markets that share a pool at most one
may receive new money, because their curves are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.curve import YieldCurve


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

    def allowed(self, index: int, x: float) -> bool:
        """Whether place ``index`` may hold ``x``, apart from groups, pools and the budget."""
        place = self.places[index]
        if abs(x - place.held) < self.unit / 2:
            return True
        if not place.low - self.unit / 2 <= x <= place.high + self.unit / 2:
            return False
        if abs(x - place.held) < self.min_move:
            return False
        return x < self.unit / 2 or x >= self.min_position

    def value(self, index: int, x: float) -> float:
        """Contribution of one place to the objective, tokens a year."""
        place = self.places[index]
        touched = abs(x - place.held) >= self.unit / 2
        return place.income(x, self.horizon_seconds) - (place.touch_cost if touched else 0.0)

    def objective(self, x: tuple[float, ...]) -> float:
        return sum(self.value(index, held) for index, held in enumerate(x))

    def feasible(self, x: tuple[float, ...]) -> bool:
        """Every constraint, to a tenth of a base unit."""
        slack = self.unit / 10
        if sum(x) > max(self.budget, sum(p.held for p in self.places)) + slack:
            return False
        if not all(self.allowed(index, held) for index, held in enumerate(x)):
            return False
        for group in self.groups:
            before = sum(self.places[m].held for m in group.members)
            if sum(x[m] for m in group.members) > max(group.most, before) + slack:
                return False
        grown = [p.pools for p, held in zip(self.places, x, strict=True) if held > p.held + self.unit / 2]
        return sum(len(pools) for pools in grown) == len(frozenset().union(*grown)) if grown else True
