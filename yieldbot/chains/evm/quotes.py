"""Reads an EVM chain's pools and feeds for a quote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.prices import feed_price
from yieldbot.chains.evm.rollups import checked_fee, typical_fee
from yieldbot.chains.evm.swap_pools import add_listings, add_states, exchange_of
from yieldbot.chains.evm.tips import fetch_tip
from yieldbot.chains.quote_values import WEI, QuoteInputs, feeds_in, read_of
from yieldbot.model.amounts import Token
from yieldbot.rpc.flows import Flows
from yieldbot.rpc.together import both

if TYPE_CHECKING:
    from yieldbot.model.settings import ChainSettings


async def read_quotes(chain: ChainSettings, given: Token, wanted: Token) -> QuoteInputs:
    """The inputs of a quote for the pair, at the newest block. Raises TransientError."""

    pair = (given, wanted)
    async with connect(chain) as node:
        await node.verify_chain()
        (block, base_fee_wei), tip_wei = await both(node.block_and_base_fee("latest"), fetch_tip(node, chain))
        flows = Flows()
        listed = add_listings(flows, chain, pair)
        await flows.run(node, block)
        flows, found = Flows(), listed.found
        fed = {token: chain.feeds[token.address] for token in pair if token.address in chain.feeds}
        feeds = {
            token: flows.add(feed_price(address, block.timestamp, chain.feed_units.get(address)))
            for token, address in fed.items()
        }
        native_feed = flows.add(feed_price(chain.native_feed, block.timestamp)) if chain.native_feed else None
        fee = flows.add(typical_fee())
        await flows.run(node, block)
        beside = checked_fee(chain, node.host, fee.answer)
        native = None if native_feed is None else native_feed.answer
        usd, bad = feeds_in(feeds)
        flows = Flows()
        pools = add_states(flows, replace(found, unread=(*found.unread, *bad)), pair)
        await flows.run(node, block)
        exchange = exchange_of(pools, usd)
    price_wei = base_fee_wei + tip_wei
    inputs = read_of(block, exchange, pair, (price_wei + beside.of_unit(price_wei)) / WEI, native)
    return replace(inputs, tx_native=beside.tx_wei / WEI)
