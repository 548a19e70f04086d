"""Liquidity that we provide, as a curve: what a holding in a pool earns, net of what it loses.

The same model as ``math.liquidity``, of one range and as a function of our value. Floats in whole tokens of the asset
that the pool's market is counted in; rates are a year's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from yieldbot.math.liquidity import Bounds, Venue
from yieldbot.model.units import SECONDS_PER_YEAR

LEAST_OTHERS = 1e-9
"""Whole tokens that others have at least: who is alone in a range gets all of its fees from the first unit on, and no
straight line is above such a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a range yields at some fees and some volatility.

    fees: of all providers in range, a year, less the part of the time that we are out; others: what everybody else's
    liquidity in range would be worth over our range, so that x of ours get x / (others + x) of the fees. lost: LVR and
    the swaps of new ranges, a share of our value a year. gas: of new ranges, a year; once: tokens that go before
    anything is earned. Where fees do not pay gas no range is laid anew, and nothing is earned.
    """

    fees: float = 0.0
    others: float = 1.0
    lost: float = 0.0
    gas: float = 0.0
    once: float = 0.0

    def income(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year to a holding of x."""
        if x <= 0.0:
            return 0.0
        return max(0.0, self.fees * x / (self.others + x) - self._fixed(horizon_seconds)) - self.lost * x

    def slope(self, x: float, horizon_seconds: float) -> float:
        """d income / dx, from the right."""
        total = self.others + x
        if total <= 0.0 or self.fees * x / total < self._fixed(horizon_seconds):
            return -self.lost
        return self.fees * self.others / total**2 - self.lost

    def start(self, horizon_seconds: float) -> float | None:
        """The holding from which on fees pay gas: there the income bends up. None where there is no such bend."""
        fixed = self._fixed(horizon_seconds)
        return fixed * self.others / (self.fees - fixed) if 0.0 < fixed < self.fees else None

    def _fixed(self, horizon_seconds: float) -> float:
        return self.gas + self.once * SECONDS_PER_YEAR / horizon_seconds


NOTHING = Outlook()
"""Where fees or volatility are not known."""


@dataclass(frozen=True, slots=True)
class ProvidedCurve:
    """What lies in a pool earns as it is expected to (``stays``), what is put in beside it as surely as the policy asks
    (``enters``), less ``entry_cost``: the fraction that swaps take of it on the way in and out."""

    stays: Outlook
    enters: Outlook
    held: float
    entry_cost: float

    @property
    def others(self) -> float:
        """The scale on which its income bends."""
        return self.enters.others

    def income(self, x: float, horizon_seconds: float) -> float:
        """Tokens a year to a whole holding of x."""
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
        """Where fees start to pay gas depends on the horizon (``Outlook.start``)."""
        return (self.held,) if self.held > 0.0 else ()


def outlook(
    venue: Venue, bounds: Bounds, fees: float, sigma: float, *, full: bool, gas: float, tokens: float, once: float = 0.0
) -> Outlook:
    """A range's yield for any value of ours. gas: token1 base units of what ``venue.rerange`` says that do not grow
    with our value; tokens: asset tokens for one base unit of token1; once: as in ``Outlook``.

    Equal to ``yield_of`` at the venue's value, where fees pay gas and but for ``venue.enter``. Bounds that the price
    has left, or a volatility that is not known, yield nothing.
    """
    stay = math.inf if full else bounds.years_inside(sigma)
    if stay <= 0.0 or math.isinf(sigma):
        return NOTHING
    turn = stay + venue.idle_years
    inside = 1.0 if math.isinf(stay) else stay / turn
    swaps = (venue.rerange - gas) / venue.value
    return Outlook(
        fees=fees * inside * tokens,
        others=max(LEAST_OTHERS, venue.liquidity * venue.root * bounds.value * tokens),
        lost=bounds.lost(sigma) * inside + swaps / turn,
        gas=gas * tokens / turn,
        once=once,
    )
