"""Shared by adapters of liquidity: which earlier blocks are read, and the windows between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yieldbot.errors import MarketError
from yieldbot.model.known import MULTICALL3
from yieldbot.model.liquidity import PoolPosition
from yieldbot.model.reads import EthCall

Owned = tuple[list[PoolPosition], tuple[int, ...]]
"""Our positions in pools that are read, and numbers of those in other pools."""
LAGS = 12
"""Number of windows into which the lookback is divided: their spread gives the interval of the fees."""
GET_CURRENT_BLOCK_TIMESTAMP = bytes.fromhex("0f28c97d")


class EmptyPool(MarketError):
    """A pool without liquidity or a price: nobody can have anything in it."""


def lags(lookback_blocks: int) -> tuple[int, ...]:
    """Numbers of blocks back, the newest first; empty for a lookback of 0."""
    return tuple(dict.fromkeys(lookback_blocks * i // LAGS for i in range(LAGS + 1))) if lookback_blocks else ()


def clock(lag_blocks: int = 0) -> EthCall:
    """The read of a past block's time, from Multicall3."""
    return EthCall(MULTICALL3, GET_CURRENT_BLOCK_TIMESTAMP, optional=lag_blocks > 0, lag_blocks=lag_blocks)


def windows(
    times: Sequence[bytes], there: Callable[[int], bool], grown: Callable[[int, int], float]
) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """(growth in each window, its seconds, whether all readings were there).

    there: whether a reading exists; grown: growth from the second of two readings to the first. Readings within one
    second belong to one window.
    """
    found: list[float] = []
    lengths: list[float] = []
    late = 0
    for early in range(1, len(times)):
        if not (times[late] and times[early] and there(late) and there(early)):
            return tuple(found), tuple(lengths), False
        seconds = int.from_bytes(times[late][:32], "big") - int.from_bytes(times[early][:32], "big")
        if seconds <= 0:
            continue
        found.append(grown(late, early))
        lengths.append(float(seconds))
        late = early
    return tuple(found), tuple(lengths), True
