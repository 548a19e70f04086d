"""``yieldbot check`` for price feeds, and for what staked tokens are worth: each answers, says what it is the price of,
and fits its token's table."""

from __future__ import annotations

from yieldbot.chains.evm.erc20 import text_of
from yieldbot.chains.evm.growth import token_growth
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.prices import feed_price
from yieldbot.chains.findings import FAILED, MISCONFIGURED, Finding, Steps
from yieldbot.errors import MarketError, YieldbotError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import Address
from yieldbot.model.settings import ChainSettings, GrowthSource
from yieldbot.model.text import one_line

DESCRIPTION = bytes.fromhex("7284e416")  # description()
PEGGED_USD = (0.8, 1.2)
"""A pegged token whose feed is outside of these dollars has the wrong feed, or lost its peg."""

MOST_SHOWN = 40
"""Most characters of a feed's own description that are shown."""


async def feeds(steps: Steps, node: Node, chain: ChainSettings, block: BlockRef) -> None:
    """One finding for each feed, and for each token without one."""
    named = [("[native] feed", chain.native_feed, False)]
    for token in chain.tokens.values():
        named.append((f"feed of {token.symbol}", chain.feeds.get(token.address), token.address in chain.pegged))
    for key, feed, pegged in named:
        what = f"{chain.name} {key}"
        if feed is None:
            remedy = f"name it in chains/{chain.name}.toml: without it gas has no price"
            steps.add(Finding(what, "is not named", remedy, MISCONFIGURED))
        else:
            await steps.take(what, _feed(node, chain, key, feed, pegged, block))


async def _feed(node: Node, chain: ChainSettings, key: str, feed: Address, pegged: bool, block: BlockRef) -> Finding:
    """Whether the feed has a contract, a price, and near one dollar if its token is pegged."""
    what, file = f"{chain.name} {key}", f"chains/{chain.name}.toml"
    unit = chain.feed_units.get(feed)
    for contract in (feed, unit):
        if contract is not None and not await node.code(contract, block):
            return Finding(what, f"no contract at {contract}", f"correct {key} in {file}", MISCONFIGURED)
    (price,) = await node.run([feed_price(feed, block.timestamp, unit)], block)
    if isinstance(price, MarketError):
        return Finding(what, str(price), f"correct {key} in {file}", FAILED)
    name = await _description(node, feed, block)
    if pegged and not PEGGED_USD[0] <= price.usd <= PEGGED_USD[1]:
        remedy = f"correct {key} in {file}; if it is the right one, the token has lost its peg"
        return Finding(what, f"{feed}{name} says {price.usd:z,.4f} dollars", remedy, FAILED)
    hours = max(0, block.timestamp - price.updated_at) // 3600
    return Finding(what, f"{feed}{name}: {price.usd:z,.4f} dollars{f', {hours:,} h old' if hours else ''}")


async def growths(steps: Steps, node: Node, chain: ChainSettings, block: BlockRef) -> None:
    """One finding for each token whose table says how it grows."""
    for token in chain.tokens.values():
        if (source := chain.growths.get(token.address)) is not None:
            what = f"{chain.name} growth of {token.symbol}"
            await steps.take(what, _growth(node, chain, what, token.symbol, source, block))


async def _growth(
    node: Node, chain: ChainSettings, what: str, symbol: str, source: GrowthSource, block: BlockRef
) -> Finding:
    """Whether what the token is worth can be read, and has grown as staking pays."""
    (read,) = await node.run([token_growth(source, block)], block)
    if isinstance(read, MarketError):
        return Finding(what, str(read), f"correct tokens.{symbol}.growth in chains/{chain.name}.toml", FAILED)
    if read.growth is None:
        return Finding(what, f"this node has no state of {source.lookback_blocks:,} blocks ago: memory tells in a week")
    return Finding(what, f"{read.growth:z.2%} a year by {source.contract}")


async def _description(node: Node, feed: Address, block: BlockRef) -> str:
    """What the feed says that it is the price of; empty if it says nothing."""
    try:
        said = one_line(text_of(await node.call(feed, DESCRIPTION, block)))[:MOST_SHOWN]
    except YieldbotError:
        return ""
    return f" ({said})" if said else ""
