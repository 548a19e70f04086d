"""Reads an EVM chain's pools and feeds for a quote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yieldbot.chains.evm.prices import feed_price
from yieldbot.chains.quote_values import WEI, QuoteInputs, feeds_in, read_of
from yieldbot.model.amounts import Token
from yieldbot.model.reads import Flow
from yieldbot.model.units import GWEI
from yieldbot.rpc.together import both

if TYPE_CHECKING:
    from yieldbot.model.settings import ChainSettings


async def read_quotes(chain: ChainSettings, given: Token, wanted: Token) -> QuoteInputs:
    """The inputs of a quote for the pair, at the newest block. Raises TransientError."""
    from yieldbot.chains.evm.node.connect import connect
    from yieldbot.chains.evm.rollups import checked_fee, typical_fee
    from yieldbot.chains.evm.swap_pools import exchange_of, listings, state_flows
    from yieldbot.chains.pools import pools_of

    pair = (given, wanted)
    async with connect(chain) as node:
        await node.verify_chain()
        (block, base_fee_wei), tip_wei = await both(node.block_and_base_fee("latest"), node.priority_fee_wei())
        pools, unread = pools_of(await node.run(listings(chain, pair), block))
        fed = [token for token in pair if token.address in chain.feeds]
        feeds = [chain.feeds[token.address] for token in fed] + ([chain.native_feed] if chain.native_feed else [])
        flows: list[Flow[Any]] = [*(feed_price(address, block.timestamp) for address in feeds), typical_fee()]
        answers = await node.run(flows, block)
        beside = checked_fee(chain, node.host, answers.pop())
        native = answers.pop() if chain.native_feed else None
        usd, bad = feeds_in(fed, answers)
        exchange = exchange_of(pools, pair, await node.run(state_flows(pools, pair), block), usd, unread + bad)
    tip = min(tip_wei or 2**255, int(chain.priority_fee_gwei * GWEI))
    found = read_of(block, exchange, pair, (base_fee_wei + tip + beside.unit_wei) / WEI, native)
    return replace(found, tx_native=beside.tx_wei / WEI)
