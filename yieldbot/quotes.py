"""What a swap's quote is made of, read at one block: pools' states, independent prices, feeds and the price of gas."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import PoolState, Price
from yieldbot.prices import feed

if TYPE_CHECKING:
    from yieldbot.model.policy import ChainSettings

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
    from yieldbot.exchanges import exchange_of, listings, looks, pools_of
    from yieldbot.rpc.connect import connect

    pair = (given, wanted)
    async with connect(chain) as node:
        await node.verify_chain()
        (block, base_fee_wei), tip_wei = await asyncio.gather(
            node.block_and_base_fee("latest"), node.priority_fee_wei()
        )
        pools, unread = pools_of(await node.run(listings(chain), block))
        fed = [token for token in pair if token.address in chain.feeds]
        asked = [chain.feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
        said = await node.run([feed(address) for address in asked], block)
        native = said.pop() if chain.native_feed else None
        usd = {token: price for token, price in zip(fed, said, strict=True) if isinstance(price, Price)}
        unread += [f"{t.symbol}'s feed: {p}" for t, p in zip(fed, said, strict=True) if isinstance(p, MarketError)]
        exchange = exchange_of(pools, pair, await node.run(looks(pools, pair), block), usd, unread)
    tip = min(tip_wei or 2**255, int(chain.priority_fee_gwei * GWEI))
    weighed = native if isinstance(native, Price) else None
    unread = list(exchange.unread)
    if weighed is None or not {given, wanted} <= usd.keys():
        unread.append("gas is not counted: a USD feed of the native token or of what is swapped is missing")
    rates = exchange.rates(given, wanted)
    return Read(block, list(exchange.states), rates, usd, base_fee_wei + tip, weighed, unread)
