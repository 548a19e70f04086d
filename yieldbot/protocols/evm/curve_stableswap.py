"""Curve's StableSwap pools, named one by one in the chain's file; each is its own router.

Source: the pools' own getters and ``exchange`` (Curve's published 3pool, pool template, factory plain pools and
StableSwap-NG). ``exchange`` names no recipient, so the output goes to the caller, and no deadline: only its minimum out
limits a pending swap. The flavour says where the pool rounds; it is checked against the pool's own ``get_dy`` whenever
the pool is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.concentrated import Unswappable
from yieldbot.math.stableswap import MOST_COINS, Flavour, StablePool, StableVenue, get_dy, invariant
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap
from yieldbot.protocols.reads import Reads

SWAP = "exchange"
REVERTS = {"Exchange resulted in fewer coins than expected": "the swap would give less than the least that was named"}
PROBES = (10, 1000, 100_000)
"""Parts of a coin's balance for which our arithmetic is compared with the pool's own quote."""


class CurveParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")

    pools: list[str] = Field(min_length=1)
    """Addresses of the pools."""
    flavour: Flavour = "ng"
    """"3pool" (of 2020, A without decimals), "template" (the pool template and factory plain pools of three and four
    coins), "plain2" (factory plain pools of two), "ng"."""


class CurveStableSwap:
    """Pools of plain coins, valued only by their decimals (NG: by the pool's own stored rates)."""

    protocol: ClassVar[str] = "curve_stableswap"
    params: ClassVar[type[BaseModel]] = CurveParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec = abi(self.protocol)
        addresses = [checksum(address) for address in deployment.params["pools"]]
        reads = Reads()
        coin_reads = [
            (at, reads.group(codec.read(at, "coins", i, optional=True) for i in range(MOST_COINS))) for at in addresses
        ]
        yield from reads.made()
        listed = {token.address: token for pair in pairs for token in pair}
        wanted = {frozenset(pair) for pair in pairs}
        found = []
        for at, listing in coin_reads:
            coins = [codec.one("coins", data) for data in listing.data if len(data) == 32]
            if len(coins) < 2:
                raise MarketError(f"{deployment.name}: {at} is no pool of Curve's")
            name = " ".join([deployment.name, "/".join(listed[c].symbol if c in listed else "?" for c in coins)])
            params = {"coins": tuple(coins), "flavour": deployment.params["flavour"], "router": at}
            known = [listed[coin] for coin in coins if coin in listed]
            found += [
                Pool(self.protocol, name, at, a, b, params) for a, b in combinations(known, 2) if {a, b} in wanted
            ]
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec, at, flavour = abi(self.protocol), pool.address, pool.params["flavour"]
        coins: tuple[Address, ...] = pool.params["coins"]
        reads = Reads()
        amp = reads.add(codec.read(at, "A" if flavour == "3pool" else "A_precise"))
        fee = reads.add(codec.read(at, "fee"))
        held = reads.group(codec.read(at, "balances", i) for i in range(len(coins)))
        places = reads.group(abi("erc20").read(coin, "decimals") for coin in coins)
        more = ("offpeg_fee_multiplier", "stored_rates") if flavour == "ng" else ()
        ng = {name: reads.add(codec.read(at, name)) for name in more}
        yield from reads.made()
        balances = tuple(codec.one("balances", data) for data in held.data)
        rates = tuple(10 ** (36 - abi("erc20").one("decimals", data)) for data in places.data)
        offpeg = 0
        if ng:
            offpeg = codec.one("offpeg_fee_multiplier", ng["offpeg_fee_multiplier"].data)
            rates = tuple(codec.one("stored_rates", ng["stored_rates"].data))
        state = StablePool(flavour, balances, rates, codec.one("A", amp.data), codec.one("fee", fee.data), offpeg)
        i, j = (coins.index(token.address) for token in (pool.token0, pool.token1))
        amounts = [(a, b, balances[a] // part) for a, b in ((i, j), (j, i)) for part in PROBES if balances[a] >= part]
        quoted = yield [codec.read(at, "get_dy", *probe, optional=True) for probe in amounts]
        for probe, data in zip(amounts, quoted, strict=True):
            if not data or codec.one("get_dy", data) != _own(state, *probe):
                raise MarketError(f"{pool.name} ({at}) is no pool of the flavour {flavour!r}: it rounds otherwise")
        try:
            d = invariant(state)
        except Unswappable as bad:
            raise MarketError(f"{pool.name} ({at}): {bad}") from None
        return PoolState(pool, StableVenue(state, i, j, d), StableVenue(state, j, i, d), gas=SWAPS["curve_stableswap"])

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        (pool,) = self._one(pools)
        tokens_along(pools, given.token, least.token)
        i, j = (pool.params["coins"].index(token.address) for token in (given.token, least.token))
        data = abi(self.protocol).encode(SWAP, i, j, given.raw, least.raw)
        words = swap_description(pools, given, least)
        return (EvmCall(pool.address, data, 0, words, Allowance(given.token, pool.address, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {self._one(pools)[0].address: frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (self._one(pools)[0].address,)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, REVERTS, data)

    def _one(self, pools: tuple[Pool, ...]) -> tuple[Pool, ...]:
        if len(pools) != 1:
            raise MarketError("Curve's pools are swapped in one at a time: each is its own router")
        return pools


def _own(state: StablePool, i: int, j: int, dx: int) -> int | None:
    try:
        return get_dy(state, i, j, dx)
    except Unswappable:
        return None


EXCHANGE = CurveStableSwap()
