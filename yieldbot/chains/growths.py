"""Which growth of a token by itself is believed, on every chain."""

from __future__ import annotations

from yieldbot.errors import MarketError

MOST, LEAST = 0.25, -0.5
"""Annual growth outside of this is not believed: no staking pays it, and a loss (a slashing) of more is no rate."""


def believed(growth: float, source: str) -> float:
    """The same annual growth. source: who says it. Raises MarketError if it cannot be true."""
    if not LEAST <= growth <= MOST:
        raise MarketError(f"{source} grew by {growth:z.1%} a year, which is not believed")
    return growth
