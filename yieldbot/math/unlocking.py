"""Yield curve of a vault that releases reported profits evenly over days (Yearn v3)."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR


@dataclass(frozen=True, slots=True)
class UnlockingCurve:
    """Profits that are already reported and still locked, then an assumed income; both are shared pro rata, so that a
    deposit of ours dilutes them.

    Locked profits are shares that the vault burns evenly: at the present price they are worth ``locked``, and what
    remains is worth more for it. Source: yearn-vaults-v3, VaultV3.vy (_unlocked_shares, _total_supply).
    """

    others: float
    """What everybody else has supplied, in whole tokens."""
    locked: float
    """Locked profits at the present price, in whole tokens."""
    seconds_left: float
    """Seconds until all of it is released."""
    income_per_year: float
    """Whole tokens a year that are assumed to be released from then on."""

    def released(self, horizon_seconds: float) -> float:
        """What is released within a horizon, at the present price, in whole tokens."""
        if horizon_seconds < self.seconds_left:
            return self.locked * horizon_seconds / self.seconds_left
        later = horizon_seconds - self.seconds_left
        return self.locked + self.income_per_year * later / SECONDS_PER_YEAR

    def apr(self, x: float, horizon_seconds: float) -> float:
        released = self.released(horizon_seconds)
        rest = self.others + x - released
        return released / rest * SECONDS_PER_YEAR / horizon_seconds if rest > 0.0 else 0.0

    def marginal(self, x: float, horizon_seconds: float) -> float:
        released = self.released(horizon_seconds)
        rest = self.others + x - released
        if rest <= 0.0:
            return 0.0
        return released * (self.others - released) / rest**2 * SECONDS_PER_YEAR / horizon_seconds

    def breakpoints(self) -> tuple[float, ...]:
        return ()
