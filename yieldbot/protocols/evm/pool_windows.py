"""What adapters of liquidity share: earlier blocks that are looked at, and windows between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yieldbot.errors import MarketError
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import MULTICALL3
from yieldbot.model.liquidity import PoolPosition
from yieldbot.model.reads import EthCall

Owned = tuple[list[PoolPosition], tuple[int, ...]]
"""Positions of ours, and the numbers of those in pools that were not looked at."""
LAGS = 12
"""Windows into which the lookback is cut: their spread is what the fees' interval comes from."""
GET_CURRENT_BLOCK_TIMESTAMP = bytes.fromhex("0f28c97d")


class Empty(MarketError):
    """A pool without liquidity or a price: nobody can have anything in it."""


def by_plans(table: Deployment) -> bool:
    """Whether plans may provide liquidity at an exchange: Uniswap v3 with its position manager and a router. (A pair of
    v2 charges as much for the swap on the way in as a base's ``max_impact_bps`` allows by default.)"""
    params = table.params
    router = params.get("router") or params.get("router02")
    return table.protocol == "uniswap_v3" and bool(params.get("manager") and router)


def lags(lookback_blocks: int) -> tuple[int, ...]:
    """Blocks back, the newest first; none for a lookback of 0."""
    return tuple(dict.fromkeys(lookback_blocks * i // LAGS for i in range(LAGS + 1))) if lookback_blocks else ()


def clock(lag_blocks: int = 0) -> EthCall:
    """The time of a block, by Multicall3."""
    return EthCall(MULTICALL3, GET_CURRENT_BLOCK_TIMESTAMP, optional=lag_blocks > 0, lag_blocks=lag_blocks)


def windows(
    times: Sequence[bytes], there: Callable[[int], bool], grown: Callable[[int, int], float]
) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    """(what grew in each window, its seconds, whether all readings were there). there: whether a reading exists; grown:
    from the second of two readings to the first. Readings of one second are in one window."""
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
