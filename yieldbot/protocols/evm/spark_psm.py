"""Spark's PSM3 on rollups as an exchange: USDC, USDS and sUSDS at their stated rates, without fee or price impact.

Source: sparkdotfi/spark-psm PSM3.sol. ``swapExactIn`` names tokens, exact input, minimum out, receiver and a referral
code (always 0 here), and no deadline. USDC is paid from the PSM's ``pocket``, as far as that lets the PSM take it; its
owner can move the pocket in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.psm import PsmVenue, Way
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.exchange import Pool, PoolState, tokens_along
from yieldbot.model.gas import SWAPS
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import MAX_UINT256
from yieldbot.protocols.descriptions import swap_description
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.swap_calls import explain_swap

SWAP = "swapExactIn"
TOKENS = ("usdc", "usds", "susds")
"""Views that name the three tokens."""
REVERTS = {"PSM3/amountOut-too-low": "the swap would give less than the least that was named"}


class PsmParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid")

    psm: str
    """Address of the PSM3."""


class SparkPsm:
    """One PSM3: a pool for each pair of its three tokens."""

    protocol: ClassVar[str] = "spark_psm"
    params: ClassVar[type[BaseModel]] = PsmParams

    def pools(self, deployment: Deployment, pairs: Sequence[tuple[Token, Token]]) -> Flow[tuple[Pool, ...]]:
        codec, at = abi(self.protocol), checksum(deployment.params["psm"])
        answers = yield [codec.read(at, name) for name in (*TOKENS, "rateProvider")]
        *coins, source = (codec.one(name, data) for name, data in zip((*TOKENS, "rateProvider"), answers, strict=True))
        listed = {token.address: token for pair in pairs for token in pair}
        wanted = {frozenset(pair) for pair in pairs}
        params = {**dict(zip(TOKENS, coins, strict=True)), "source": source, "router": at}
        known = [listed[coin] for coin in coins if coin in listed]
        return tuple(
            Pool(self.protocol, f"{deployment.name} {a.symbol}/{b.symbol}", at, a, b, params)
            for a, b in combinations(known, 2)
            if {a, b} in wanted
        )

    def observe(self, pool: Pool) -> Flow[PoolState]:
        codec, at, where = abi(self.protocol), pool.address, pool.params
        held = yield from self.held(pool)
        cash = dict(zip((pool.token0, pool.token1), held, strict=True))
        (stated,) = yield [codec.read(where["source"], "getConversionRate")]
        rate = codec.one("getConversionRate", stated)
        if not rate:
            raise MarketError(f"{pool.name} ({at}): its rate provider states no rate")

        def venue(given: Token, wanted: Token) -> PsmVenue:
            way: Way = "par"
            if where["susds"] in (given.address, wanted.address):
                way = "into savings" if wanted.address == where["susds"] else "out of savings"
            return PsmVenue(way, given.one, wanted.one, rate, cash[wanted])

        zero, one = venue(pool.token0, pool.token1), venue(pool.token1, pool.token0)
        return PoolState(pool, zero, one, gas=SWAPS["spark_psm"])

    def held(self, pool: Pool) -> Flow[tuple[int, int]]:
        """What it can pay of both: USDC lies in its pocket, which may be another account."""
        codec, erc20, at, usdc = abi(self.protocol), abi("erc20"), pool.address, pool.params["usdc"]
        (answer,) = yield [codec.read(at, "pocket")]
        pocket = codec.one("pocket", answer)
        zero, one, allowed = yield [
            *(
                erc20.read(token.address, "balanceOf", pocket if token.address == usdc else at)
                for token in (pool.token0, pool.token1)
            ),
            erc20.read(usdc, "allowance", pocket, at),
        ]
        held = erc20.one("balanceOf", zero), erc20.one("balanceOf", one)
        most = MAX_UINT256 if pocket == at else erc20.one("allowance", allowed)
        there = tuple(
            min(raw, most) if token.address == usdc else raw
            for token, raw in zip((pool.token0, pool.token1), held, strict=True)
        )
        return there[0], there[1]

    def swap(
        self, pools: tuple[Pool, ...], given: Amount, least: Amount, owner: Address, deadline: int
    ) -> tuple[EvmCall, ...]:
        pool = _one(pools)
        tokens_along(pools, given.token, least.token)
        ends = given.token.address, least.token.address
        data = abi(self.protocol).encode(SWAP, *ends, given.raw, least.raw, owner, 0)
        words = swap_description(pools, given, least)
        return (EvmCall(pool.address, data, 0, words, Allowance(given.token, pool.address, given.raw), least),)

    def targets(self, pools: tuple[Pool, ...]) -> dict[Address, frozenset[bytes]]:
        return {_one(pools).address: frozenset({abi(self.protocol).selector(SWAP)})}

    def spenders(self, pools: tuple[Pool, ...]) -> tuple[Address, ...]:
        return (_one(pools).address,)

    def explain_revert(self, data: bytes) -> str | None:
        return explain_swap(self.protocol, REVERTS, data)


def _one(pools: tuple[Pool, ...]) -> Pool:
    if len(pools) != 1:
        raise MarketError("a PSM's tokens are swapped one pair at a time: it is its own router")
    return pools[0]


EXCHANGE = SparkPsm()
