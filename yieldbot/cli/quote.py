"""``yieldbot quote FROM TO AMOUNT``: what a swap would give now, by our own arithmetic, and over which pools."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldbot.errors import ConfigError, MarketError

if TYPE_CHECKING:
    import argparse

    from yieldbot.allocator.fair import Fair
    from yieldbot.allocator.route import Route
    from yieldbot.cli.context import Context
    from yieldbot.model.amounts import BlockRef, Token
    from yieldbot.model.exchange import PoolState
    from yieldbot.model.plan import Declined
    from yieldbot.model.policy import ChainSettings


FEEDS = "the feeds"
MEAN_SECONDS = 1800
"""What a pool's own mean price is taken over: to move it, a price must be held against everybody for that long."""


class Read(NamedTuple):
    """prices: whole tokens wanted for one given, by who says so."""

    block: BlockRef
    states: list[PoolState]
    prices: dict[str, float]
    unread: list[str]


def register(commands: Any) -> None:
    what = "what a swap would give now, split over the chain's exchanges; nothing is sent"
    parser = commands.add_parser("quote", help=what, description=what)
    parser.add_argument("given", metavar="FROM", help="the token that goes in, as USDC")
    parser.add_argument("wanted", metavar="TO", help="the token that comes out, as WETH")
    parser.add_argument("amount", metavar="AMOUNT", help="how much goes in, in whole tokens")
    parser.add_argument(
        "--slippage-bps", type=float, default=50.0, metavar="BPS", help="for the least output (default 50)"
    )
    parser.add_argument("--chain", metavar="NAME", help="the chain, where several have jobs")
    parser.set_defaults(command="quote", handler=quote)


def quote(args: argparse.Namespace, context: Context) -> int:
    import asyncio

    from yieldbot.allocator.fair import Fair, enough, fair
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
    if not 0 <= args.slippage_bps < 10_000:
        raise ConfigError(f"--slippage-bps {args.slippage_bps:g}: name a number from 0 up to 10000")
    try:
        read = asyncio.run(_read(chain, given, wanted))
        found = route(read.states, amount, wanted)
    except Unswappable as bad:
        raise MarketError(f"{amount} for {wanted.symbol} on {chain.name}: {bad}") from None
    judged = fair(read.prices, amount, wanted, args.slippage_bps)
    if isinstance(judged, Fair):
        judged = enough(found.given, judged.least) or judged
    document = docs.document("quote", chain_id=chain.chain, **_doc(found, read, judged))
    context.show(document, lambda: _table(chain, found, read, judged))
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


async def _read(chain: ChainSettings, given: Token, wanted: Token) -> Read:
    """The pools of all the chain's tokens at one block, and the prices that they do not make alone."""
    from yieldbot.prices import feed
    from yieldbot.protocols import exchanges
    from yieldbot.protocols.uniswap_v3 import UniswapV3, mean_price
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
        prices: dict[str, float] = {}
        feeds = [address for token in (given, wanted) if (address := chain.feeds.get(token.address)) is not None]
        usd = [p.usd for p in await node.run([feed(a) for a in feeds], block) if not isinstance(p, MarketError)]
        if len(usd) == 2:
            prices[FEEDS] = usd[0] / usd[1]
        direct = [p for p in pools if {p.token0, p.token1} == {given, wanted} and p.protocol == UniswapV3.protocol]
        means = await node.run([mean_price(pool, MEAN_SECONDS) for pool in direct], block)
        for pool, mean in zip(direct, means, strict=True):
            if isinstance(mean, MarketError):
                unread.append(f"{pool.name}: no mean over {MEAN_SECONDS // 60} minutes: {mean}")
            else:
                prices[f"{pool.name}'s mean"] = mean if given == pool.token0 else 1.0 / mean
    return Read(block, states, prices, unread)


def _doc(found: Route, read: Read, judged: Fair | Declined) -> dict[str, Any]:
    from yieldbot.allocator.fair import Fair
    from yieldbot.cli import documents as docs

    return {
        "block": read.block.height,
        "taken": docs.money(found.taken),
        "given": docs.money(found.given),
        "bound": docs.number(found.bound),
        "gap_bps": docs.number(found.gap_bps),
        "prices": [{"source": who, "rate": docs.number(rate)} for who, rate in sorted(read.prices.items())],
        "least": docs.money(judged.least) if isinstance(judged, Fair) else None,
        "declined": None if isinstance(judged, Fair) else docs.declined(judged),
        "parts": [
            {
                "pools": [{"name": p.name, "protocol": p.protocol, "address": p.address} for p in part.pools],
                "taken": docs.money(part.taken),
                "given": docs.money(part.given),
            }
            for part in found.parts
        ],
        "unread": read.unread,
    }


def _table(chain: ChainSettings, found: Route, read: Read, judged: Fair | Declined) -> Any:
    from rich.console import Group
    from rich.text import Text

    from yieldbot.allocator.fair import Fair
    from yieldbot.cli.tables import Sheet

    given, wanted = found.taken.token, found.given.token
    title = f"Quote. {found.taken} on {chain.name}, block {read.block.height:,}"
    sheet = Sheet(title, "Way", f">{given.symbol}", f">{wanted.symbol}")
    for part in found.parts:
        way = " > ".join(f"{pool.name} ({pool.token0.symbol}/{pool.token1.symbol})" for pool in part.pools)
        sheet.add_row(way, f"{float(part.taken):,.6g}", f"{float(part.given):,.6g}")
    rate = float(found.given) / float(found.taken)
    lines = [f"gives {found.given}: {rate:,.6g} {wanted.symbol} a {given.symbol}"]
    for who, price in sorted(read.prices.items()):
        below = (1.0 - rate / price) * 100
        lines.append(f"{who}: {price:,.6g} {wanted.symbol} a {given.symbol}, {abs(below):.3f} % {_side(below)}")
    lines += [
        f"certificate: no split over these ways gives more than {found.bound:,.8g} {wanted.symbol}; "
        f"gap {found.gap_bps:.4f} bp",
        f"least output: {judged.least}" if isinstance(judged, Fair) else f"REFUSED {judged.code}: {judged.reason}",
        *(f"not read: {why}" for why in read.unread),
    ]
    return Group(sheet, *(Text(line) for line in lines))


def _side(below: float) -> str:
    return "more than the swap gives" if below >= 0 else "less than the swap gives"
