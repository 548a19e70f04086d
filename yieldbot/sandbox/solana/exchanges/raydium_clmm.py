"""Accounts of Raydium's concentrated pools, whose recorded TWAP is a price oracle; there is no program. Nobody trades
there, so the TWAP is constant."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial

from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.model.ids import Address
from yieldbot.protocols.solana.raydium_clmm import OBSERVATION_BYTES, OBSERVATIONS, OBSERVATIONS_AT
from yieldbot.sandbox.solana.exchanges import ExchangeListing, Pair, SandboxExchange
from yieldbot.sandbox.solana.images import Images, account_data, image, named

OBSERVED_EVERY_SECONDS = 18


def place(pairs: Sequence[Pair]) -> ExchangeListing:
    """A pool with its observations for each pair whose price nothing else gives."""
    program, images = named("witness", "program"), Images()
    published: dict[Address, Callable[[int], AccountImage]] = {}
    addresses: dict[str, str] = {}
    pools = list[str]()
    for pair in pairs:
        if pair.rated:
            continue
        a, b = pair.ordered
        pool, at = named("witness", a.symbol, b.symbol), named("witness", a.symbol, b.symbol, "observations")
        keys = {"token_mint_0": a.address, "token_mint_1": b.address, "observation_key": at}
        images[pool] = image(program, account_data("raydium_clmm", "PoolState", keys))
        addresses[f"{pair.name}_mean"] = at
        published[at] = partial(observations, program, pool, pair.tick)
        pools.append(pool)
    row = {"protocol": "raydium_clmm", "name": "Price oracle (double)", "program": program, "pools": pools}
    return ExchangeListing(oracles=(row,), images=images, published=published, addresses=addresses)


def observations(program: Address, pool: Address, tick: int, timestamp: int) -> AccountImage:
    """The observations of a pool that was at one tick for half an hour."""
    newest = OBSERVATIONS - 1
    fields = {"initialized": True, "observation_index": newest, "pool_id": pool}
    data = bytearray(account_data("raydium_clmm", "ObservationState", fields))
    first = timestamp - newest * OBSERVED_EVERY_SECONDS
    for i in range(OBSERVATIONS):
        at = first + i * OBSERVED_EVERY_SECONDS
        struct.pack_into("<Iq", data, OBSERVATIONS_AT + i * OBSERVATION_BYTES, max(at, 1), tick * (at - first))
    return image(program, bytes(data))


SANDBOX = SandboxExchange(protocol="raydium_clmm", place=place)
