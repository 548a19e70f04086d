"""Uniswap v2 pairs and those of its forks: constant product, with a fee on the input.

Source: Uniswap v2 core, UniswapV2Factory.getPair and UniswapV2Pair.getReserves; v2 periphery, UniswapV2Router02.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import BPS
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap, router_of

UNISWAP_BPS = 30
SWAP = "swapExactTokensForTokens"
REVERTS = {
    "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT": "the swap would give less than the least that was named",
    "UniswapV2Router: EXPIRED": "the swap's deadline is over",
    "UniswapV2Library: INSUFFICIENT_LIQUIDITY": "the pair is empty",
    "UniswapV2: K": "the pair's reserves do not allow the swap (a token that takes a fee when it moves?)",
    "TransferHelper: TRANSFER_FROM_FAILED": "the token did not move from our account (balance or allowance)",
}


class UniswapV2Params(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    factory: str
    """UniswapV2Factory's address."""
    fee_bps: int = Field(default=UNISWAP_BPS, ge=0, lt=BPS)
    """Swap fee of the pairs, in bp of the input (forks have their own)."""
    lookback_blocks: int = Field(default=7200, ge=0)
    """Blocks over which the pairs' fees are measured."""
    router: str | None = None
    """A UniswapV2Router02 of that factory; None: pools are read, and nothing is swapped there."""


class UniswapV2:
    """Pairs of one factory."""

    protocol: ClassVar[str] = "uniswap_v2"
    params: ClassVar[type[BaseModel]] = UniswapV2Params

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, factory = abi(self.protocol), checksum(deployment.params["factory"])
        keys = [sorted(pair, key=lambda token: int(token.address, 16)) for pair in pairs]
        answers = yield [codec.read(factory, "getPair", a.address, b.address) for a, b in keys]
        fee_bps, found = deployment.params["fee_bps"], []
        params = {"fee_bps": fee_bps, "router": deployment.params.get("router")}
        for (a, b), data in zip(keys, answers, strict=True):
            address = codec.one("getPair", data)
            if int(address, 16):
                name = f"{deployment.name} {fee_bps / BPS:z.2%}"
                found.append(Pool(self.protocol, name, address, a, b, params))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec = abi(self.protocol)
        (data,) = yield [codec.read(pool.address, "getReserves")]
        zero, one = codec.decode("getReserves", data)[:2]
        if not zero or not one:
            raise MarketError(f"pair {pool.address} is empty")
        fee = BPS - pool.params["fee_bps"], BPS
        return PoolState(pool, V2Venue(zero, one, fee), V2Venue(one, zero, fee), SWAPS["uniswap_v2"])

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        router = router_of(pools)
        path = [token.address for token in tokens_along(pools, given.token, least.token)]
        data = abi(self.protocol).encode(SWAP, given.raw, least.raw, path, owner, deadline)
        words = swap_description(pools, given, least)
        return (EvmCall(router, data, 0, words, Allowance(given.token, router, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {router_of(pools): frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (router_of(pools),)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, REVERTS, data)


EXCHANGE = UniswapV2()
