"""Solana's pools and feeds, read for a quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldbot.chains.quote_values import MICRO_LAMPORTS, Read, feeds_in, read_of
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Exchange, Price

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.settings import ChainSettings


async def read_quotes(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """As a quorum of the nodes shows it."""
    from yieldbot.chains.solana.node.connect import connect
    from yieldbot.chains.solana.swap_pools import SAME_PRICE, apart

    def differ(one: _Seen, other: _Seen) -> str | None:
        return apart(one.exchange, other.exchange, SAME_PRICE)

    assert chain.svm is not None
    pair, most = (given, wanted), chain.svm.max_unit_price_micro_lamports
    async with connect(chain) as nodes:
        await nodes.verify_chain()
        seen = await nodes.agreed(lambda node: _seen_by(node, chain, pair), differ, chain.name)
        recent = sorted(await nodes.unit_prices([state.pool.address for state in seen.exchange.states]))
    usual = recent[(3 * (len(recent) - 1)) // 4] if recent else 0
    return read_of(seen.block, seen.exchange, pair, min(usual, most) / MICRO_LAMPORTS, seen.native)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one node of a Solana cluster shows."""

    block: BlockRef
    exchange: Exchange
    native: Price | MarketError | None


async def _seen_by(node: Node, chain: ChainSettings, pair: tuple[Token, Token]) -> _Seen:
    from yieldbot.chains.solana.prices import feed_price
    from yieldbot.chains.solana.swap_pools import exchange_of, found_of, listings, looks

    block, feeds = await node.block(), chain.price_feeds
    fed = [token for token in pair if token.address in feeds]
    asked = [feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
    flows: list[Any] = [*(feed_price(address, block.timestamp) for address in asked), *listings(chain)]
    said = await node.run(flows, block)
    found = found_of(chain, said[len(asked) :])
    usd, bad = feeds_in(fed, said)
    states = await node.run(looks(found, pair, block), block)
    exchange = exchange_of((*found[:2], found[2] + bad), pair, states, usd)
    return _Seen(block, exchange, said[len(asked) - 1] if chain.native_feed else None)
