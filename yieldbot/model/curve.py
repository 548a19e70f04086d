"""A market's rate as a function of our own holding."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class YieldCurve(Protocol):
    """Income as a function of OUR whole holding ``x`` in whole tokens (float), after our own deposit or withdrawal.

    Rates are simple annual fractions, averaged over ``horizon_seconds`` if nobody else acts in between: a holder of
    ``x`` gains ``x * apr(x, h) * h / SECONDS_PER_YEAR`` tokens over the horizon h.
    """

    def apr(self, x: float, horizon_seconds: float) -> float:
        """Simple annual supply rate earned on each token when we hold ``x`` (>= 0). Finite for every x >= 0."""

    def marginal(self, x: float, horizon_seconds: float) -> float:
        """d(x * apr(x)) / dx: income a year of one more token (right derivative at a breakpoint)."""

    def breakpoints(self) -> tuple[float, ...]:
        """Holdings x > 0 at which the slope of apr jumps (kinks crossed by our own deposit), ascending."""
