"""Curves made of others: capped below a holding, or at another level, as forecast, with the shape that is the
market's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yieldbot.math.curves import (
    ConstantCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
)
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.model.curve import YieldCurve

MOST_FACTOR = 20.0
"""A level is raised by this factor at most: beyond it the shape is of another state of the market."""


@dataclass(frozen=True, slots=True)
class CappedCurve:
    """A curve whose rate is capped below a holding: apr(x) = min(base.apr(x), base.apr(cap_end)) for x < cap_end.

    So income is a straight line below ``cap_end`` where the base's rate never rises with our holding, and concave where
    the base's income is, for its slope from ``cap_end`` on is no more than its rate.
    """

    base: YieldCurve
    """The market's own curve."""
    cap_end: float
    """Holding from which on the base's own rate counts, in whole tokens, above 0."""

    @property
    def others(self) -> float:
        """What the base is shared with, where it says so: the scale on which incomes bend, in whole tokens."""
        return float(getattr(self.base, "others", 0.0))

    def cap_rate(self, horizon_seconds: float) -> float:
        """The highest rate that counts below ``cap_end``: a simple annual fraction."""
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
    """A curve whose rate is another's times a factor."""

    base: YieldCurve
    """The market's own curve."""
    factor: float
    """0 or more."""

    @property
    def others(self) -> float:
        """What the base is shared with, where it says so, in whole tokens."""
        return float(getattr(self.base, "others", 0.0))

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.factor * self.base.apr(x, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self.factor * self.base.marginal(x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return self.base.breakpoints()


def scaled(curve: YieldCurve, factor: float) -> YieldCurve:
    """The curve with each rate times ``factor`` (0 or more): of the same class where its numbers allow that. What
    entering costs is no rate, and stays."""
    match curve:
        case KinkedCurve() | SupplyKinkedCurve():
            return replace(curve, points=tuple((u, rate * factor) for u, rate in curve.points))
        case SampledCurve():
            return replace(curve, points=tuple((x, rate * factor) for x, rate in curve.points))
        case ConstantCurve():
            return replace(curve, rate=curve.rate * factor)
        case DilutedCurve() | EnteredCurve():
            return replace(curve, income_per_year=curve.income_per_year * factor)
        case StakeCurve():  # as if so much more earned: fees of entering stay what they are
            return replace(curve, staked=curve.staked * factor)
        case CappedCurve():
            return replace(curve, base=scaled(curve.base, factor))
        case LookThroughCurve():
            slots = tuple(replace(slot, curve=scaled(slot.curve, factor)) for slot in curve.slots)
            return replace(curve, slots=slots)
        case _:
            return ScaledCurve(curve, factor)


def at_level(curve: YieldCurve, held: float, rate: float, horizon_seconds: float) -> YieldCurve:
    """The curve scaled so that it pays ``rate`` (a simple annual fraction) at the holding ``held``.

    A curve that pays nothing there says nothing of its shape: what it earns is then shared with what others hold.
    """
    now = curve.apr(held, horizon_seconds)
    if rate <= 0.0:
        return ConstantCurve(rate) if now <= 0.0 else scaled(curve, 0.0)
    others = float(getattr(curve, "others", 0.0))
    if now <= 0.0 or rate / now > MOST_FACTOR:
        return DilutedCurve(others, rate * (others + held)) if others > 0.0 else ConstantCurve(rate)
    found = scaled(curve, rate / now)
    reached = found.apr(held, horizon_seconds)
    return scaled(found, rate / reached) if reached > 0.0 else found  # a stake's rewards compound: nearly in proportion
