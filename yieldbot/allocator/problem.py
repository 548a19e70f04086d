"""The allocation problem as pure numbers: floats in whole tokens, rates as simple annual fractions.

Maximise, over holdings x with idle money of each asset at least its buffer,

    sum over markets of  price_i * [ x_i * (apr_i(x_i) - haircut_i) - move_cost_i * |x_i - held_i| ]
                         - [x_i != held_i] * touch_cost_i
    - sum over swaps of what the conversion loses

in tokens of the first asset a year. Each x_i is either what we hold now, or 0, or within [low_i, high_i] and at least
the minimum position and the minimum move away from what we hold. Groups bound sums of holdings; of the markets that
share a pool at most one may change, because their curves are not independent: money that comes to one takes from the
rate of the other, which is counted (``ProblemMarket.beside``).
A vector of holdings lists the markets first, then what goes into each swap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from yieldbot.math.beside import Beside
from yieldbot.model.curve import YieldCurve

Number = TypeVar("Number", int, float)
Quotes = tuple[tuple[float, float], ...]


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
class ProblemMarket:
    """One market of the problem.

    low, high: bounds of a changed holding; touch_cost: of any change, in the first asset a year over the horizon;
    move_cost: of each token moved, likewise; asset: index into the problem's budgets, whose price is ``price``.
    beside: our other holdings in its pool, from which more of ours here takes.
    """

    curve: YieldCurve
    held: float
    low: float
    high: float
    haircut: float
    touch_cost: float
    pools: frozenset[str]
    move_cost: float = 0.0
    asset: int = 0
    price: float = 1.0
    beside: tuple[Beside, ...] = ()

    def income(self, x: float, horizon_seconds: float) -> float:
        """In the first asset a year at holding x, net of the haircut and of what it takes from other holdings of ours,
        before all costs."""
        if x <= 0.0:
            return 0.0
        earned = x * (self.curve.apr(x, horizon_seconds) - self.haircut)
        return self.price * (earned - self.elsewhere(x, horizon_seconds))

    def elsewhere(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year that our other holdings in its pool earn less at holding x here; never less than 0."""
        return sum(one.lost(self.held, x, horizon_seconds) for one in self.beside)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        """What one more token earns a year, less the haircut and what it takes from other holdings of ours."""
        found = self.curve.marginal(x, horizon_seconds) - self.haircut
        if not self.beside:
            return found
        step = max(1e-6, 1e-6 * x)
        more = self.elsewhere(x + step, horizon_seconds) - self.elsewhere(x, horizon_seconds)
        return found - more / step

    def changed(self, x: float, horizon_seconds: float) -> float:
        """The same less what it costs to change the holding to x."""
        moved = abs(x - self.held) * self.move_cost
        return self.income(x, horizon_seconds) - self.price * moved - self.touch_cost


@dataclass(frozen=True, slots=True)
class Group:
    """Members (indexes of markets) whose holdings together stay within ``most`` (in the first asset), or do not grow if
    they are above it."""

    members: tuple[int, ...]
    most: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class AssetBudget:
    """All that we have of one asset. budget: of it less the idle buffer; price: of one token, in the first asset.

    idle_rate: what idle money earns. The markets' haircuts hold it already, so that an objective is what is earned
    BEYOND leaving everything idle; only a swap, which takes money from one purse to another, has to be told of it.
    """

    wealth: float
    spendable: float
    price: float = 1.0
    idle_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Swap:
    """One asset into another. quotes: (in, out) ascending from above 0, linear in between, concave.

    touch_cost: of swapping at all, in the first asset a year; years: the horizon that a loss is spread over.
    """

    source: int
    target: int
    quotes: Quotes
    touch_cost: float
    years: float

    def out(self, paid: float) -> float:
        """Tokens of the target for ``paid`` tokens of the source."""
        if paid <= 0.0:
            return 0.0
        at = min(bisect_left(self.quotes, paid, key=lambda quote: quote[0]), len(self.quotes) - 1)
        (x0, y0), (x1, y1) = self.quotes[at - 1] if at else (0.0, 0.0), self.quotes[at]
        return y0 + (y1 - y0) * (paid - x0) / (x1 - x0)


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that the solver sees. wealth: of all assets, in the first asset; unit: a base unit in tokens."""

    markets: tuple[ProblemMarket, ...]
    groups: tuple[Group, ...]
    budgets: tuple[AssetBudget, ...]
    min_position: float
    min_move: float
    horizon_seconds: float
    unit: float
    swaps: tuple[Swap, ...] = ()

    @property
    def wealth(self) -> float:
        return sum(budget.wealth * budget.price for budget in self.budgets)

    def held(self) -> tuple[float, ...]:
        """Doing nothing: what is held, and nothing swapped."""
        return (*(market.held for market in self.markets), *(0.0 for _ in self.swaps))

    def spans(self, index: int) -> tuple[tuple[float, float], ...]:
        """Intervals of changed holdings of market ``index``, ascending; keeping what is held is allowed besides."""
        p = self.markets[index]
        return spans(p.held, p.low, p.high, self.min_position / p.price, self.min_move / p.price, self.unit)

    def allowed(self, index: int, x: float) -> bool:
        """Whether market ``index`` may hold ``x``, apart from groups, pools and the budget; to half a base unit."""
        near = self.unit / 2
        if abs(x - self.markets[index].held) < near:
            return True
        return any(least - near <= x <= most + near for least, most in self.spans(index))

    def value(self, index: int, x: float) -> float:
        """Contribution of one market or swap to the objective."""
        if index >= len(self.markets):
            swap = self.swaps[index - len(self.markets)]
            if x < self.unit / 2:
                return 0.0
            source, target = self.budgets[swap.source], self.budgets[swap.target]
            paid, got = x * source.price, swap.out(x) * target.price
            return (got - paid) / swap.years + got * target.idle_rate - paid * source.idle_rate - swap.touch_cost
        market = self.markets[index]
        if abs(x - market.held) >= self.unit / 2:
            return market.changed(x, self.horizon_seconds)
        return market.income(x, self.horizon_seconds)

    def objective(self, x: Sequence[float]) -> float:
        return sum(self.value(index, held) for index, held in enumerate(x))

    def spent(self, x: Sequence[float]) -> list[float]:
        """Tokens of each asset that are in markets, or swapped away and not back."""
        used = [0.0] * len(self.budgets)
        for market, now in zip(self.markets, x, strict=False):
            used[market.asset] += now
        for swap, paid in zip(self.swaps, x[len(self.markets) :], strict=True):
            used[swap.source] += paid
            used[swap.target] -= swap.out(paid)
        return used

    def within(self, x: Sequence[float]) -> bool:
        """Budgets, groups and pools, to a tenth of a base unit or the rounding of doubles; integers.py settles it."""
        slack = max(self.unit / 10, 1e-12 * self.wealth)
        before = self.spent(self.held())
        for budget, used, was in zip(self.budgets, self.spent(x), before, strict=True):
            if used > max(budget.spendable, was) + slack:
                return False
        for group in self.groups:
            was_in = sum(self.markets[m].held * self.markets[m].price for m in group.members)
            if sum(x[m] * self.markets[m].price for m in group.members) > max(group.most, was_in) + slack:
                return False
        near = self.unit / 2
        changed = [p.pools for p, now in zip(self.markets, x, strict=False) if p.pools and abs(now - p.held) >= near]
        return sum(len(pools) for pools in changed) == len(frozenset().union(*changed)) if changed else True

    def feasible(self, x: Sequence[float]) -> bool:
        """Every constraint."""
        most = [swap.quotes[-1][0] for swap in self.swaps]
        paid = x[len(self.markets) :]
        return (
            all(self.allowed(index, held) for index, held in enumerate(x[: len(self.markets)]))
            and all(0.0 <= v <= top + self.unit / 2 for v, top in zip(paid, most, strict=True))
            and self.within(x)
        )
