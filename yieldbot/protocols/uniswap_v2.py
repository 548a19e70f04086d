"""Uniswap v2 pairs and those of its forks: constant product, a fee on what goes in.

Source: Uniswap v2 core, UniswapV2Factory.getPair and UniswapV2Pair.getReserves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.venues import V2Venue
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Pool, PoolState
from yieldbot.model.market import Deployment
from yieldbot.model.reads import Flow
from yieldbot.protocols._abi import abi, checksum

BPS = 10_000
UNISWAP_BPS = 30


class UniswapV2Params(BaseModel):
    """``factory``; ``fee_bps``: what of the input the pairs keep (a fork's own); ``lookback_blocks``: over how many
    blocks the pairs' fees are measured."""

    model_config = ConfigDict(extra="forbid")

    factory: str
    fee_bps: int = Field(default=UNISWAP_BPS, ge=0, lt=BPS)
    lookback_blocks: int = Field(default=7200, ge=0)


class UniswapV2:
    """Pairs of one factory."""

    protocol: ClassVar[str] = "uniswap_v2"
    params: ClassVar[type[BaseModel]] = UniswapV2Params

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, factory = abi(self.protocol), checksum(deployment.params["factory"])
        asked = [sorted(pair, key=lambda token: int(token.address, 16)) for pair in pairs]
        told = yield [codec.read(factory, "getPair", a.address, b.address) for a, b in asked]
        fee_bps, found = deployment.params["fee_bps"], []
        for (a, b), data in zip(asked, told, strict=True):
            address = codec.one("getPair", data)
            if int(address, 16):
                name = f"{deployment.name} {fee_bps / BPS:.2%}"
                found.append(Pool(self.protocol, name, address, a, b, {"fee_bps": fee_bps}))
        return tuple(found)

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec = abi(self.protocol)
        (data,) = yield [codec.read(pool.address, "getReserves")]
        zero, one = codec.decode("getReserves", data)[:2]
        if not zero or not one:
            raise MarketError(f"pair {pool.address} is empty")
        fee = BPS - pool.params["fee_bps"], BPS
        return PoolState(pool, V2Venue(zero, one, fee), V2Venue(one, zero, fee))


EXCHANGE = UniswapV2()
