"""``yieldbot quote FROM TO AMOUNT``: what a swap would give now, by our own arithmetic, and over which pools."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from yieldbot.errors import ConfigError, MarketError

if TYPE_CHECKING:
    import argparse

    from yieldbot.allocator.route import Route
    from yieldbot.cli.context import Context
    from yieldbot.model.amounts import Amount, BlockRef, Token
    from yieldbot.model.exchange import PoolState
    from yieldbot.model.policy import ChainSettings


def register(commands: Any) -> None:
    what = "what a swap would give now, split over the chain's exchanges; nothing is sent"
    parser = commands.add_parser("quote", help=what, description=what)
    parser.add_argument("given", metavar="FROM", help="the token that goes in, as USDC")
    parser.add_argument("wanted", metavar="TO", help="the token that comes out, as WETH")
    parser.add_argument("amount", metavar="AMOUNT", help="how much goes in, in whole tokens")
    parser.add_argument("--chain", metavar="NAME", help="the chain, where several have jobs")
    parser.set_defaults(command="quote", handler=quote)


def quote(args: argparse.Namespace, context: Context) -> int:
    import asyncio

    from yieldbot.allocator.route import route
    from yieldbot.cli import documents as docs
    from yieldbot.math.concentrated import Unswappable

    chain = _chain(args.chain, context)
    given, wanted = (_token(chain, name) for name in (args.given, args.wanted))
    if given == wanted:
        raise ConfigError("FROM and TO are the same token")
    try:
        amount = given.parse(args.amount)
    except ValueError as bad:
        raise ConfigError(f"AMOUNT: {bad}") from None
    if amount.raw <= 0:
        raise ConfigError(f"AMOUNT {args.amount}: name more than nothing")
    if not chain.exchanges:
        raise ConfigError(f"chains/{chain.name}.toml has no [[exchanges]] table: add one (docs/configuration.md)")
    try:
        block, states, usd, unread = asyncio.run(_read(chain, given, wanted))
        found = route(states, amount, wanted)
    except Unswappable as bad:
        raise MarketError(f"{amount} for {wanted.symbol} on {chain.name}: {bad}") from None
    document = docs.document("quote", chain_id=chain.chain, **_doc(found, block, usd, unread))
    context.show(document, lambda: _table(chain, found, block, usd, unread))
    return 0


def _chain(name: str | None, context: Context) -> ChainSettings:
    chains = {job.chain.name: job.chain for job in context.settings.jobs if job.chain.svm is None}
    if name is None and len(chains) == 1:
        return next(iter(chains.values()))
    if name not in chains:
        known = ", ".join(sorted(chains)) or "none"
        raise ConfigError(f"--chain {name or 'is missing'}: EVM chains with jobs are: {known}")
    return chains[name]


def _token(chain: ChainSettings, name: str) -> Token:
    if name not in chain.tokens:
        raise ConfigError(f"{name}: chains/{chain.name}.toml has: {', '.join(chain.tokens)}")
    return chain.tokens[name]


async def _read(
    chain: ChainSettings, given: Token, wanted: Token
) -> tuple[BlockRef, list[PoolState], tuple[float | None, float | None], list[str]]:
    """The pools of all the chain's tokens at one block, both tokens' feeds, and what could not be read."""
    from yieldbot.prices import feed
    from yieldbot.protocols import exchanges
    from yieldbot.rpc.connect import connect

    known = exchanges()
    pairs = list(combinations(chain.tokens.values(), 2))
    async with connect(chain) as node:
        await node.verify_chain()
        block = await node.block()
        listed = await node.run([known[e.protocol].pools(e, pairs) for e in chain.exchanges], block)
        unread = [str(found) for found in listed if isinstance(found, MarketError)]
        pools = [pool for found in listed if isinstance(found, tuple) for pool in found]
        told = await node.run([known[pool.protocol].observe(pool) for pool in pools], block)
        states = [state for state in told if not isinstance(state, MarketError)]
        unread += [f"{p.name}: {s}" for p, s in zip(pools, told, strict=True) if isinstance(s, MarketError)]
        feeds = [address for token in (given, wanted) if (address := chain.feeds.get(token.address)) is not None]
        prices = await node.run([feed(address) for address in feeds], block)
        if len(feeds) < 2 or any(isinstance(price, MarketError) for price in prices):
            return block, states, (None, None), unread
        one, other = (price.usd for price in prices if not isinstance(price, MarketError))
        return block, states, (one, other), unread


def _against_feeds(found: Route, usd: tuple[float | None, float | None]) -> float | None:
    """How much less than at the feeds' prices comes out, in percent; None where a feed is missing."""
    if usd[0] is None or usd[1] is None:
        return None
    return (1.0 - float(found.given) * usd[1] / (float(found.taken) * usd[0])) * 100


def _doc(found: Route, block: BlockRef, usd: tuple[float | None, float | None], unread: list[str]) -> dict[str, Any]:
    from yieldbot.cli import documents as docs

    def money(amount: Amount) -> dict[str, Any]:
        return docs.money(amount)

    return {
        "block": block.height,
        "taken": money(found.taken),
        "given": money(found.given),
        "bound": docs.number(found.bound),
        "gap_bps": docs.number(found.gap_bps),
        "below_feeds_percent": docs.number(loss) if (loss := _against_feeds(found, usd)) is not None else None,
        "parts": [
            {
                "pools": [{"name": p.name, "protocol": p.protocol, "address": p.address} for p in part.pools],
                "taken": money(part.taken),
                "given": money(part.given),
            }
            for part in found.parts
        ],
        "unread": unread,
    }


def _table(
    chain: ChainSettings, found: Route, block: BlockRef, usd: tuple[float | None, float | None], unread: list[str]
) -> Any:
    from rich.console import Group
    from rich.text import Text

    from yieldbot.cli.tables import Sheet

    given, wanted = found.taken.token, found.given.token
    sheet = Sheet(
        f"Quote. {found.taken} on {chain.name}, block {block.height:,}", "Way", f">{given.symbol}", f">{wanted.symbol}"
    )
    for part in found.parts:
        way = " > ".join(f"{pool.name} ({pool.token0.symbol}/{pool.token1.symbol})" for pool in part.pools)
        sheet.add_row(way, f"{float(part.taken):,.6g}", f"{float(part.given):,.6g}")
    each = float(found.taken) / float(found.given) if found.given.raw else 0.0
    loss = _against_feeds(found, usd)
    feeds = "no feeds to compare with" if loss is None else f"{loss:.3f} % below the feeds' price"
    lines = [
        f"gives {found.given}: {each:,.6g} {given.symbol} a {wanted.symbol}, {feeds}",
        f"certificate: no split over these ways gives more than {found.bound:,.8g} {wanted.symbol}; "
        f"gap {found.gap_bps:.4f} bp",
        *(f"not read: {why}" for why in unread),
    ]
    return Group(sheet, *(Text(line) for line in lines))
