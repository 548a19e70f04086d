"""Bounds on numbers from outside, checked before they are used in any computation. Pure.

A node, a feed or a contract may answer anything: ``10 ** decimals`` with 2^30 decimals runs for minutes, with 300 gas
costs seem to be nothing, and a time in the year 30,000 is never stale. No number of a real chain exceeds these bounds.
"""

from __future__ import annotations

import math

MOST_DECIMALS = 36
"""Real tokens have 0 to 27; feeds 8 to 18, oracles of Morpho up to 36."""
LEAST_PRICE, MOST_PRICE = 1e-12, 1e12
"""Bounds of a price, in US dollars for one whole token."""
LATEST_TIME = 2**40
"""Unix seconds, some 30,000 years from now."""
FUTURE_SECONDS = 3600
"""How far a feed's clock may be ahead of the chain's."""
MOST_HEIGHT = 2**63
"""Bound of a block number or slot."""
MOST_NONCE = 2**53
"""EIP-2681 allows 2^64 - 2; no account comes near, and JSON readers lose precision from here on."""
MOST_FEE_WEI = 10**18
"""Wei for one gas: a whole coin."""


def decimals(value: int) -> int:
    """The number, if a token or feed can have so many decimals. Raises ValueError."""
    if not 0 <= value <= MOST_DECIMALS:
        raise ValueError(f"{shown(value)} decimals cannot be (0 to {MOST_DECIMALS})")
    return value


def price(usd: float) -> float:
    """The price in US dollars, if it is possible. Raises ValueError."""
    if not (math.isfinite(usd) and LEAST_PRICE <= usd <= MOST_PRICE):
        raise ValueError(f"a price of {usd:.3g} US dollars cannot be")
    return usd


def feed_time(seconds: int, now: int | None = None) -> int:
    """A feed's time stamp in unix seconds, if it is possible. now: the chain's own time, if known. Raises
    ValueError."""
    if not 0 < seconds < LATEST_TIME:
        raise ValueError(f"it was written at {shown(seconds)}, which is no time")
    if now is not None and seconds > now + FUTURE_SECONDS:
        raise ValueError(f"it was written {seconds - now:,} s after the chain's own time")
    return seconds


def within(value: int, most: int, what: str) -> int:
    """The number, if 0 <= it < ``most``; ``what`` names it in the message. Raises ValueError."""
    if not 0 <= value < most:
        raise ValueError(f"{what} of {shown(value)} cannot be")
    return value


def shown(number: int) -> str:
    """A number of any length, shortened for a message."""
    return str(number) if abs(number) < 10**20 else f"about 2^{abs(number).bit_length() - 1}"
