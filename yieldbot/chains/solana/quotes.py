"""Reads a Solana cluster's pools and feeds for a quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldbot.chains.quote_values import MICRO_LAMPORTS, QuoteInputs, feeds_in, read_of
from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.exchange import Exchange, Price

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.settings import ChainSettings


async def read_quotes(chain: ChainSettings, given: Token, wanted: Token) -> QuoteInputs:
    """The inputs of a quote for the pair, as a quorum of the nodes shows them. Raises TransientError."""
    from yieldbot.chains.solana.node.connect import connect
    from yieldbot.chains.solana.swap_pools import SAME_PRICE, apart

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
    from yieldbot.chains.solana.prices import feed_price
    from yieldbot.chains.solana.swap_pools import exchange_of, found_of, listings, state_flows

    block, feeds = await node.block(), chain.price_feeds
    fed = [token for token in pair if token.address in feeds]
    fetched = [feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
    flows: list[Any] = [*(feed_price(address, block.timestamp) for address in fetched), *listings(chain)]
    answers = await node.run(flows, block)
    found = found_of(chain, answers[len(fetched) :])
    usd, bad = feeds_in(fed, answers)
    states = await node.run(state_flows(found, pair, block), block)
    exchange = exchange_of((*found[:2], found[2] + bad), pair, states, usd)
    return _Observed(block, exchange, answers[len(fetched) - 1] if chain.native_feed else None)
