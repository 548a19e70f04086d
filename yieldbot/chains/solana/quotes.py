"""Reads a Solana cluster's pools and feeds for a quote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.chains.quote_values import MICRO_LAMPORTS, QuoteInputs, feeds_in, read_of
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.prices import feed_price
from yieldbot.chains.solana.swap_pools import SAME_PRICE, add_listings, add_states, apart, exchange_of
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Exchange, Price
from yieldbot.rpc.flows import Flows

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.settings import ChainSettings


async def read_quotes(chain: ChainSettings, given: Token, wanted: Token) -> QuoteInputs:
    """The inputs of a quote for the pair, as a quorum of the nodes shows them. Raises TransientError."""

    def differ(one: _Observed, other: _Observed) -> str | None:
        return apart(one.exchange, other.exchange, SAME_PRICE)

    assert chain.svm is not None
    pair, most = (given, wanted), chain.svm.max_unit_price_micro_lamports
    async with connect(chain) as nodes:
        await nodes.verify_chain()
        observed = await nodes.agreed(lambda node: _observe(node, chain, pair), differ, chain.name)
        recent = sorted(await nodes.unit_prices([state.pool.address for state in observed.exchange.states]))
    usual = recent[(3 * (len(recent) - 1)) // 4] if recent else 0
    return read_of(observed.block, observed.exchange, pair, min(usual, most) / MICRO_LAMPORTS, observed.native)


@dataclass(frozen=True, slots=True)
class _Observed:
    """What one node shows."""

    block: BlockRef
    """The slot."""
    exchange: Exchange
    """Pools and prices."""
    native: Price | MarketError | None
    """SOL's US dollar price; None: the cluster's file names no feed."""


async def _observe(node: Node, chain: ChainSettings, pair: tuple[Token, Token]) -> _Observed:
    """Reads pools and feeds from one node."""

    block, flows = await node.block(), Flows()
    fed = {token: chain.price_feeds[token.address] for token in pair if token.address in chain.price_feeds}
    feeds = {token: flows.add(feed_price(address, block.timestamp)) for token, address in fed.items()}
    native = flows.add(feed_price(chain.native_feed, block.timestamp)) if chain.native_feed else None
    listed = add_listings(flows, chain)
    await flows.run(node, block)
    found, flows = listed.found, Flows()
    usd, bad = feeds_in(feeds)
    pools = add_states(flows, replace(found, unread=(*found.unread, *bad)), pair, block)
    await flows.run(node, block)
    return _Observed(block, exchange_of(pools, usd), None if native is None else native.answer)
