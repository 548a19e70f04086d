"""The allocation problem as pure numbers: floats in whole tokens, rates as simple annual fractions.

Maximise, over holdings x with idle money of each asset at least its buffer,

sum over markets of  price_i * [ x_i * (apr_i(x_i) - haircut_i) - move_cost_i * |x_i - held_i| ]
                         - [x_i > held_i] * enter_cost_i - [x_i < held_i] * leave_cost_i
    - sum over swaps of what the conversion loses

in tokens of the first asset a year. Each x_i is either what we hold now, or 0, or within [low_i, high_i] and at least
the minimum position and the minimum move away from what we hold. Groups bound sums of holdings. Of the markets that
share a pool at most one may change, because their curves are not independent: money that comes to one dilutes the rate
of the others, which is taken off (``ProblemMarket.dilutions``). A vector of holdings lists the markets first, then what
goes into each swap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeVar

from yieldbot.math.dilution import Dilution
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass

Number = TypeVar("Number", int, float)
Quotes = tuple[tuple[float, float], ...]
"""(in, out) of a swap in whole tokens, ascending."""


def spans(
    held: Number, low: Number, high: Number, min_position: Number, min_move: Number, unit: Number
) -> tuple[tuple[Number, Number], ...]:
    """Ascending closed intervals of holdings that a CHANGE may lead to, in base units (unit 1) or in whole tokens
    (unit: one base unit).

    A change is at least one unit and at least the minimum move; the holding afterwards is 0 or at least the minimum
    position.
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
    """One market of the problem. Amounts are in whole tokens of its asset."""

    curve: YieldCurve
    """Its rate as a function of our whole holding."""
    held: float
    """What we hold now."""
    low: float
    """Smallest holding that a change may lead to: what cannot be withdrawn."""
    high: float
    """Largest holding that a change may lead to: the lowest of cap, limits and wealth."""
    haircut: float
    """Expected loss as a fraction a year (plus the idle rate, where the problem has one: see
    ``AssetBudget.idle_rate``)."""
    enter_cost: float
    """Fixed cost of increasing the holding, spread over the horizon of money that enters: in the first asset a year."""
    leave_cost: float
    """Fixed cost of reducing the holding, spread over the horizon of money that moves, plus the part of the next
    market's entering cost that its ``enter_cost`` does not hold: in the first asset a year."""
    pools: frozenset[str]
    """Keys of the pools that it shares with other markets."""
    move_cost: float = 0.0
    """Proportional cost of each token moved, spread over the horizon: a fraction a year."""
    asset: int = 0
    """Index into ``Problem.budgets``."""
    price: float = 1.0
    """Price of one token of its asset, in the first asset."""
    dilutions: tuple[Dilution, ...] = ()
    """Our other holdings in its pools, which earn less when more of our money comes here."""

    def income(self, x: float, horizon_seconds: float) -> float:
        """Income at holding x in the first asset a year, net of haircut and dilution, before all costs."""
        if x <= 0.0:
            return 0.0
        earned = x * (self.curve.apr(x, horizon_seconds) - self.haircut)
        return self.price * (earned - self.dilution(x, horizon_seconds))

    def dilution(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year that our other holdings in its pools lose if we hold x here; never below 0."""
        return sum(one.loss(self.held, x, horizon_seconds) for one in self.dilutions)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        """Income a year of one more token at holding x, net of haircut and dilution: a simple annual fraction."""
        found = self.curve.marginal(x, horizon_seconds) - self.haircut
        if not self.dilutions:
            return found
        step = max(1e-6, 1e-6 * x)
        more = self.dilution(x + step, horizon_seconds) - self.dilution(x, horizon_seconds)
        return found - more / step

    def changed(self, x: float, horizon_seconds: float) -> float:
        """``income`` less what it costs to change the holding to x, in the first asset a year."""
        moved = abs(x - self.held) * self.move_cost
        fixed = self.enter_cost if x > self.held else self.leave_cost
        return self.income(x, horizon_seconds) - self.price * moved - fixed


@dataclass(frozen=True, slots=True)
class Group:
    """A limit on a sum of holdings. Where it is exceeded already, the sum may not grow."""

    members: tuple[int, ...]
    """Indexes of markets."""
    most: float
    """The most that they may hold together, in the first asset."""
    name: str = ""
    """What the limit is called in a plan's reasons."""
    parts: tuple[float, ...] = ()
    """For each member the fraction of its holding that counts; empty: all of it."""

    def uses(self) -> tuple[tuple[int, float], ...]:
        """(member, the fraction of its holding that counts)."""
        return tuple(zip(self.members, self.parts or (1.0,) * len(self.members), strict=True))


@dataclass(frozen=True, slots=True)
class AssetBudget:
    """All that we have of one asset, in whole tokens."""

    wealth: float
    """What we have: holdings and idle money."""
    spendable: float
    """What may be in markets: wealth less the idle buffer."""
    price: float = 1.0
    """Price of one token, in the first asset."""
    idle_rate: float = 0.0
    """What idle money earns, a simple annual fraction. The markets' haircuts include it, so that an objective is what
    is earned BEYOND leaving everything idle; only a swap, which takes money from one budget to another, uses it."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A conversion of one asset into another."""

    source: int
    """Index of the budget that pays."""
    target: int
    """Index of the budget that receives."""
    quotes: Quotes
    """(in, out) in whole tokens, ascending from above 0, linear in between, concave."""
    touch_cost: float
    """Fixed cost of swapping at all, spread over the horizon: in the first asset a year."""
    years: float
    """The horizon that a swap's loss is spread over for money that moves, in years."""
    idle: float = 0.0
    """Whole tokens of the source that are idle: a swap takes these first, as money that enters; the rest counts as
    money that moves."""
    idle_years: float = 1.0
    """The horizon that a swap's loss is spread over for money that enters, in years."""

    def out(self, paid: float) -> float:
        """Whole tokens of the target for ``paid`` whole tokens of the source, by the quotes."""
        if paid <= 0.0:
            return 0.0
        at = min(bisect_left(self.quotes, (paid,)), len(self.quotes) - 1)  # a pair is above its own beginning
        (x0, y0), (x1, y1) = self.quotes[at - 1] if at else (0.0, 0.0), self.quotes[at]
        return y0 + (y1 - y0) * (paid - x0) / (x1 - x0)


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that the solver sees."""

    markets: tuple[ProblemMarket, ...]
    """In the snapshot's order, the wallet left out."""
    groups: tuple[Group, ...]
    """Limits on sums of holdings."""
    budgets: tuple[AssetBudget, ...]
    """One for each asset; the objective is in the first one."""
    min_position: float
    """Smallest holding that is worth having, in the first asset."""
    min_move: float
    """Least change of a holding, in the first asset."""
    horizon_seconds: float
    """Curves are averaged over this time."""
    unit: float
    """One base unit in whole tokens (with several assets, the largest)."""
    swaps: tuple[Swap, ...] = ()
    """Conversions between the assets."""

    @property
    def wealth(self) -> float:
        """Wealth of all budgets, in the first asset."""
        return sum(budget.wealth * budget.price for budget in self.budgets)

    def held(self) -> tuple[float, ...]:
        """The holdings vector of doing nothing: present holdings, no swaps."""
        return (*(market.held for market in self.markets), *(0.0 for _ in self.swaps))

    def spans(self, index: int) -> tuple[tuple[float, float], ...]:
        """Intervals that a changed holding of market ``index`` may lie in, ascending; an unchanged holding is always
        allowed."""
        p = self.markets[index]
        return spans(p.held, p.low, p.high, self.min_position / p.price, self.min_move / p.price, self.unit)

    def allowed(self, index: int, x: float) -> bool:
        """Whether market ``index`` may hold ``x``, to within half a base unit, regardless of groups, pools and
        budgets."""
        near = self.unit / 2
        if abs(x - self.markets[index].held) < near:
            return True
        return any(least - near <= x <= most + near for least, most in self.spans(index))

    def value(self, index: int, x: float) -> float:
        """Contribution of one market or swap to the objective, in the first asset a year."""
        if index >= len(self.markets):
            swap = self.swaps[index - len(self.markets)]
            if x < self.unit / 2:
                return 0.0
            source, target = self.budgets[swap.source], self.budgets[swap.target]
            paid, got = x * source.price, swap.out(x) * target.price
            first = min(x, swap.idle)
            lost_first = first * source.price - swap.out(first) * target.price
            lost = lost_first / swap.idle_years + (paid - got - lost_first) / swap.years
            return got * target.idle_rate - paid * source.idle_rate - lost - swap.touch_cost
        market = self.markets[index]
        if abs(x - market.held) >= self.unit / 2:
            return market.changed(x, self.horizon_seconds)
        return market.income(x, self.horizon_seconds)

    def objective(self, x: Sequence[float]) -> float:
        """Net income of a holdings vector, in the first asset a year."""
        return sum(self.value(index, held) for index, held in enumerate(x))

    def spent(self, x: Sequence[float]) -> list[float]:
        """For each asset the whole tokens that are in markets or were swapped away, less what swaps brought."""
        used = [0.0] * len(self.budgets)
        for market, now in zip(self.markets, x, strict=False):
            used[market.asset] += now
        for swap, paid in zip(self.swaps, x[len(self.markets) :], strict=True):
            if paid:
                used[swap.source] += paid
                used[swap.target] -= swap.out(paid)
        return used

    def within(self, x: Sequence[float]) -> bool:
        """Whether budgets, groups and pools allow it, to within a tenth of a base unit or the rounding of doubles;
        integers.py is exact."""
        slack = max(self.unit / 10, 1e-12 * self.wealth)
        before = self.spent(self.held())
        for budget, used, was in zip(self.budgets, self.spent(x), before, strict=True):
            if used > max(budget.spendable, was) + slack:
                return False
        for group in self.groups:
            uses = [(m, part * self.markets[m].price) for m, part in group.uses()]
            was_in = sum(self.markets[m].held * weight for m, weight in uses)
            if sum(x[m] * weight for m, weight in uses) > max(group.most, was_in) + slack:
                return False
        near = self.unit / 2
        changed = [p.pools for p, now in zip(self.markets, x, strict=False) if p.pools and abs(now - p.held) >= near]
        return sum(len(pools) for pools in changed) == len(frozenset().union(*changed)) if changed else True

    def feasible(self, x: Sequence[float]) -> bool:
        """Whether all constraints allow it."""
        most = [swap.quotes[-1][0] for swap in self.swaps]
        paid = x[len(self.markets) :]
        return (
            all(self.allowed(index, held) for index, held in enumerate(x[: len(self.markets)]))
            and all(0.0 <= v <= top + self.unit / 2 for v, top in zip(paid, most, strict=True))
            and self.within(x)
        )
