"""Aave v3.0's integer arithmetic where it differs from today's v3: rounding, compounding, stable-rate debt.

Sources: aave/core-v3 1.19.3, MathUtils, WadRayMath, ReserveLogic, StableDebtToken (Spark's own copies are the same).
Rates are annual; indices and rates are scaled by 1e27 (ray).
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.aave import RAY, ReserveIndices, linear_interest, percent_mul, ray_mul
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR


def ray_div(a: int, b: int) -> int:
    """WadRayMath.rayDiv: a * RAY / b, half up."""
    return (a * RAY + b // 2) // b


def compounded_interest(rate_ray: int, seconds: int) -> int:
    """MathUtils.calculateCompoundedInterest: the first four terms of (1 + rate / year)^seconds, in rays."""
    if seconds <= 0:
        return RAY
    squared = ray_mul(rate_ray, rate_ray) // SECONDS_PER_YEAR**2
    cubed = ray_mul(squared, rate_ray) // SECONDS_PER_YEAR
    pairs = seconds * (seconds - 1)
    second = pairs * squared // 2
    third = pairs * (seconds - 2 if seconds > 2 else 0) * cubed // 6
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR + second + third


@dataclass(frozen=True, slots=True)
class OldReserveIndices(ReserveIndices):
    """A v3.0 reserve: today's fields, plus debt at stable rates."""

    stable_principal_raw: int
    """Stable-rate debt at ``stable_updated``, in base units."""
    stable_rate_ray: int
    """Average rate of the stable-rate debt, a year, in rays (1e27 = 100 %)."""
    stable_updated: int
    """When the stable-rate debt was last updated, in unix seconds."""

    @property
    def supplied_raw(self) -> int:
        """aToken.totalSupply: half up."""
        return ray_mul(self.scaled_supply_raw, self.liquidity_index_ray)

    @property
    def stable_debt_raw(self) -> int:
        """stableDebtToken.totalSupply at ``updated``."""
        return ray_mul(
            self.stable_principal_raw, compounded_interest(self.stable_rate_ray, self.updated - self.stable_updated)
        )

    @property
    def variable_debt_raw(self) -> int:
        """variableDebtToken.totalSupply: half up."""
        return ray_mul(self.scaled_debt_raw, self.borrow_index_ray)

    @property
    def debt_raw(self) -> int:
        """All debt, of both kinds."""
        return self.variable_debt_raw + self.stable_debt_raw

    @property
    def counted_raw(self) -> int:
        """The amount that ValidationLogic.validateSupply compares with the supply cap: supply plus unminted fees."""
        return ray_mul(self.scaled_supply_raw + self.scaled_treasury_raw, self.liquidity_index_ray)

    def accrued(self, now: int) -> OldReserveIndices:
        """ReserveLogic.updateState: the reserve as the first transaction at ``now`` finds it."""
        elapsed = now - self.updated
        if elapsed <= 0:
            return self
        liquidity, borrow = self.liquidity_index_ray, self.borrow_index_ray
        if self.liquidity_rate_ray:
            liquidity = ray_mul(linear_interest(self.liquidity_rate_ray, elapsed), liquidity)
        if self.scaled_debt_raw:
            borrow = ray_mul(compounded_interest(self.borrow_rate_ray, elapsed), borrow)
        later = replace(self, liquidity_index_ray=liquidity, borrow_index_ray=borrow, updated=now)
        fees_raw = percent_mul(later.debt_raw - self.debt_raw, self.reserve_factor_bps)
        return replace(later, scaled_treasury_raw=self.scaled_treasury_raw + ray_div(fees_raw, liquidity))
