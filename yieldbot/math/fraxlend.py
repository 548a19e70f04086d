"""Fraxlend's rate after a deposit: a line with one kink, whose upper end moves with time while utilisation is outside
of its target range.

Source: FraxFinance/fraxlend@2bed49d (FraxlendPairCore._calculateInterest, VariableInterestRate.sol). Interest of the
whole time since the last use is simple, at one rate, which that time has moved; utilisation has five decimals.
"""

from __future__ import annotations

import math

from yieldbot.math.curves import Points, _crossings, _forward_slope, _segment, _utilisation
from yieldbot.model.dataclass import dataclass

STEPS = 100_000
"""Utilisation 1."""


@dataclass(frozen=True, slots=True)
class MovingLineCurve:
    """A pair under Fraxlend's variable rate, over the horizon, computed as a single accrual at its end."""

    others: float
    """What everybody else has supplied, in whole tokens."""
    borrowed: float
    """What is lent out, in whole tokens."""
    points: Points
    """(u, borrow APR) at 0, at the kink and at 1, at the snapshot's block."""
    keep: float
    """The fraction of the interest that suppliers get."""
    low: float
    """Utilisation below which the rate at 1 falls."""
    high: float
    """Utilisation above which the rate at 1 rises."""
    least: float
    """Least borrow APR at utilisation 1."""
    most: float
    """Highest borrow APR at utilisation 1."""
    half_life: float
    """Seconds in which the rate at 1 halves at utilisation 0, or doubles at 1; 0: it never moves."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        u = _utilisation(self.borrowed, self.others + x)
        return self.borrow_apr(math.floor(u * STEPS + 1e-9) / STEPS, horizon_seconds) * u * self.keep

    def borrow_apr(self, u: float, seconds: float) -> float:
        """The borrow rate at utilisation ``u`` that has stood for so many seconds."""
        zero, full = self.points[0][1], self.points[-1][1]
        line = _segment(self.points, u)[0]
        if self.half_life <= 0.0 or full <= zero:
            return line
        low, high = self.low, self.high
        moved = full
        if 0.0 <= u < low:
            moved = full * self.half_life / (self.half_life + ((low - u) / low) ** 2 * seconds)
        elif u > high and high < 1.0:
            moved = full * (self.half_life + ((u - high) / (1.0 - high)) ** 2 * seconds) / self.half_life
        moved = min(max(moved, self.least), self.most)
        return zero + (line - zero) * (moved - zero) / (full - zero)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return _forward_slope(self, x, self.others + x, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        levels = tuple((u, 0.0) for u in sorted({self.low, self.high, *(u for u, _ in self.points)}))
        return _crossings(levels, self.borrowed, self.others)
