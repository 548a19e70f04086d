"""Yield curve of lending on Solana, where interest accrues by slots and the borrow rate is piecewise linear."""

from __future__ import annotations

import math
from itertools import pairwise

from yieldbot.math.curves import Points, _crossings, _segment, _utilisation
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

SLOTS_PER_YEAR = 63_072_000
"""The year of klend and spl-token-lending: two slots a second, whatever the cluster's real speed."""
SERIES_BITS = 60
"""Fractional bits of klend's fixed-point numbers."""
SERIES_ONE = 1 << SERIES_BITS
MOST_STEPS = 1000
"""If there would be more rounding steps than this between two points, they are left out."""


def with_steps(points: Points, fixed: float = 0.0) -> Points:
    """The same rates, with a point added wherever the square of a slot's rate (plus ``fixed`` a year) reaches the next
    multiple of 2**-SERIES_BITS.

    The rounded growth of a month jumps there by some 0.2 bp, so a curve's breakpoints must include these points. If
    there are more than ``MOST_STEPS`` between two points (a rate near 200 %), they are left out.
    """
    found = [points[0]]
    for (low, rate), (high, top) in pairwise(points):
        if top > rate:
            first = math.floor(((rate + fixed) / SLOTS_PER_YEAR) ** 2 * SERIES_ONE) + 1
            last = math.ceil(((top + fixed) / SLOTS_PER_YEAR) ** 2 * SERIES_ONE)
            for k in range(first, min(last, first + MOST_STEPS)):
                step = math.sqrt(k / SERIES_ONE) * SLOTS_PER_YEAR - fixed
                at = low + (high - low) * (step - rate) / (top - rate)
                if found[-1][0] < at < high:
                    found.append((at, step))
        found.append((high, top))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SlotCurve:
    """A pool whose borrow rate is piecewise linear in utilisation u and set for SLOTS_PER_YEAR slots."""

    others: float
    """What other suppliers own, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    points: Points
    """(u, rate), u ascending."""
    keep: float
    """Fraction of the interest that suppliers get."""
    slot_seconds: float
    """Real duration of a slot, in seconds."""
    compounds: bool
    """Whether interest compounds every slot (spl-token-lending's compound_interest); else once from now to the
    horizon's end, as klend's approximate_compounded_interest: the first three terms of the binomial series, powers
    rounded down to SERIES_BITS bits."""
    fixed: float = 0.0
    """Additional annual rate that borrowers pay and suppliers do not get."""
    fees: float = 0.0
    """Amount that the pool holds for its owner: it does not belong to suppliers, but counts for utilisation (Save)."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied + self.fees)
        growth, _ = self._growth(_segment(self.points, u)[0], horizon_seconds)
        return growth * self._lent(u, supplied) * self.keep * SECONDS_PER_YEAR / horizon_seconds

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        u = _utilisation(self.borrowed, supplied + self.fees)
        lent = self._lent(u, supplied)
        rate, slope = _segment(self.points, u)
        growth, grows = self._growth(rate, horizon_seconds)
        scale = self.keep * SECONDS_PER_YEAR / horizon_seconds
        apr = growth * lent * scale
        if supplied + self.fees < self.borrowed or supplied <= 0.0:
            return apr  # utilisation stays at 1: one more token earns the same
        return apr - x * lent * (grows * slope * u / (supplied + self.fees) + growth / supplied) * scale

    def breakpoints(self) -> tuple[float, ...]:
        return _crossings(self.points, self.borrowed, self.others + self.fees)

    def _lent(self, u: float, supplied: float) -> float:
        """What is lent out for each unit that suppliers own."""
        return self.borrowed / supplied if self.fees and supplied > 0.0 and u < 1.0 else u

    def _growth(self, rate: float, horizon_seconds: float) -> tuple[float, float]:
        """(growth of debt over the horizon, its derivative by the rate)."""
        slots = horizon_seconds / self.slot_seconds
        if not self.compounds:
            return _series(rate + self.fixed, slots) - _series(self.fixed, slots), slots / SLOTS_PER_YEAR
        logarithm = math.log1p(rate / SLOTS_PER_YEAR)
        return math.expm1(slots * logarithm), slots / SLOTS_PER_YEAR * math.exp((slots - 1.0) * logarithm)


def _series(rate: float, slots: float) -> float:
    """Growth of debt by klend's approximate_compounded_interest."""
    base = rate / SLOTS_PER_YEAR
    square = math.floor(base * base * SERIES_ONE)
    cube = math.floor(square * base) * (slots - 2.0) / 3.0
    return base * slots + (square + cube) / SERIES_ONE * slots * (slots - 1.0) / 2.0
