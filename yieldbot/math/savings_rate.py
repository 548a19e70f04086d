"""Savings tokens that pay a stated rate by the second: the accumulator's integers, and the yield as a curve.

Sources: makerdao/sdai SavingsDai.sol (_rpow, convertToAssets), sky-ecosystem/stusds SUsds.sol, dss pot.sol (drip),
sparkdotfi/spark-vaults-v2 SparkVault.sol (nowChi), xchain-ssr-oracle SSROracleBase.sol (getConversionRate).
"""

from __future__ import annotations

import math

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR, WAD

RAY = 10**27
MOST_RATE_RAY = RAY + RAY // 10**7
"""A rate above this (a factor of 23 a year) is no savings rate: Spark's own limit is 100 % a year."""
LONGEST_SECONDS = 5 * 366 * 86_400
"""An accumulator that nobody has brought up to date for so long is not believed."""


def power_ray(base: int, exponent: int) -> int:
    """``base`` to the power of ``exponent`` (both products and result scaled by 1e27) by squaring, each product rounded
    to the nearest, as the contracts' ``_rpow``."""
    found = base if exponent % 2 else RAY
    exponent //= 2
    while exponent:
        base = (base * base + RAY // 2) // RAY
        if exponent % 2:
            found = (found * base + RAY // 2) // RAY
        exponent //= 2
    return found


@dataclass(frozen=True, slots=True)
class StatedRate:
    """A rate, and the accumulator at the time at which it was last brought up to date."""

    rate_ray: int
    """Growth in a second, scaled by 1e27: ssr, dsr, vsr."""
    chi_ray: int
    """Assets for one share then, scaled by 1e27."""
    rho: int
    """Unix seconds of that time."""

    def fault(self, now: int) -> str | None:
        """Why these are no numbers of a savings rate at ``now`` (unix seconds); None if they can be."""
        if not RAY <= self.rate_ray <= MOST_RATE_RAY or not RAY <= self.chi_ray < RAY * 10**6:
            return f"rate {self.rate_ray} and accumulator {self.chi_ray} are no savings rate's"
        if not 0 <= now - self.rho <= LONGEST_SECONDS:
            return f"its accumulator is of the time {self.rho}, the block of {now}"
        return None

    def chi_at(self, now: int) -> int:
        """Assets for one share at ``now`` (unix seconds), scaled by 1e27."""
        if now <= self.rho:
            return self.chi_ray
        return power_ray(self.rate_ray, now - self.rho) * self.chi_ray // RAY

    @property
    def apr(self) -> float:
        """Simple annual fraction without compounding."""
        return (self.rate_ray - RAY) * SECONDS_PER_YEAR / RAY


@dataclass(frozen=True, slots=True)
class PsmFees:
    """Fees of a PSM, as fractions scaled by 1e18 (dss-lite-psm DssLitePsm.sol; UsdcVault.sol)."""

    tin: int = 0
    """On what is sold to it (our entry)."""
    tout: int = 0
    """On what is bought from it (our exit)."""

    @property
    def round_trip(self) -> float:
        """What entry and exit cost together, as a fraction."""
        return 1.0 - (1.0 - self.tin / WAD) / (1.0 + self.tout / WAD)

    def bought_raw(self, dollars: int, one: int) -> int:
        """Base units of the gem (``one``: of a whole one) for so many base units of 18 decimals."""
        return dollars * one // (WAD + self.tout)

    def sold_raw(self, dollars: int, one: int) -> int:
        """Base units of the gem that bring at most so many base units of 18 decimals; 0 where nothing can be sold."""
        return 0 if self.tin >= WAD else dollars * one // (WAD - self.tin)


@dataclass(frozen=True, slots=True)
class StatedCurve:
    """A stated rate that compounds by the second and does not depend on what anybody holds. Fees of entry and exit are
    charged once over the horizon, on what is added to ``held``."""

    rate: float
    """Simple annual fraction, before compounding."""
    held: float = 0.0
    """What we hold now, in whole tokens."""
    entry_cost: float = 0.0
    """Fees on what is added, as a fraction of it."""

    def apr(self, x: float, horizon_seconds: float) -> float:
        lost = self.entry_cost * (1.0 - self.held / x) if x > self.held else 0.0
        return self._left(lost, horizon_seconds)

    def marginal(self, x: float, horizon_seconds: float) -> float:
        return self._left(self.entry_cost if x >= self.held else 0.0, horizon_seconds)

    def breakpoints(self) -> tuple[float, ...]:
        return (self.held,) if self.entry_cost and self.held > 0.0 else ()

    def _left(self, lost: float, horizon_seconds: float) -> float:
        """The rate, where so large a part of the money is lost at once."""
        if horizon_seconds <= 0.0:
            return self.rate
        grown = math.expm1(horizon_seconds * math.log1p(self.rate / SECONDS_PER_YEAR))
        return ((1.0 - lost) * grown - lost) * SECONDS_PER_YEAR / horizon_seconds
