"""Yield curves of each kind of market: the rate as a function of our whole holding.

All are YieldCurves (model/curve.py): floats in whole tokens, simple annual fractions averaged over the horizon.
``others`` is the supply of everybody else, so that ``others + x`` is the pool when we hold ``x``.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

Points = tuple[tuple[float, float], ...]
"""(u, rate), u ascending: a piecewise-linear rate by utilisation (or by holding)."""
FEW = 16
"""With fewer points than this a linear search is faster than bisection; pools have two to eleven."""

# Morpho's AdaptiveCurveIrm (ConstantsLib.sol).
CURVE_STEEPNESS = 4.0
ADJUSTMENT_SPEED_PER_YEAR = 50.0
TARGET_UTILISATION = 0.9
MIN_RATE_AT_TARGET = 0.001
MAX_RATE_AT_TARGET = 2.0


def _segment(points: Points, u: float) -> tuple[float, float]:
    """(value, slope) of a piecewise-linear function at ``u``; at a point, the slope of the segment below it."""
    if u <= points[0][0]:
        return points[0][1], 0.0
    if u > points[-1][0]:
        return points[-1][1], 0.0
    at = 1
    if len(points) < FEW:
        while points[at][0] < u:
            at += 1
    else:
        at = bisect_left(points, u, key=lambda point: point[0])
    (u0, y0), (u1, y1) = points[at - 1], points[at]
    slope = (y1 - y0) / (u1 - u0)
    return y0 + slope * (u - u0), slope


def _crossings(points: Points, borrowed: float, others: float) -> tuple[float, ...]:
    """Our holdings at which utilisation borrowed / (others + x) passes a point, or starts to fall below 1."""
    levels = {u for u, _ in points if 0.0 < u < 1.0} | {1.0}
    return tuple(sorted(x for u in levels if (x := borrowed / u - others) > 0.0))


def _utilisation(borrowed: float, supplied: float) -> float:
    if borrowed <= 0.0:
        return 0.0
    return 1.0 if supplied <= borrowed else borrowed / supplied


@dataclass(frozen=True, slots=True)
class KinkedCurve:
    """A pool whose BORROW rate is piecewise linear in utilisation u (Aave, Kamino, Compound v2 style).

    Supply APR = borrow(u) * u * keep with u = borrowed / (others + x). Source: Aave v3
    DefaultReserveInterestRateStrategyV2.calculateInterestRates.
    """

    others: float
    """What everybody else has supplied, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    points: Points
    """(u, borrow APR), u ascending."""
    keep: float
    """1 - reserve factor: the fraction of the interest that suppliers get."""
    deficit: float = 0.0
    """Bad debt: it reduces what suppliers share but does not affect the borrow rate (Aave 3.3 and later)."""

    @property
    def bad_debt(self) -> float:
        """The part of ``deficit`` that nobody owes any more, in whole tokens."""
        return self.deficit

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied)
        return _segment(self.points, u)[0] * self._shared(u, supplied) * self.keep

    def _shared(self, u: float, supplied: float) -> float:
        """Utilisation as the supply side counts it: borrowed / (supplied + deficit)."""
        return u if self.deficit == 0.0 or u == 0.0 else u * supplied / (supplied + self.deficit)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied)
        rate, slope = _segment(self.points, u)
        shared = self._shared(u, supplied)
        apr = rate * shared * self.keep
        if supplied < self.borrowed or supplied <= 0.0:
            return apr  # utilisation stays at 1 (or the pool is empty): one more token earns the same
        falls = shared / (supplied + self.deficit)
        return apr - x * (slope * u / supplied * shared + rate * falls) * self.keep

    def breakpoints(self) -> tuple[float, ...]:
        return _crossings(self.points, self.borrowed, self.others)


@dataclass(frozen=True, slots=True)
class SupplyKinkedCurve:
    """A pool whose SUPPLY rate is piecewise linear in utilisation. Source: Compound v3 Comet.getSupplyRate."""

    others: float
    """What everybody else has supplied, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    points: Points
    """(u, supply APR), u ascending."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        return _segment(self.points, _utilisation(self.borrowed, self.others + x))[0]

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied)
        rate, slope = _segment(self.points, u)
        if supplied < self.borrowed or supplied <= 0.0:
            return rate
        return rate - x / supplied * u * slope

    def breakpoints(self) -> tuple[float, ...]:
        return _crossings(self.points, self.borrowed, self.others)


def irm_exp(x: float) -> float:
    """e^x as Morpho's IRM computes it (ExpLib.wExp): 2^q times a second-order Taylor expansion, up to 0.7 % off the
    true value."""
    q = math.trunc((x + math.copysign(math.log(2) / 2, x)) / math.log(2))
    r = x - q * math.log(2)
    return (1.0 + r + r * r / 2) * 2.0**q


@dataclass(frozen=True, slots=True)
class AdaptiveCurve:
    """A Morpho Blue market under its AdaptiveCurveIrm, over the horizon, computed as a single accrual at its end.

    The IRM fixes utilisation at the start of the period, moves the rate at target exponentially with the distance from
    90 % utilisation, and averages it with weights 1, 2, 1 over start, middle and end (AdaptiveCurveIrm._borrowRate).
    Morpho compounds it by three Taylor terms (MathLib.wTaylorCompounded); suppliers share the interest less the fee.
    """

    others: float
    """What everybody else has supplied, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    fee: float
    """The market's fee, a fraction of the interest."""
    rate_at_target: float
    """Borrow rate at 90 % utilisation at the snapshot's block, simple annual."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied)
        if u == 0.0:
            return 0.0
        years = horizon_seconds / SECONDS_PER_YEAR
        growth = self.borrow_apr(u, years) * years
        compounded = growth + growth**2 / 2 + growth**3 / 6
        return compounded * u * (1.0 - self.fee) / years

    def borrow_apr(self, u: float, years: float) -> float:
        """Average borrow rate over ``years`` at constant utilisation ``u``, simple annual."""
        norm = 1.0 - TARGET_UTILISATION if u > TARGET_UTILISATION else TARGET_UTILISATION
        error = (u - TARGET_UTILISATION) / norm
        adaptation = ADJUSTMENT_SPEED_PER_YEAR * error * years
        end, middle = self._adapted(adaptation), self._adapted(adaptation / 2)
        average = (self.rate_at_target + end + 2 * middle) / 4
        coefficient = 1.0 - 1.0 / CURVE_STEEPNESS if error < 0 else CURVE_STEEPNESS - 1.0
        return (coefficient * error + 1.0) * average

    def _adapted(self, adaptation: float) -> float:
        # The exponent is bounded first: e^40 is already far beyond the maximum rate.
        moved = self.rate_at_target * irm_exp(max(-40.0, min(40.0, adaptation)))
        return max(MIN_RATE_AT_TARGET, min(MAX_RATE_AT_TARGET, moved))

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return _forward_slope(self, x, self.others + x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return _crossings(((TARGET_UTILISATION, 0.0),), self.borrowed, self.others)


@dataclass(frozen=True, slots=True)
class ConstantCurve:
    """The same rate for any holding."""

    rate: float
    """Simple annual fraction."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.rate

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.rate

    def breakpoints(self) -> tuple[float, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class DilutedCurve:
    """A fixed income shared pro rata: the cautious model of a vault whose strategy is unknown.

    Our deposit dilutes everybody and adds no income.
    """

    others: float
    """What everybody else has supplied, in whole tokens."""
    income_per_year: float
    """Whole tokens a year to all holders together."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        return self.income_per_year / supplied if supplied > 0.0 else 0.0

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        return self.income_per_year * self.others / supplied**2 if supplied > 0.0 else 0.0

    def breakpoints(self) -> tuple[float, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class EnteredCurve:
    """A DilutedCurve with entry and exit fees on what is added to ``held``, charged once over the horizon."""

    others: float
    """What everybody else has supplied, in whole tokens."""
    income_per_year: float
    """Whole tokens a year to all holders together."""
    held: float
    """What we hold now, in whole tokens."""
    entry_cost: float
    """Fees on what is added, as a fraction of it."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        if supplied <= 0.0:
            return 0.0
        lost = self.entry_cost * (1.0 - self.held / x) if x > self.held else 0.0
        return (1.0 - lost) * self.income_per_year / supplied - lost * SECONDS_PER_YEAR / horizon_seconds

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        if supplied <= 0.0:
            return 0.0
        lost = self.entry_cost if x >= self.held else 0.0
        kept, more = self.held * lost + x * (1.0 - lost), 1.0 - lost
        earned = self.income_per_year * (more * supplied - kept) / supplied**2
        return earned - lost * SECONDS_PER_YEAR / horizon_seconds

    def breakpoints(self) -> tuple[float, ...]:
        return (self.held,) if self.entry_cost and self.held > 0.0 else ()


@dataclass(frozen=True, slots=True)
class SampledCurve:
    """A table of rates: linear in between, constant outside."""

    points: Points
    """(holding, apr), holding ascending."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        return _segment(self.points, x)[0]

    def marginal(self, x: float, horizon_seconds: float) -> float:
        above = _segment(self.points, math.nextafter(x, math.inf))  # the right derivative: the segment above x
        return self.apr(x, horizon_seconds) + x * above[1]

    def breakpoints(self) -> tuple[float, ...]:
        return tuple(x for x, _ in self.points if x > 0.0)


@dataclass(frozen=True, slots=True)
class VaultSlot:
    """One market that a vault lends to, as a function of the VAULT's holding there."""

    curve: YieldCurve
    """The market's rate as a function of the vault's holding."""
    held: float
    """What the vault holds in the market now, in whole tokens."""
    room: float
    """How much more the vault would put there, in whole tokens."""
    liquidity: float
    """How much the vault could withdraw there now, in whole tokens."""
    pool: str = ""
    """Key of its pool, by which markets that lend to the same pool are recognised (``MarketState.pools``)."""


@dataclass(frozen=True, slots=True)
class LookThroughCurve:
    """A vault that is seen through to its markets (MetaMorpho).

    A deposit fills the slots in order, each up to its room; the rest stays idle in the vault. A withdrawal is taken
    from slots in ``withdraw_order``, from each up to its holding and liquidity. Source: MetaMorpho._supplyMorpho,
    _withdrawMorpho, _accruedFeeShares.
    """

    others: float
    """The vault's assets that belong to others."""
    ours: float
    """The vault's assets that belong to us now."""
    fee: float
    """Fraction of the interest that the vault keeps."""
    slots: tuple[VaultSlot, ...]
    """Its markets, in the order that deposits are put into them."""
    withdraw_order: tuple[int, ...]
    """Indexes of slots, in the order in which withdrawals are taken from them."""
    yearly_fee: float = 0.0
    """Fraction of its assets that the vault keeps each year, whatever they earn (Morpho Vault V2)."""
    max_rate: float = math.inf
    """The most by which the vault lets its assets grow, as a simple annual fraction (Morpho Vault V2)."""
    unreleased: float = 0.0
    """What its markets hold beyond the vault's assets, because ``max_rate`` held it back, in whole tokens."""

    def holdings(self, x: float) -> tuple[float, ...]:
        """The vault's holding in each slot when our holding is ``x``, in whole tokens."""
        held = [slot.held for slot in self.slots]
        change = x - self.ours
        if change >= 0.0:
            for index, slot in enumerate(self.slots):
                part = min(change, slot.room)
                held[index] += part
                change -= part
        else:
            uninvested = max(0.0, self.others + self.ours - sum(held))
            due = max(0.0, -change - uninvested)
            for index in self.withdraw_order:
                part = min(due, held[index], self.slots[index].liquidity)
                held[index] -= part
                due -= part
        return tuple(held)

    def apr(self, x: float, horizon_seconds: float) -> float:
        total = self.others + x
        if total <= 0.0:
            return 0.0
        income = sum(
            held * slot.curve.apr(held, horizon_seconds)
            for slot, held in zip(self.slots, self.holdings(x), strict=True)
        )
        if self.unreleased:
            income += self.unreleased * SECONDS_PER_YEAR / horizon_seconds
        return self.kept(min(income / total, self.max_rate), horizon_seconds)

    def kept(self, rate: float, horizon_seconds: float) -> float:
        """What holders get of a growth of the vault's assets: both are simple annual fractions."""
        whole = 1.0 + rate * horizon_seconds / SECONDS_PER_YEAR if self.yearly_fee else 1.0
        return rate * (1.0 - self.fee) - self.yearly_fee * whole

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return _forward_slope(self, x, self.others + x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        """Our holdings at which a slot fills up or empties, and the inner curves' breakpoints while their slot's
        holding changes."""
        found: set[float] = set()
        start = self.ours
        for slot in self.slots:
            found.update(start + b - slot.held for b in slot.curve.breakpoints() if 0.0 <= b - slot.held <= slot.room)
            start += slot.room
            if math.isfinite(start):
                found.add(start)
        start = self.ours - max(0.0, self.others + self.ours - sum(slot.held for slot in self.slots))
        found.update((self.ours, start))
        for index in self.withdraw_order:
            slot = self.slots[index]
            most = min(slot.held, slot.liquidity)
            found.update(start - (slot.held - b) for b in slot.curve.breakpoints() if 0.0 <= slot.held - b <= most)
            start -= most
            found.add(start)
        return tuple(sorted(x for x in found if x > 0.0))


def _forward_slope(curve: YieldCurve, x: float, scale: float, horizon_seconds: float) -> float:
    """Right derivative of x * apr(x) by a forward difference of relative size 1e-6."""
    step = max(scale * 1e-6, 1e-6)
    above = (x + step) * curve.apr(x + step, horizon_seconds)
    return (above - x * curve.apr(x, horizon_seconds)) / step
