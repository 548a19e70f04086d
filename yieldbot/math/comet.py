"""Compound v3's integer arithmetic: rates by utilisation, indices, present values.

Sources: compound-finance/comet Comet.sol (getUtilization, getSupplyRate, accruedInterestIndices), CometCore.sol,
CometMath.sol. Rates are a second, scaled by 1e18; indices by 1e15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.model.dataclass import dataclass

FACTOR_SCALE = 10**18
BASE_INDEX_SCALE = 10**15


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The rate of suppliers or of borrowers by utilisation. Rates a second and utilisation are scaled by 1e18."""

    kink: int
    """Utilisation at the kink."""
    base: int
    """Rate at utilisation 0."""
    slope_low: int
    """Slope of the rate below the kink."""
    slope_high: int
    """Slope of the rate above the kink."""

    @classmethod
    def of(cls, parts: Sequence[int]) -> RateCurve:
        """The curve from (kink, base, slope low, slope high)."""
        return cls(*parts)

    def rate(self, utilisation: int) -> int:
        """Comet.getSupplyRate and getBorrowRate: a rate a second for a utilisation, both scaled by 1e18."""
        below, above = min(utilisation, self.kink), max(0, utilisation - self.kink)
        return self.base + self.slope_low * below // FACTOR_SCALE + self.slope_high * above // FACTOR_SCALE


@dataclass(frozen=True, slots=True)
class CometTotals:
    """The totals that a Comet stores."""

    supply_index: int
    """Index of supply, scaled by 1e15."""
    borrow_index: int
    """Index of debt, scaled by 1e15."""
    supply_principal: int
    """Supply divided by its index, in base units."""
    borrow_principal: int
    """Debt divided by its index, in base units."""
    updated: int
    """Unix seconds of the last accrual."""

    @property
    def supplied_raw(self) -> int:
        """presentValueSupply of the total: rounded down."""
        return self.supply_principal * self.supply_index // BASE_INDEX_SCALE

    @property
    def borrowed_raw(self) -> int:
        """presentValueBorrow of the total: rounded down."""
        return self.borrow_principal * self.borrow_index // BASE_INDEX_SCALE

    @property
    def utilisation(self) -> int:
        """Comet.getUtilization at the stored indices, scaled by 1e18."""
        return self.borrowed_raw * FACTOR_SCALE // self.supplied_raw if self.supplied_raw else 0

    def accrued(self, supply: RateCurve, borrow: RateCurve, now: int) -> CometTotals:
        """Comet.accruedInterestIndices: both indices grow by the rates of the stored utilisation, simply."""
        elapsed = now - self.updated
        if elapsed <= 0:
            return self
        supply_rate, borrow_rate = supply.rate(self.utilisation), borrow.rate(self.utilisation)
        return replace(
            self,
            supply_index=self.supply_index + self.supply_index * (supply_rate * elapsed) // FACTOR_SCALE,
            borrow_index=self.borrow_index + self.borrow_index * (borrow_rate * elapsed) // FACTOR_SCALE,
            updated=now,
        )
