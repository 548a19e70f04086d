"""Curves derived from others: capped below a holding, or moved to a forecast level while keeping the market's own
shape."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from yieldbot.math.curves import (
    ConstantCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
)
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.slots import SlotCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.vesting import VestingCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.dataclass import dataclass

LineOfRates = KinkedCurve | SupplyKinkedCurve | SlotCurve
"""A pool whose rate is a fixed piecewise-linear function of utilisation, so that a rate determines how much is lent
out."""
HALVINGS = 60
"""Steps of a bisection; what then remains is below a float's precision."""
SAME_RATE = 1e-12
"""Relative difference up to which two rates count as equal: rounding."""
MOST_FACTOR = 20.0
"""A curve is raised by at most this factor: a higher level would belong to another state of the market, with another
shape."""


@dataclass(frozen=True, slots=True)
class CappedCurve:
    """A curve whose rate is capped below a holding: apr(x) = min(base.apr(x), base.apr(cap_end)) for x < cap_end.

    If the base's rate never rises with our holding, income is a straight line below ``cap_end``; it is concave wherever
    the base's income is, because the slope beyond ``cap_end`` is at most the rate there.
    """

    base: YieldCurve
    """The market's own curve."""
    cap_end: float
    """Holding from which on the base's own rate applies, in whole tokens, above 0."""

    @property
    def others(self) -> float:
        """Scale of the holdings, in whole tokens, over which the rate changes markedly: ``others`` of the base curve, 0
        if it has none."""
        return float(getattr(self.base, "others", 0.0))

    def cap_rate(self, horizon_seconds: float) -> float:
        """The highest rate that applies below ``cap_end``: a simple annual fraction."""
        return self.base.apr(self.cap_end, horizon_seconds)

    def apr(self, x: float, horizon_seconds: float) -> float:
        rate = self.base.apr(x, horizon_seconds)
        return rate if x >= self.cap_end else min(rate, self.cap_rate(horizon_seconds))

    def marginal(self, x: float, horizon_seconds: float) -> float:
        if x < self.cap_end and self.base.apr(x, horizon_seconds) >= (most := self.cap_rate(horizon_seconds)):
            return most
        return self.base.marginal(x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return tuple(sorted({*self.base.breakpoints(), self.cap_end}))


@dataclass(frozen=True, slots=True)
class ScaledCurve:
    """A curve whose rate is another curve's times a factor."""

    base: YieldCurve
    """The market's own curve."""
    factor: float
    """Factor on the rate, 0 or more."""

    @property
    def others(self) -> float:
        """``others`` of the base curve, if it has that, in whole tokens."""
        return float(getattr(self.base, "others", 0.0))

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.factor * self.base.apr(x, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.factor * self.base.marginal(x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return self.base.breakpoints()


def scaled(curve: YieldCurve, factor: float) -> YieldCurve:
    """The curve with each rate times ``factor`` (0 or more), of the same class if possible. Entry costs are no rates
    and are not scaled."""
    match curve:
        case KinkedCurve() | SupplyKinkedCurve():
            return replace(curve, points=tuple((u, rate * factor) for u, rate in curve.points))
        case SampledCurve():
            return replace(curve, points=tuple((x, rate * factor) for x, rate in curve.points))
        case ConstantCurve() | StatedCurve():
            return replace(curve, rate=curve.rate * factor)
        case DilutedCurve() | EnteredCurve():
            return replace(curve, income_per_year=curve.income_per_year * factor)
        case VestingCurve():
            now, later = curve.income_per_year * factor, curve.later_per_year * factor
            return replace(curve, income_per_year=now, later_per_year=later)
        case StakeCurve():  # as if so much more earned: fees of entering stay what they are
            return replace(curve, staked=curve.staked * factor)
        case ScaledCurve():
            return replace(curve, factor=curve.factor * factor)
        case CappedCurve():
            return replace(curve, base=scaled(curve.base, factor))
        case LookThroughCurve() if not (curve.yearly_fee or curve.unreleased or curve.max_rate < math.inf):
            slots = tuple(replace(slot, curve=scaled(slot.curve, factor)) for slot in curve.slots)
            return replace(curve, slots=slots)
        case _:
            return ScaledCurve(curve, factor)


def lent_at(curve: LineOfRates, held: float, rate: float, horizon_seconds: float) -> LineOfRates:
    """The pool with so much lent out that it pays ``rate`` (above 0) at the holding ``held``; with everything lent out
    if even that pays less. The rate is assumed to rise with utilisation, as in interest rate models."""
    supplied = curve.others + held
    if supplied <= 0.0:
        return curve
    if isinstance(curve, SlotCurve):
        return _lent_by_halves(curve, held, rate, horizon_seconds)
    points = curve.points if curve.points[0][0] == 0.0 else ((0.0, curve.points[0][1]), *curve.points)
    by_borrowers = isinstance(curve, KinkedCurve)
    keep = curve.keep * supplied / (supplied + curve.deficit) if isinstance(curve, KinkedCurve) else 1.0
    for (u0, y0), (u1, y1) in pairwise(points):
        if (y1 * u1 if by_borrowers else y1) * keep < rate:
            continue
        slope, wanted = (y1 - y0) / (u1 - u0), rate / keep
        if by_borrowers:  # (y0 + slope (u - u0)) u = wanted
            level = y0 - slope * u0
            root = math.sqrt(max(0.0, level * level + 4.0 * slope * wanted))
            use = 2.0 * wanted / (level + root) if level + root > 0.0 else u1
        else:
            use = u0 + (wanted - y0) / slope if slope > 0.0 else u1
        return replace(curve, borrowed=min(max(use, u0), u1, 1.0) * supplied)
    return replace(curve, borrowed=supplied)


def _lent_by_halves(curve: SlotCurve, held: float, rate: float, horizon_seconds: float) -> SlotCurve:
    """``lent_at`` by bisection, for curves whose compounding with rounding cannot be inverted by a formula."""
    most = curve.others + held
    if replace(curve, borrowed=most).apr(held, horizon_seconds) <= rate:
        return replace(curve, borrowed=most)
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if replace(curve, borrowed=middle).apr(held, horizon_seconds) < rate:
            low = middle
        else:
            high = middle
    return replace(curve, borrowed=high)


def at_level(curve: YieldCurve, held: float, rate: float, horizon_seconds: float) -> YieldCurve:
    """The curve moved so that it pays ``rate`` (a simple annual fraction) at the holding ``held``.

    For a pool whose rate is a function of utilisation, the amount lent out changes and the function stays: a deposit
    that takes the pool below its kink then earns the rate below the kink, however high the forecast above it. Any other
    curve is scaled. A curve that pays nothing at ``held`` has no shape to scale: its income is then assumed to be
    shared pro rata with the others.
    """
    now = curve.apr(held, horizon_seconds)
    if isinstance(curve, LineOfRates) and now > 0.0 < rate:
        curve = lent_at(curve, held, rate, horizon_seconds)
        now = curve.apr(held, horizon_seconds)
        if math.isclose(now, rate, rel_tol=SAME_RATE):
            return curve
    if rate <= 0.0:
        return ConstantCurve(rate) if now <= 0.0 else scaled(curve, 0.0)
    others = float(getattr(curve, "others", 0.0))
    if now <= 0.0 or rate / now > MOST_FACTOR:
        return DilutedCurve(others, rate * (others + held)) if others > 0.0 else ConstantCurve(rate)
    found = scaled(curve, rate / now)
    reached = found.apr(held, horizon_seconds)
    return scaled(found, rate / reached) if reached > 0.0 else found  # a stake's rewards compound: nearly in proportion
