"""Aave v3's integer arithmetic: rays, indices, and a reserve's supply and debt at a given second.

Sources: aave-v3-origin 3.6, WadRayMath, PercentageMath, MathUtils, TokenMath, ReserveLogic.updateState. Rates are
annual; indices and rates are scaled by 1e27 (ray), percentages by 1e4 (bps).
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

RAY = 10**27


def ray_mul(a: int, b: int) -> int:
    """WadRayMath.rayMul: a * b / RAY, half up."""
    return (a * b + RAY // 2) // RAY


def ray_mul_floor(a: int, b: int) -> int:
    """WadRayMath.rayMulFloor: a * b / RAY, rounded down."""
    return a * b // RAY


def ray_mul_ceil(a: int, b: int) -> int:
    """WadRayMath.rayMulCeil: a * b / RAY, rounded up."""
    return -(-a * b // RAY)


def ray_div_floor(a: int, b: int) -> int:
    """WadRayMath.rayDivFloor: a * RAY / b, rounded down."""
    return a * RAY // b


def percent_mul(value: int, bps: int) -> int:
    """PercentageMath.percentMul: value * bps / 1e4, half up."""
    return (value * bps + BPS // 2) // BPS


def linear_interest(rate_ray: int, seconds: int) -> int:
    """MathUtils.calculateLinearInterest: 1 + rate * t, in rays."""
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR


def compounded_interest(rate_ray: int, seconds: int) -> int:
    """MathUtils.calculateCompoundedInterest: e^(rate * t) by its first four terms (1 + x + x^2/2 + x^3/6), in rays."""
    if seconds == 0:
        return RAY
    x = rate_ray * seconds // SECONDS_PER_YEAR
    return RAY + x + ray_mul(x, x // 2 + ray_mul(x, x // 6))


@dataclass(frozen=True, slots=True)
class ReserveIndices:
    """A reserve as stored by its last transaction."""

    liquidity_index_ray: int
    """Index of supply."""
    borrow_index_ray: int
    """Index of variable debt."""
    liquidity_rate_ray: int
    """Supply rate, annual and simple."""
    borrow_rate_ray: int
    """Borrow rate, annual and compounding."""
    updated: int
    """Time of the last update, in unix seconds."""
    scaled_supply_raw: int
    """Supply divided by its index, in base units."""
    scaled_debt_raw: int
    """Debt divided by its index, in base units."""
    scaled_treasury_raw: int
    """Fees owed to the treasury and not minted yet, divided by the supply index, in base units."""
    reserve_factor_bps: int
    """Part of the interest that goes to the treasury."""

    @property
    def supplied_raw(self) -> int:
        """aToken.totalSupply: rounded down."""
        return ray_mul_floor(self.scaled_supply_raw, self.liquidity_index_ray)

    @property
    def debt_raw(self) -> int:
        """variableDebtToken.totalSupply: rounded up."""
        return ray_mul_ceil(self.scaled_debt_raw, self.borrow_index_ray)

    @property
    def counted_raw(self) -> int:
        """The amount that ValidationLogic.validateSupply compares with the supply cap: supply plus unminted fees."""
        return ray_mul_floor(self.scaled_supply_raw + self.scaled_treasury_raw, self.liquidity_index_ray)

    def accrued(self, now: int) -> ReserveIndices:
        """ReserveLogic.updateState: the reserve as the first transaction at ``now`` finds it."""
        elapsed = now - self.updated
        if elapsed <= 0:
            return self
        liquidity, borrow = self.liquidity_index_ray, self.borrow_index_ray
        if self.liquidity_rate_ray:
            liquidity = ray_mul(linear_interest(self.liquidity_rate_ray, elapsed), liquidity)
        if self.scaled_debt_raw:
            borrow = ray_mul(compounded_interest(self.borrow_rate_ray, elapsed), borrow)
        interest_raw = ray_mul_floor(self.scaled_debt_raw, borrow - self.borrow_index_ray)
        fees_raw = percent_mul(interest_raw, self.reserve_factor_bps)
        return replace(
            self,
            liquidity_index_ray=liquidity,
            borrow_index_ray=borrow,
            updated=now,
            scaled_treasury_raw=self.scaled_treasury_raw + ray_div_floor(fees_raw, liquidity),
        )
