"""What a swap's quote is made of, read at one block: pools' states, independent prices, feeds and the price of gas."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import PoolState, Price
from yieldbot.prices import feed

if TYPE_CHECKING:
    from yieldbot.model.policy import ChainSettings

FEEDS = "the feeds"
MEAN_SECONDS = 1800
"""What a pool's own mean price is taken over: to move it, a price must be held against everybody for that long."""
GWEI = 10**9
WEI = 10**18


@dataclass(frozen=True, slots=True)
class Read:
    """prices: whole tokens wanted for one given, by who says so; usd: each token's feed, where it has one;
    gas_wei: what a unit of gas costs, and native: the feed that weighs it (None: not known); unread: why not."""

    block: BlockRef
    states: list[PoolState]
    prices: dict[str, float]
    usd: Mapping[Token, Price]
    gas_wei: int
    native: Price | None
    unread: list[str]

    def unit_cost(self, token: Token) -> float:
        """A unit of gas in base units of ``token``; 0 where no feed weighs it."""
        if self.native is None or token not in self.usd:
            return 0.0
        return self.gas_wei / WEI * self.native.usd / self.usd[token].usd * token.one


async def read(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """The pools of all the chain's tokens at one block, and the prices that they do not make alone."""
    from yieldbot.protocols import exchanges
    from yieldbot.protocols.uniswap_v3 import UniswapV3, mean_price
    from yieldbot.rpc.connect import connect

    known = exchanges()
    pairs = list(combinations(chain.tokens.values(), 2))
    async with connect(chain) as node:
        await node.verify_chain()
        (block, base_fee_wei), tip_wei = await asyncio.gather(
            node.block_and_base_fee("latest"), node.priority_fee_wei()
        )
        listed = await node.run([known[e.protocol].pools(e, pairs) for e in chain.exchanges], block)
        unread = [str(found) for found in listed if isinstance(found, MarketError)]
        pools = [pool for found in listed if isinstance(found, tuple) for pool in found]
        told = await node.run([known[pool.protocol].observe(pool) for pool in pools], block)
        states = [state for state in told if not isinstance(state, MarketError)]
        unread += [f"{p.name}: {s}" for p, s in zip(pools, told, strict=True) if isinstance(s, MarketError)]
        prices: dict[str, float] = {}
        fed = [token for token in (given, wanted) if token.address in chain.feeds]
        asked = [chain.feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
        said = await node.run([feed(a) for a in asked], block)
        native = said.pop() if chain.native_feed else None
        usd = {token: price for token, price in zip(fed, said, strict=True) if isinstance(price, Price)}
        unread += [f"{t.symbol}'s feed: {p}" for t, p in zip(fed, said, strict=True) if isinstance(p, MarketError)]
        if len(usd) == 2:
            prices[FEEDS] = usd[given].usd / usd[wanted].usd
        direct = [p for p in pools if {p.token0, p.token1} == {given, wanted} and p.protocol == UniswapV3.protocol]
        means = await node.run([mean_price(pool, MEAN_SECONDS) for pool in direct], block)
        for pool, mean in zip(direct, means, strict=True):
            if isinstance(mean, MarketError):
                unread.append(f"{pool.name}: no mean over {MEAN_SECONDS // 60} minutes: {mean}")
            else:
                prices[f"{pool.name}'s mean"] = mean if given == pool.token0 else 1.0 / mean
    tip = min(tip_wei or 2**255, int(chain.priority_fee_gwei * GWEI))
    weighed = native if isinstance(native, Price) else None
    if weighed is None or not {given, wanted} <= usd.keys():
        unread.append("gas is not counted: a USD feed of the native token or of what is swapped is missing")
    return Read(block, states, prices, usd, base_fee_wei + tip, weighed, unread)
