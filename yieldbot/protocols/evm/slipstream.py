"""Slipstream: Aerodrome's and Velodrome's concentrated pools, made from Uniswap v3 and found by their tick spacing.

Source: aerodrome-finance/slipstream 7844368: CLFactory, CLPool, DynamicSwapFeeModule, SwapRouter. A pool's fee is what
its factory's module says at each swap: it can depend on how far the price is from its TWAP, and on who sends the
transaction. ``fee`` is read with the pool, and one swap pays one fee; if it rises before a swap is mined, the swap
gives less, and its minimum out limits that. Staked liquidity takes part in swaps like the rest: only the fees' owners
differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, SwapTerms, v3_path
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap, router_of
from yieldbot.protocols.evm.uniswap_v3 import MULTI, REVERTS, SINGLE, in_order, read_pool


class SlipstreamParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    factory: str
    """CLFactory's address."""
    router: str | None = None
    """A SwapRouter of that factory; None: pools are read, and nothing is swapped there."""
    spacings: list[int] = Field(default=[1, 50, 100, 200, 2000], min_length=1)
    """Tick spacings whose pools are searched; default: those of every factory."""


class Slipstream:
    """Pools of one factory: for each pair and tick spacing at most one."""

    protocol: ClassVar[str] = "slipstream"
    params: ClassVar[type[BaseModel]] = SlipstreamParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, factory = abi(self.protocol), checksum(deployment.params["factory"])
        keys = [(*in_order(pair), spacing) for pair in pairs for spacing in deployment.params["spacings"]]
        answers = yield [codec.read(factory, "getPool", a.address, b.address, spacing) for a, b, spacing in keys]
        found = []
        for (a, b, spacing), data in zip(keys, answers, strict=True):
            address = codec.one("getPool", data)
            if int(address, 16):
                params = {"tick_spacing": spacing, "router": deployment.params.get("router")}
                found.append(Pool(self.protocol, f"{deployment.name} CL{spacing}", address, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        state = yield from read_pool(pool.address, named=self.protocol)
        return PoolState(pool, V3Venue(state, True), V3Venue(state, False), SWAPS[self.protocol])

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        router, codec, ends = router_of(pools), abi(self.protocol), (owner, deadline, given.raw, least.raw)
        if len(pools) == 1:
            pair = (given.token.address, least.token.address)
            data = codec.encode(SINGLE, (*pair, pools[0].params["tick_spacing"], *ends, 0))
        else:
            data = codec.encode(MULTI, (v3_path(SwapTerms(pools, given, least)), *ends))
        words = swap_description(pools, given, least)
        return (EvmCall(router, data, 0, words, Allowance(given.token, router, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(pools): frozenset({abi(self.protocol).selector(SINGLE if len(pools) == 1 else MULTI)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (router_of(pools),)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, REVERTS, data)


EXCHANGE = Slipstream()
