"""Aerodrome's basic pools, volatile and stable, which are Solidly pools; the factory sets each pool's fee.

Source: aerodrome-finance/contracts a5fae2e: Pool, factories/PoolFactory, Router. Its concentrated pools (Slipstream)
are other contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.solidly import SolidlyPool, SolidlyVenue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum, explain
from yieldbot.protocols.evm.swap_calls import router_of
from yieldbot.protocols.evm.uniswap_v3 import in_order

SWAP = "swapExactTokensForTokens"
REVERTS = {
    "InsufficientOutputAmount": "the swap would give less than the least that was named",
    "Expired": "the swap's deadline is over",
    "InsufficientLiquidity": "the pool holds less",
    "IsPaused": "the exchange has paused all swaps",
    "K": "the pool's reserves do not allow the swap (a token that takes a fee when it moves?)",
}


class AerodromeParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    factory: str
    """PoolFactory of the basic pools."""
    router: str | None = None
    """A Router of that factory; None: pools are read, and nothing is swapped there."""


class Aerodrome:
    """Pools of one factory: for each pair at most a volatile and a stable one."""

    protocol: ClassVar[str] = "aerodrome"
    params: ClassVar[type[BaseModel]] = AerodromeParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, factory = abi(self.protocol), checksum(deployment.params["factory"])
        keys = [(*in_order(pair), stable) for pair in pairs for stable in (False, True)]
        answers = yield [codec.read(factory, "getPool", a.address, b.address, stable) for a, b, stable in keys]
        found = []
        for (a, b, stable), data in zip(keys, answers, strict=True):
            address = codec.one("getPool", data)
            if int(address, 16):
                params = {"stable": stable, "factory": factory, "router": deployment.params.get("router")}
                name = f"{deployment.name} {'stable' if stable else 'volatile'}"
                found.append(Pool(self.protocol, name, address, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec, factory, stable = abi(self.protocol), pool.params["factory"], pool.params["stable"]
        metadata, fee, paused = yield [
            codec.read(pool.address, "metadata"),
            codec.read(factory, "getFee", pool.address, stable),
            codec.read(factory, "isPaused"),
        ]
        one0, one1, reserve0, reserve1, kind, *tokens = codec.decode("metadata", metadata)
        if kind != stable or [checksum(t) for t in tokens] != [pool.token0.address, pool.token1.address]:
            raise MarketError(f"{pool.name} {pool.address} is not the pool that the factory listed")
        if codec.one("isPaused", paused):
            raise MarketError(f"{pool.name}: the exchange has paused all swaps")
        if not reserve0 or not reserve1 or not one0 or not one1:
            raise MarketError(f"{pool.name} {pool.address} is empty")
        state = SolidlyPool(stable, (reserve0, reserve1), (one0, one1), codec.one("getFee", fee))
        return PoolState(
            pool,
            SolidlyVenue(state, True),
            SolidlyVenue(state, False),
            SWAPS["aerodrome/stable" if stable else "aerodrome/volatile"],
        )

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        router, tokens = router_of(pools), tokens_along(pools, given.token, least.token)
        routes = [
            (source.address, wanted.address, pool.params["stable"], pool.params["factory"])
            for (source, wanted), pool in zip(pairwise(tokens), pools, strict=True)
        ]
        data = abi(self.protocol).encode(SWAP, given.raw, least.raw, routes, owner, deadline)
        words = swap_description(pools, given, least)
        return (EvmCall(router, data, 0, words, Allowance(given.token, router, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(pools): frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (router_of(pools),)

    def explain_revert(self, data: bytes) -> str | None:
        message = explain(self.protocol, data)
        return REVERTS.get(message, message) if message is not None else None


EXCHANGE = Aerodrome()
