"""Rewards that vest over a fixed time: what is vested at a second, and the yield of those who share it.

Source: Ethena's StakedUSDe.sol (getUnvestedAmount, totalAssets) over OpenZeppelin's ERC4626 4.9 (_convertToAssets with
no offset of decimals).
"""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

USUAL_SECONDS = 8 * 3600
"""StakedUSDe.VESTING_PERIOD."""


@dataclass(frozen=True, slots=True)
class Vesting:
    """The rewards that were paid in last."""

    amount_raw: int
    """Base units of the asset."""
    paid_at: int
    """Unix seconds at which they were paid in."""
    seconds: int = USUAL_SECONDS
    """How long they vest."""

    def seconds_left(self, now: int) -> int:
        """Seconds from ``now`` (unix seconds) until all of it has vested."""
        return max(0, self.paid_at + self.seconds - now) if self.amount_raw else 0

    def unvested_raw(self, now: int) -> int:
        """Base units that have not vested at ``now`` (unix seconds), rounded down."""
        since = now - self.paid_at
        return 0 if since >= self.seconds else (self.seconds - since) * self.amount_raw // self.seconds

    @property
    def raw_per_year(self) -> float:
        """Base units a year while it vests."""
        return self.amount_raw * SECONDS_PER_YEAR / self.seconds


def share_worth_raw(shares: int, total_raw: int, supply: int) -> int:
    """Base units of the asset for so many shares, rounded down, with one virtual share and one virtual unit."""
    return shares * (total_raw + 1) // (supply + 1)


@dataclass(frozen=True, slots=True)
class VestingCurve:
    """A fixed income until what was paid in has vested, then another one; both are shared pro rata."""

    others: float
    """What everybody else has in it, in whole tokens."""
    income_per_year: float
    """Whole tokens a year to all holders while the rewards vest."""
    seconds_left: float
    """Until they have vested."""
    later_per_year: float
    """Whole tokens a year to all holders that are expected afterwards; 0: nothing is."""

    def income(self, horizon_seconds: float) -> float:
        """Mean whole tokens a year over the horizon."""
        if horizon_seconds <= self.seconds_left or horizon_seconds <= 0.0:
            return self.income_per_year
        part = self.seconds_left / horizon_seconds
        return self.income_per_year * part + self.later_per_year * (1.0 - part)

    def apr(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        return self.income(horizon_seconds) / supplied if supplied > 0.0 else 0.0

    def marginal(self, x: float, horizon_seconds: float) -> float:
        supplied = self.others + x
        return self.income(horizon_seconds) * self.others / supplied**2 if supplied > 0.0 else 0.0

    def breakpoints(self) -> tuple[float, ...]:
        return ()
