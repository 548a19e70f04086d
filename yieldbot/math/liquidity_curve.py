"""Liquidity in a pool as a yield curve: what a holding earns in one range, net of what it loses.

The model is that of math/range_yield.py, as a function of our value. Floats in whole tokens of the asset that the
pool's market is counted in; rates are annual.
"""

from __future__ import annotations

import math

from yieldbot.math.range_yield import PoolEstimate, RangeBounds
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

LEAST_OTHERS = 1e-9
"""Least liquidity of others, in whole tokens: if we were alone in a range we would earn all of its fees from the first
unit on, and no straight line bounds such a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeOutlook:
    """What a range yields at given fees and a given volatility.

    If fees do not pay for the gas, the range is never rebalanced and earns nothing.
    """

    fees: float = 0.0
    """Fees of all providers in range, in tokens a year, reduced by the time out of range."""
    others: float = 1.0
    """Value that everybody else's liquidity in range would have over our range, in tokens: x of ours earn the fraction
    x / (others + x) of the fees."""
    lost: float = 0.0
    """LVR, and swaps of rebalances, as a fraction of our value a year."""
    gas: float = 0.0
    """Gas of rebalances, in whole tokens a year."""
    once: float = 0.0
    """One-time cost in tokens that is paid before anything is earned."""

    def income(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year that a holding of x tokens earns."""
        if x <= 0.0:
            return 0.0
        return max(0.0, self.fees * x / (self.others + x) - self._fixed(horizon_seconds)) - self.lost * x

    def slope(self, x: float, horizon_seconds: float) -> float:
        """d income / dx at x, from the right."""
        total = self.others + x
        if total <= 0.0 or self.fees * x / total < self._fixed(horizon_seconds):
            return -self.lost
        return self.fees * self.others / total**2 - self.lost

    def start(self, horizon_seconds: float) -> float | None:
        """The holding from which on fees pay for gas, where income bends upwards; None if there is no such bend."""
        fixed = self._fixed(horizon_seconds)
        return fixed * self.others / (self.fees - fixed) if 0.0 < fixed < self.fees else None

    def _fixed(self, horizon_seconds: float) -> float:
        return self.gas + self.once * SECONDS_PER_YEAR / horizon_seconds


NOTHING = RangeOutlook()
"""The outlook when fees or volatility are unknown."""


@dataclass(frozen=True, slots=True)
class LiquidityCurve:
    """The YieldCurve of a pool's liquidity, for our present holding and for what is added."""

    stays: RangeOutlook
    """Outlook of the present holding."""
    enters: RangeOutlook
    """Outlook of what is added, at the policy's confidence."""
    held: float
    """What we hold now, in tokens."""
    entry_cost: float
    """Fraction of what is added that swaps take on the way in and out."""

    @property
    def others(self) -> float:
        """Scale of the holdings, in whole tokens, over which the rate changes markedly (see ``CappedCurve.others``)."""
        return self.enters.others

    def income(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year that a whole holding of x tokens earns."""
        if x <= self.held:
            return self.stays.income(x, horizon_seconds)
        more = self.enters.income(x, horizon_seconds) - self.enters.income(self.held, horizon_seconds)
        entry = self.entry_cost * (x - self.held) * SECONDS_PER_YEAR / horizon_seconds
        return self.stays.income(self.held, horizon_seconds) + more - entry

    def apr(self, x: float, horizon_seconds: float) -> float:
        return self.income(x, horizon_seconds) / x if x > 0.0 else self.marginal(0.0, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        if x < self.held:
            return self.stays.slope(x, horizon_seconds)
        entry = self.entry_cost * SECONDS_PER_YEAR / horizon_seconds
        return self.enters.slope(x, horizon_seconds) - entry

    def breakpoints(self) -> tuple[float, ...]:
        """None: where fees start to pay for gas depends on the horizon (``RangeOutlook.start``)."""
        return (self.held,) if self.held > 0.0 else ()


def outlook(
    estimate: PoolEstimate,
    bounds: RangeBounds,
    fees: float,
    sigma: float,
    *,
    full: bool,
    gas: float,
    tokens: float,
    once: float = 0.0,
) -> RangeOutlook:
    """A range's outlook at these fees (token1 base units a year) and this volatility (annual standard deviation of the
    log price).

    gas: the part of ``estimate.rebalance`` that does not grow with our value, in token1 base units; tokens: asset
    tokens for one base unit of token1; once: as in ``RangeOutlook``, in tokens; full: the full range, which is never
    rebalanced.
    """
    stay = math.inf if full else bounds.years_inside(sigma)
    if stay <= 0.0 or math.isinf(sigma):
        return NOTHING
    turn = stay + estimate.idle_years
    inside = 1.0 if math.isinf(stay) else stay / turn
    swaps = (estimate.rebalance - gas) / estimate.value
    return RangeOutlook(
        fees=fees * inside * tokens,
        others=max(LEAST_OTHERS, estimate.liquidity * estimate.root * bounds.value * tokens),
        lost=bounds.lost(sigma) * inside + swaps / turn,
        gas=gas * tokens / turn,
        once=once,
    )
