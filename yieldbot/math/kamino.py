"""Kamino Lend's integer arithmetic: a reserve at a given slot, and the value of its collateral tokens.

Source: klend 1.16.0, state/reserve.rs (accrue_interest, compound_interest, approximate_compounded_interest,
CollateralExchangeRate) and utils/borrow_rate_curve.rs. Debt, fees and rates are U68F60: integers with 60 fractional
bits, each product and quotient rounded down.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.slots import SLOTS_PER_YEAR
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS

BITS = 60
ONE = 1 << BITS
END = 1 << 128


@dataclass(frozen=True, slots=True)
class KaminoReserve:
    """A reserve as stored. *_raw: base units; *_sf: base units times 2^60."""

    slot: int
    """Slot of the last refresh."""
    available_raw: int
    """The vault's cash."""
    borrowed_sf: int
    """Debt of all borrowers, with interest up to the last refresh."""
    protocol_fees_sf: int
    """Accrued fees that the protocol may withdraw; they do not belong to suppliers."""
    referrer_fees_sf: int
    """Accrued fees that referrers may withdraw; they do not belong to suppliers."""
    pending_fees_sf: int
    """Accrued fees for referrers that are not assigned to one yet."""
    collateral_raw: int
    """Collateral tokens in circulation."""
    points: tuple[tuple[int, int], ...]
    """(utilisation, borrow rate), both in bps."""
    take_rate_percent: int
    """The protocol's fraction of the interest, in per cent."""
    host_rate_bps: int
    """Rate a year, in bp, that borrowers pay to the host on top of the borrow rate."""

    @property
    def supply_sf(self) -> int:
        """What all suppliers own (ReserveLiquidity::total_supply)."""
        fees = self.protocol_fees_sf + self.referrer_fees_sf + self.pending_fees_sf
        return (self.available_raw << BITS) + self.borrowed_sf - fees

    def utilisation_sf(self) -> int:
        """Borrowed over supply, times 2^60; 0 where there is no supply."""
        return (self.borrowed_sf << BITS) // self.supply_sf if self.supply_sf else 0

    def borrow_rate_sf(self) -> int:
        """Borrow rate for SLOTS_PER_YEAR slots, times 2^60. Within half a bp of utilisation around a point of the
        curve, the point's own rate applies."""
        used = min(self.utilisation_sf(), ONE)
        used_bps = (used * BPS + ONE // 2) >> BITS
        for (low, rate), (high, top) in zip(self.points, self.points[1:], strict=False):
            if low <= used_bps <= high:
                if used_bps == low:
                    return _bps(rate)
                if used_bps == high:
                    return _bps(top)
                return (used - _bps(low)) * (top - rate) // (high - low) + _bps(rate)
        raise ValueError("the borrow rate curve does not reach full utilisation")

    def accrued(self, slot: int, referral_bps: int = 0) -> KaminoReserve:
        """The reserve after a refresh at ``slot`` (Reserve::accrue_interest). Raises OverflowError where the program
        fails."""
        slots = slot - self.slot
        if slots <= 0:
            return self
        host = _bps(self.host_rate_bps)
        debt = self.borrowed_sf * growth_sf(self.borrow_rate_sf() + host, slots) >> BITS
        if debt >= END:
            raise OverflowError("the reserve's interest does not fit into its numbers")
        host_fee = (self.borrowed_sf * growth_sf(host, slots) >> BITS) - self.borrowed_sf
        interest = debt - self.borrowed_sf - host_fee
        take = (self.take_rate_percent << BITS) // 100
        referrers = interest * (take * _bps(referral_bps) >> BITS) >> BITS
        fee = interest * take >> BITS
        return replace(
            self,
            slot=slot,
            borrowed_sf=debt,
            protocol_fees_sf=self.protocol_fees_sf + host_fee + fee - referrers,
            pending_fees_sf=self.pending_fees_sf + referrers,
        )

    def collateral_for(self, liquidity_raw: int) -> int:
        """Collateral tokens that a deposit mints, rounded down; one for one in an empty reserve."""
        if not self.collateral_raw or not self.supply_sf:
            return liquidity_raw
        return (liquidity_raw << BITS) * self.collateral_raw // self.supply_sf

    def liquidity_for(self, collateral_raw: int) -> int:
        """Base units that redeeming collateral pays, rounded down."""
        if not self.collateral_raw or not self.supply_sf:
            return collateral_raw
        return collateral_raw * self.supply_sf // self.collateral_raw >> BITS

    def collateral_within(self, liquidity_raw: int) -> int:
        """The most collateral whose redemption pays at most this amount, exact to a token or two."""
        if not self.collateral_raw or not self.supply_sf:
            return liquidity_raw
        found = (liquidity_raw << BITS) * self.collateral_raw // self.supply_sf
        while found and self.liquidity_for(found) > liquidity_raw:
            found -= 1
        return found

    def taken_for(self, liquidity_raw: int) -> int:
        """Base units that a deposit of this amount really takes: the price of the tokens that it mints, rounded up."""
        collateral = self.collateral_for(liquidity_raw)
        if not self.collateral_raw or not self.supply_sf:
            return collateral
        price_sf = (collateral * self.supply_sf + self.collateral_raw - 1) // self.collateral_raw
        return (price_sf + ONE - 1) >> BITS


def growth_sf(rate_sf: int, slots: int) -> int:
    """Growth factor of debt over ``slots``, times 2^60: the first terms of the binomial series
    (approximate_compounded_interest)."""
    base = rate_sf // SLOTS_PER_YEAR
    if slots <= 4:
        once = ONE + base
        twice = once * once >> BITS
        return (ONE, once, twice, twice * once >> BITS, twice * twice >> BITS)[slots]
    square = base * base >> BITS
    cube = square * base >> BITS
    second = square * slots * (slots - 1) // 2
    third = cube * slots * (slots - 1) * (slots - 2) // 6
    return ONE + base * slots + second + third


def _bps(value: int) -> int:
    return (value << BITS) // BPS
