"""Compound v2's integer arithmetic: jump rates, interest, exchange rates, and the rounding of mint and redeem.

Sources: compound-finance/compound-protocol and moonwell-fi/moonwell-contracts-v2, CToken.sol (MToken.sol:
accrueInterest, exchangeRateStoredInternal, mintFresh, redeemFresh) and JumpRateModel.sol. Rates are for one period of
the market's own clock (a second on Moonwell, a block on Compound v2 and Venus). Rates, utilisation and factors are
scaled by 1e18.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from yieldbot.model.dataclass import dataclass

MANTISSA = 10**18


@dataclass(frozen=True, slots=True)
class JumpRate:
    """A JumpRateModel: the borrow rate by utilisation."""

    base: int
    """Rate at utilisation 0, scaled by 1e18, a block or a second as the market accrues."""
    multiplier: int
    """Slope of the rate up to the kink, in the unit of ``base``."""
    jump: int
    """Slope of the rate beyond the kink, in the unit of ``base``."""
    kink: int
    """Utilisation at the kink, scaled by 1e18."""

    def borrow(self, utilisation: int) -> int:
        """JumpRateModel.getBorrowRate: the borrow rate at a utilisation, both scaled by 1e18."""
        if utilisation <= self.kink:
            return utilisation * self.multiplier // MANTISSA + self.base
        normal = self.kink * self.multiplier // MANTISSA + self.base
        return (utilisation - self.kink) * self.jump // MANTISSA + normal

    def supply(self, utilisation: int, reserve_factor: int) -> int:
        """JumpRateModel.getSupplyRate: utilisation * borrow rate * (1 - reserve_factor), all scaled by 1e18."""
        to_pool = self.borrow(utilisation) * (MANTISSA - reserve_factor) // MANTISSA
        return utilisation * to_pool // MANTISSA


@dataclass(frozen=True, slots=True)
class SampledRate:
    """A rate model that does not state its terms, by its answers."""

    points: tuple[tuple[int, int], ...]
    """(utilisation, borrow rate) where it was asked, both scaled by 1e18, from 0 to 1."""
    used: int
    """The market's utilisation as it is stored, at most 1, scaled by 1e18."""
    now: int
    """Its borrow rate there, scaled by 1e18."""

    @property
    def kink(self) -> int:
        """The utilisation beyond which its rate rises most steeply, scaled by 1e18."""
        rises = [((rate - before) / (at - start), start) for (start, before), (at, rate) in pairwise(self.points)]
        steepest = max(rise for rise, _ in rises)
        return next(start for rise, start in rises if rise >= steepest * (1.0 - 1e-6))

    def borrow(self, utilisation: int) -> int:
        """The borrow rate at a utilisation: as it was asked, else on the line between two answers."""
        at = min(utilisation, MANTISSA)
        if at == self.used:
            return self.now
        for (start, before), (end, rate) in pairwise(self.points):
            if at <= end:
                return before + (rate - before) * (at - start) // (end - start)
        return self.points[-1][1]

    def supply(self, utilisation: int, reserve_factor: int) -> int:
        """As ``JumpRate.supply``; the utilisation counts for at most 1."""
        to_pool = self.borrow(utilisation) * (MANTISSA - reserve_factor) // MANTISSA
        return min(utilisation, MANTISSA) * to_pool // MANTISSA


RateModel = JumpRate | SampledRate
"""How a market's borrow rate follows from its utilisation."""


@dataclass(frozen=True, slots=True)
class CTokenTotals:
    """The totals that a cToken stores, in base units of its asset."""

    cash_raw: int
    """The cToken's balance of the asset, which can be withdrawn."""
    borrows_raw: int
    """Debt of all borrowers, with interest up to the last accrual."""
    reserves_raw: int
    """The part of cash and debts that belongs to the protocol."""
    shares: int
    """cTokens in circulation, in their base units."""
    reserve_factor: int
    """The protocol's fraction of the interest, scaled by 1e18."""
    updated: int
    """The market's clock (unix seconds, or a block's number) at the last accrual."""
    bad_debt_raw: int = 0
    """Debt that nobody will pay, which Venus's isolated pools count as if it were there."""
    isolated: bool = False
    """Whether it is a market of Venus's isolated pools, whose utilisation is at most 1."""

    @property
    def supplied_raw(self) -> int:
        """What all suppliers own: cash and debts, bad ones too, less the reserves. Raises ArithmeticError if reserves
        exceed them, where the contract reverts."""
        if self.reserves_raw > self.cash_raw + self.borrows_raw + self.bad_debt_raw:
            raise ArithmeticError("its reserves are more than its cash and debts")
        return self.cash_raw + self.borrows_raw + self.bad_debt_raw - self.reserves_raw

    @property
    def utilisation(self) -> int:
        """JumpRateModel.utilizationRate (of isolated pools JumpRateModelV2's, at most 1). Raises ZeroDivisionError
        where the contract reverts."""
        lent_raw = self.borrows_raw + self.bad_debt_raw
        if not lent_raw:
            return 0
        used = lent_raw * MANTISSA // self.supplied_raw
        return min(used, MANTISSA) if self.isolated else used

    def exchange_rate(self, first: int) -> int:
        """CToken.exchangeRateStored: base units of the asset for one base unit of the cToken, scaled by 1e18; ``first``
        if no cToken exists."""
        return self.supplied_raw * MANTISSA // self.shares if self.shares else first

    def supply_rate(self, model: RateModel) -> int:
        """The market's supplyRatePerBlock or PerTimestamp, scaled by 1e18: bad debt pays no interest."""
        if not self.isolated:
            return model.supply(self.utilisation, self.reserve_factor)
        to_pool = model.borrow(self.utilisation) * (MANTISSA - self.reserve_factor) // MANTISSA
        return self.borrows_raw * to_pool // self.supplied_raw if self.supplied_raw else 0

    def accrued(self, model: RateModel, now: int) -> CTokenTotals:
        """CToken.accrueInterest: simple interest at the rate of the stored amounts."""
        elapsed = now - self.updated
        if elapsed <= 0:
            return self
        interest = model.borrow(self.utilisation) * elapsed * self.borrows_raw // MANTISSA
        return replace(
            self,
            borrows_raw=self.borrows_raw + interest,
            reserves_raw=self.reserves_raw + self.reserve_factor * interest // MANTISSA,
            updated=now,
        )


def shares_of(amount_raw: int, exchange_rate: int) -> int:
    """cTokens that a deposit of ``amount_raw`` mints, and that redeemUnderlying of this amount burns: rounded down."""
    return amount_raw * MANTISSA // exchange_rate


def redeem_value_raw(shares: int, exchange_rate: int) -> int:
    """Base units that redeeming ``shares`` pays: rounded down."""
    return shares * exchange_rate // MANTISSA


def share_value_raw(exchange_rate: int) -> int:
    """Value of one base unit of a cToken in base units of the asset, rounded up: the most that one rounding can take
    off."""
    return -(-exchange_rate // MANTISSA)
