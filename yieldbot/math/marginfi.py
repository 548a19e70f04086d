"""marginfi's integer arithmetic: a bank at a given second, and the value of its shares.

Source: marginfi-v2 0.1.7, state/bank.rs (accrue_interest) and state/interest_rate.rs. Amounts, share values and rates
are I80F48: integers with 48 fractional bits, each product and quotient rounded down (none here is negative).
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

BITS = 48
ONE = 1 << BITS
END = 1 << 127
U32_MAX = (1 << 32) - 1
MOST_RATE = 10
"""The annual rate that a stored value of U32_MAX stands for: 10 is 1,000 %."""
LEGACY, SEVEN_POINT = 0, 1

Points = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class MarginfiBank:
    """A bank as stored. *_fx: I80F48."""

    last_update: int
    """Time of the last accrual, in unix seconds."""
    asset_shares_fx: int
    """Supply shares of all suppliers."""
    asset_value_fx: int
    """Base units for one supply share."""
    liability_shares_fx: int
    """Debt shares of all borrowers."""
    liability_value_fx: int
    """Base units for one debt share."""
    points: Points
    """(utilisation, base rate) from 0 to full utilisation."""
    legacy: bool
    """Whether the bank's rate curve is of the older kind, with one kink, and not of the seven-point kind."""
    rate_fees_fx: int
    """Fee on top of the base rate, as a fraction of it, that borrowers pay and suppliers do not get."""
    fixed_fees_fx: int
    """Fixed annual fee on top of the base rate that borrowers pay and suppliers do not get."""

    @property
    def assets_fx(self) -> int:
        """What all suppliers own, in base units."""
        return mul_fx(self.asset_shares_fx, self.asset_value_fx)

    @property
    def liabilities_fx(self) -> int:
        """What all borrowers owe, in base units."""
        return mul_fx(self.liability_shares_fx, self.liability_value_fx)

    def base_rate_fx(self, used_fx: int) -> int:
        """Annual base rate at a utilisation. Raises OverflowError where the program fails."""
        if self.legacy:
            return self._legacy_rate_fx(used_fx)
        used = min(used_fx, ONE)
        low, start = self.points[0]
        for high, end in self.points[1:]:
            if used <= high:
                break
            low, start = high, end
        if high <= low:
            return start
        if end < start:
            raise OverflowError("the bank's curve falls")
        return start + mul_fx(end - start, div_fx(used - low, high - low))

    def _legacy_rate_fx(self, used_fx: int) -> int:
        (_, _), (optimal, plateau), (_, most) = self.points
        if used_fx <= optimal:
            return mul_fx(div_fx(used_fx, optimal), plateau)
        return mul_fx(div_fx(used_fx - optimal, ONE - optimal), most - plateau) + plateau

    def accrued(self, now: int) -> MarginfiBank:
        """The bank after an accrual at ``now`` (unix seconds). Raises OverflowError where the program fails."""
        seconds = now - self.last_update
        if seconds <= 0:
            return self
        assets, liabilities = self.assets_fx, self.liabilities_fx
        if not assets or not liabilities:
            return replace(self, last_update=now)
        used = div_fx(liabilities, assets)
        base = self.base_rate_fx(used)
        lending = mul_fx(base, used)
        borrowing = mul_fx(base, ONE + self.rate_fees_fx) + self.fixed_fees_fx
        return replace(
            self,
            last_update=now,
            asset_value_fx=_grown(self.asset_value_fx, lending, seconds),
            liability_value_fx=_grown(self.liability_value_fx, borrowing, seconds),
        )

    def shares_fx_for(self, amount_raw: int) -> int:
        """Supply shares that a deposit of this amount buys, or that withdrawing it costs."""
        return div_fx(amount_raw << BITS, self.asset_value_fx) if self.asset_value_fx else 0

    def amount_raw_for(self, shares_fx: int) -> int:
        """Base units that withdrawing exactly these shares pays, rounded down."""
        return mul_fx(shares_fx, self.asset_value_fx) >> BITS


def mul_fx(a: int, b: int) -> int:
    """An I80F48 product. Raises OverflowError where checked_mul returns None."""
    return _fits(a * b >> BITS)


def div_fx(a: int, b: int) -> int:
    """An I80F48 quotient. Raises OverflowError where checked_div returns None."""
    if not b:
        raise OverflowError("a division by nothing")
    return _fits((a << BITS) // b)


def util_fx(stored: int) -> int:
    """A stored utilisation as I80F48: U32_MAX is 100 %."""
    return div_fx(stored << BITS, U32_MAX << BITS)


def rate_fx(stored: int) -> int:
    """A stored rate as I80F48: U32_MAX is 1,000 % a year."""
    return util_fx(stored) * MOST_RATE


def _grown(value_fx: int, rate: int, seconds: int) -> int:
    return mul_fx(value_fx, ONE + _fits(rate * seconds) // SECONDS_PER_YEAR)


def _fits(value: int) -> int:
    if value >= END:
        raise OverflowError("a number of the bank does not fit")
    return value
