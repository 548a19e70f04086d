"""What a number from outside may be at most, before anything is computed with it. Pure.

A node, a feed or a contract may answer anything: 2^30 decimals make ``10 ** decimals`` spin for minutes, 300 make gas
cost nothing, a time of the year 30,000 is never too old. What lies beyond these bounds is no number of a real chain.
"""

from __future__ import annotations

import math

MOST_DECIMALS = 36
"""Real tokens have 0 to 27; feeds 8 to 18, oracles of Morpho up to 36."""
LEAST_PRICE, MOST_PRICE = 1e-12, 1e12
"""US dollars for one whole token."""
LATEST_TIME = 2**40
"""Unix seconds, some 30,000 years on."""
FUTURE_SECONDS = 3600
"""How far a feed's clock may be ahead of the chain's."""
MOST_HEIGHT = 2**63
"""Of a block or a slot."""
MOST_NONCE = 2**53
"""EIP-2681 has 2^64 - 2; no account comes near to either, and JSON's readers lose whole numbers from here on."""
MOST_FEE_WEI = 10**18
"""Wei for one gas: a whole coin."""


def decimals(said: int) -> int:
    """Decimals that can be. Raises ValueError."""
    if not 0 <= said <= MOST_DECIMALS:
        raise ValueError(f"{shown(said)} decimals cannot be (0 to {MOST_DECIMALS})")
    return said


def price(usd: float) -> float:
    """A price that can be. Raises ValueError."""
    if not (math.isfinite(usd) and LEAST_PRICE <= usd <= MOST_PRICE):
        raise ValueError(f"a price of {usd:.3g} US dollars cannot be")
    return usd


def told_at(seconds: int, now: int | None = None) -> int:
    """When a feed says that it was written. ``now``: the chain's own time, where it is known. Raises ValueError."""
    if not 0 < seconds < LATEST_TIME:
        raise ValueError(f"it was written at {shown(seconds)}, which is no time")
    if now is not None and seconds > now + FUTURE_SECONDS:
        raise ValueError(f"it was written {seconds - now:,} s after the chain's own time")
    return seconds


def within(said: int, most: int, what: str) -> int:
    """A number of 0 to below ``most``. Raises ValueError."""
    if not 0 <= said < most:
        raise ValueError(f"{what} of {shown(said)} cannot be")
    return said


def shown(number: int) -> str:
    """A number that may have any length, in a message."""
    return str(number) if abs(number) < 10**20 else f"about 2^{abs(number).bit_length() - 1}"
