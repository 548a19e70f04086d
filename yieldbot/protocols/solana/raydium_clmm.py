"""The TWAP of Raydium's concentrated pools: a price oracle in addition to the feeds. Nothing is swapped there.

Layout: Raydium's CLMM program, states/pool.rs and states/oracle.rs. Every swap records how long the previous tick
lasted, at most once in 15 s, in a ring of 100 observations; this gives a TWAP over a quarter of an hour or more. The
pool's price at this moment, which one swap can move, is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from yieldbot.errors import MarketError
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols.solana.layout import layout
from yieldbot.protocols.solana.pools import NamedPools, named_pools

OBSERVATIONS, OBSERVATION_BYTES, OBSERVATIONS_AT = 100, 44, 51
"""Observations of a ring, bytes of each (block_timestamp u32, tick_cumulative i64, padding), and where they begin."""
LEAST_SECONDS, MOST_SECONDS = 900, 1800
"""The TWAP's window: the longest recorded one between these two."""
OLDEST_SECONDS = 600
"""A pool without a swap for this long has no usable TWAP."""
NEWER_SECONDS = 60
"""How much newer an observation may be than the chain's time, which was read some slots before it."""


class RaydiumClmm:
    """The TWAPs of named pools."""

    protocol: ClassVar[str] = "raydium_clmm"
    params: ClassVar[type[BaseModel]] = NamedPools

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        named = yield from named_pools(deployment, pairs, "PoolState", ("token_mint_0", "token_mint_1"))
        found = []
        for address, fields, token0, token1 in named:
            params = {"program": Address(deployment.params["program"]), "observation": fields["observation_key"]}
            found.append(Pool(self.protocol, deployment.name, address, token0, token1, params))
        return tuple(found)

    def price(self, pool: Pool, now: int) -> Flow[tuple[Pool, float]]:
        (data,) = yield [SvmAccount(pool.params["observation"], pool.params["program"])]
        fields = layout(self.protocol).decode("ObservationState", data)
        if fields["pool_id"] != pool.address or not fields["initialized"]:
            raise MarketError(f"pool {pool.address} has recorded nothing")
        tick, seconds = mean_tick(data, fields["observation_index"], now)
        source = {"says": f"TWAP over {seconds // 60} minutes"}
        price = 1.0001**tick * pool.token0.one / pool.token1.one
        return replace(pool, params={**pool.params, **source}), float(price)


def mean_tick(data: bytes, index: int, now: int) -> tuple[float, int]:
    """(time-weighted mean tick, its window in seconds) up to the newest of a pool's observations, the one at ``index``.

    Raises MarketError if the newest is too old, or if they do not go back far enough.
    """
    if index >= OBSERVATIONS:
        raise MarketError("the pool's observations have no newest one")
    each = [struct.unpack_from("<Iq", data, OBSERVATIONS_AT + i * OBSERVATION_BYTES) for i in range(OBSERVATIONS)]
    last_at, last_sum = each[index]
    if not -NEWER_SECONDS <= now - last_at <= OLDEST_SECONDS:
        raise MarketError(f"the pool's newest observation is of {now - last_at:,} s ago")
    usable = [(last_at - at, total) for at, total in each if at and LEAST_SECONDS <= last_at - at <= MOST_SECONDS]
    if not usable:
        raise MarketError(f"the pool's observations do not go back {LEAST_SECONDS // 60} minutes")
    seconds, total = max(usable)
    return (last_sum - total) / seconds, seconds


PRICE_ORACLE = RaydiumClmm()
