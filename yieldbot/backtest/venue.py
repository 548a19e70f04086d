"""A labelled stand-in for a market of swaps: so many basis points lost, whatever the amount."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.units import BPS


@dataclass(frozen=True, slots=True)
class FlatVenue:
    """One direction of a pool that loses ``bps`` of what goes in; tokens of both sides have the same decimals and
    price."""

    bps: float
    """Basis points lost of what goes in."""
    most_raw: int = 2**100
    """More than this it does not take."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        """(what comes out, roundings). Raises ValueError for more than it takes."""
        if not 0 <= taken <= self.most_raw:
            raise ValueError("more than the pool takes")
        return taken * round((BPS - self.bps) * 1000) // (BPS * 1000), 1

    def off(self, taken: int) -> int:
        """See ``Venue.off``."""
        return 1

    def quote_exact_out(self, given: int) -> int:
        """What must go in for ``given``."""
        return -(-given * BPS * 1000 // round((BPS - self.bps) * 1000))

    def amount_until_price(self, price: float) -> int:
        """All or nothing: its price does not move."""
        return self.most_raw if price < 1.0 - self.bps / BPS else 0
