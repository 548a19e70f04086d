"""A double of a swap venue: it loses a fixed number of basis points, whatever the amount."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS


@dataclass(frozen=True, slots=True)
class FlatVenue:
    """One direction of a pool that loses ``bps`` of the amount in; the tokens of both sides have the same decimals and
    price."""

    bps: float
    """Basis points lost of the amount in."""
    most_raw: int = 2**100
    """Largest amount that it takes."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        """(amount out, units lost to rounding). Raises ValueError for more than it takes."""
        if not 0 <= taken <= self.most_raw:
            raise ValueError("more than the pool takes")
        return taken * round((BPS - self.bps) * 1000) // (BPS * 1000), 1

    def off(self, taken: int) -> int:
        """See ``Venue.off``."""
        return 1

    def quote_exact_out(self, given: int) -> int:
        """Amount in for exactly ``given`` out."""
        return -(-given * BPS * 1000 // round((BPS - self.bps) * 1000))

    def amount_until_price(self, price: float) -> int:
        """All or nothing, because its price does not move."""
        return self.most_raw if price < 1.0 - self.bps / BPS else 0
