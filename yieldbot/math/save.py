"""Save's (Solend's) integer arithmetic: a reserve at a given slot, and the value of its collateral tokens.

Source: spl-token-lending as extended by Solend: state/reserve.rs (current_borrow_rate, compound_interest,
collateral_exchange_rate) and math/{decimal,rate}.rs. Debt, fees and all rates are scaled by 1e18 (wad) and rounded down
at every step.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.slots import SLOTS_PER_YEAR
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import WAD

PERCENT = WAD // 100
RATE_END = 1 << 128


@dataclass(frozen=True, slots=True)
class SaveReserve:
    """A reserve as stored. *_raw: base units; *_wads: base units times 1e18; rates and utilisations in whole
    percent."""

    slot: int
    """Slot of the last refresh."""
    available_raw: int
    """The vault's cash."""
    borrowed_wads: int
    """Debt of all borrowers, with interest up to the last refresh."""
    fees_wads: int
    """Accrued fees that the protocol may withdraw; they do not belong to suppliers."""
    collateral_raw: int
    """Collateral tokens in circulation."""
    optimal_utilisation: int
    """Utilisation at the first kink."""
    max_utilisation: int
    """Utilisation at the second kink."""
    min_rate: int
    """Borrow rate at utilisation 0."""
    optimal_rate: int
    """Borrow rate at the first kink."""
    max_rate: int
    """Borrow rate at the second kink."""
    super_max_rate: int
    """Borrow rate at full utilisation."""
    take_rate: int
    """The protocol's fraction of the interest, in whole percent."""

    @property
    def supply_wads(self) -> int:
        """What all suppliers own (ReserveLiquidity::total_supply)."""
        return self.available_raw * WAD + self.borrowed_wads - self.fees_wads

    def utilisation_wad(self) -> int:
        """borrowed / (borrowed + available) (utilization_rate), times 1e18: fees not yet collected do not raise it."""
        if not self.supply_wads or not self.borrowed_wads:
            return 0
        return self.borrowed_wads * WAD // (self.borrowed_wads + self.available_raw * WAD)

    def borrow_rate_wad(self) -> int:
        """Rate for SLOTS_PER_YEAR slots, times 1e18, by three segments (Reserve::current_borrow_rate)."""
        u, optimal, top = self.utilisation_wad(), self.optimal_utilisation * PERCENT, self.max_utilisation * PERCENT
        if u <= optimal:
            if not optimal:
                return self.min_rate * PERCENT
            weight, low, high = u * WAD // optimal, self.min_rate, self.optimal_rate
        elif u <= top:
            weight, low, high = (u - optimal) * WAD // (top - optimal), self.optimal_rate, self.max_rate
        else:
            weight, low, high = (u - top) * WAD // (WAD - top), self.max_rate, self.super_max_rate
        return weight * ((high - low) * PERCENT) // WAD + low * PERCENT

    def accrued(self, slot: int) -> SaveReserve:
        """The reserve after a refresh at ``slot`` (Reserve::accrue_interest)."""
        slots = slot - self.slot
        if slots <= 0:
            return self
        compounded = pow_wad(WAD + self.borrow_rate_wad() // SLOTS_PER_YEAR, slots)
        new_debt = self.borrowed_wads * compounded // WAD - self.borrowed_wads
        fees = new_debt * (self.take_rate * PERCENT) // WAD
        return replace(self, slot=slot, borrowed_wads=self.borrowed_wads + new_debt, fees_wads=self.fees_wads + fees)

    def exchange_rate_wad(self) -> int:
        """Collateral tokens for one unit of liquidity, times 1e18; 1 for an empty reserve (INITIAL_COLLATERAL_RATE)."""
        if not self.collateral_raw or not self.supply_wads:
            return WAD
        return self.collateral_raw * WAD * WAD // self.supply_wads

    def collateral_for(self, liquidity_raw: int) -> int:
        """Collateral tokens that a deposit mints, rounded down."""
        return liquidity_raw * WAD * self.exchange_rate_wad() // WAD // WAD

    def liquidity_for(self, collateral_raw: int) -> int:
        """Base units that redeeming collateral pays, rounded down."""
        return collateral_raw * WAD * WAD // self.exchange_rate_wad() // WAD

    def collateral_within(self, liquidity_raw: int) -> int:
        """The most collateral whose redemption pays at most this amount, exact to a token or two."""
        found = liquidity_raw * self.exchange_rate_wad() // WAD
        while found and self.liquidity_for(found) > liquidity_raw:
            found -= 1
        return found

    def collateral_needed(self, liquidity_raw: int) -> int:
        """The least collateral whose redemption pays at least this amount."""
        rate = self.exchange_rate_wad()
        found = -(-liquidity_raw * rate // WAD)
        while self.liquidity_for(found) < liquidity_raw:
            found += 1
        return found


def pow_wad(base_wad: int, exponent: int) -> int:
    """Rate::try_pow: by squaring, rounded down at each product. Raises OverflowError where 128 bits do not hold it."""
    result = base_wad if exponent % 2 else WAD
    while exponent := exponent // 2:
        base_wad = base_wad * base_wad // WAD
        if base_wad >= RATE_END:
            raise OverflowError("the reserve's interest does not fit into its numbers")
        if exponent % 2:
            result = result * base_wad // WAD
    return result
