"""A pool as a step of a route."""

from __future__ import annotations

from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.ids import Address


def pool(name: str, one: Token, other: Token, reserves: tuple[int, int], router: str = "") -> PoolState:
    low, high = reserves
    place = Pool(
        "uniswap_v2", name, Address("0x" + name.encode().hex().zfill(40)), one, other, {"router": router or None}
    )
    return PoolState(place, V2Venue(low, high), V2Venue(high, low))
