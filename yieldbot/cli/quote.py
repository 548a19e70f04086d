"""``yieldbot quote FROM TO AMOUNT``: what a swap would bring now, computed from the pools' state, and over which pools.

With ``--out AMOUNT``: the input for an exact output. With ``--aggregator``: also LI.FI's quote (on Solana Jupiter's),
with ``--to-chain`` also for bridging; it is only shown, decides nothing and is never signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app import quotes
from yieldbot.app.quotes import BridgeQuote, Quote, QuoteRequest
from yieldbot.app.results import FairOutput, Quoted
from yieldbot.cli.flags import decimal
from yieldbot.cli.tables import TextTable
from yieldbot.model.numbers import significant

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.results import Route
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen
    from yieldbot.errors import YieldbotError


def register(listed: CommandList) -> None:
    parser = listed.add_parser("quote")
    parser.add_argument("given", metavar="FROM", help="the token that goes in, as USDC")
    parser.add_argument("wanted", metavar="TO", help="the token that comes out, as WETH")
    parser.add_argument("amount", nargs="?", metavar="AMOUNT", help="how much goes in, in whole tokens")
    parser.add_argument(
        "--out",
        metavar="AMOUNT",
        help="the exact output instead of AMOUNT, in whole tokens; shows the input that it takes",
    )
    parser.add_argument(
        "--slippage-bps",
        type=decimal,
        default=50.0,
        metavar="BPS",
        help="largest slippage, from which the minimum out follows (default 50)",
    )
    parser.add_argument("--chain", metavar="NAME", help="the chain, if several have jobs")
    other = (
        "also ask LI.FI (it learns the amount and your address; on Solana Jupiter, which learns the amount); its quote "
    )
    other += "is shown and never signed"
    parser.add_argument("--aggregator", nargs="?", const="", metavar="URL", help=other)
    parser.add_argument(
        "--to-chain", metavar="NAME", help="with --aggregator: the chain of TO, for the quote of a bridge"
    )
    parser.set_defaults(command="quote", handler=quote)


def quote(args: argparse.Namespace, context: Screen) -> int:
    request = QuoteRequest(
        given=args.given,
        wanted=args.wanted,
        amount=args.amount,
        out=args.out,
        slippage_bps=args.slippage_bps,
        chain=args.chain,
        aggregator=args.aggregator,
        to_chain=args.to_chain,
    )
    found = quotes.quote(request, context)
    context.show(found.document.as_json(), lambda: _bridged(found) if isinstance(found, BridgeQuote) else _table(found))
    return 0


def _bridged(found: BridgeQuote) -> str:
    taken = found.aggregated.taken
    return f"{taken} on {found.chain.name} to {found.to_chain.name}: {_aggregated(found.aggregated)}"


def _aggregated(other: Quoted | YieldbotError, ours: Route | None = None) -> str:
    """The aggregator's quote in one line, compared with our own if there is one."""
    if not isinstance(other, Quoted):
        return str(other)
    text = f"{other.given} by {other.tool}, {other.least} at least"
    if other.seconds or other.fees_usd or other.gas_usd:  # Jupiter states none of these
        text += f", in {other.seconds:z,.0f} s"
        text += f"; it says that fees are {other.fees_usd:z,.2f} and gas {other.gas_usd:z,.2f} US dollars"
    if ours is None:
        return f"{text}; not checked, and never signed"
    more = (other.given.raw / ours.given.raw - 1.0) * 100
    return f"{text}; {abs(more):z.3f} % {'more' if more >= 0 else 'less'} than ours. It is never signed"


def _table(quoted: Quote) -> Group:
    chain, found, read, judged, other = quoted.chain, quoted.route, quoted.read, quoted.judged, quoted.aggregated
    given, wanted = found.taken.token, found.given.token
    exact = found.given if found.exact_out else found.taken
    title = f"Quote. {exact}{' out' * found.exact_out} on {chain.name}, {chain.family.height} {read.block.height:,}"
    sheet = TextTable(title, "Route", f">{given.symbol}", f">{wanted.symbol}")
    for part in found.parts:
        pools = " > ".join(f"{pool.name} ({pool.token0.symbol}/{pool.token1.symbol})" for pool in part.pools)
        sheet.add_row(pools, significant(float(part.taken), 6), significant(float(part.given), 6))
    rate = float(found.given) / float(found.taken)
    done = f"takes {found.taken}" if found.exact_out else f"gives {found.given}"
    gas = f"{significant(float(found.cost), 4)} {found.cost.token.symbol}" if found.cost else "not counted"
    lines = [f"{done}: {significant(rate, 6)} {wanted.symbol} a {given.symbol}; gas of its transactions: {gas}"]
    for who, price in sorted(read.prices.items()):
        below = (1.0 - rate / price) * 100
        lines.append(
            f"{who}: {significant(price, 6)} {wanted.symbol} a {given.symbol}, {abs(below):z.3f} % {_side(below)}"
        )
    lines += [
        f"certificate: no split over these routes {_bounded(found)}; gap {found.gap_bps:z.4f} bp",
        _limit(quoted) if isinstance(judged, FairOutput) else f"REFUSED {judged.code}: {judged.reason}",
        *([f"{quotes.aggregator_name(chain)}: {_aggregated(other, found)}"] if other is not None else []),
        *(f"not read: {why}" for why in read.unread),
    ]
    return Group(sheet, *(Text(line) for line in lines))


def _limit(quoted: Quote) -> str:
    """What a swap would be held to: the least that comes out, or of an exact output the most that goes in."""
    assert isinstance(quoted.judged, FairOutput)
    return f"minimum out: {quoted.judged.least}" if quoted.most is None else f"most that goes in: {quoted.most}"


def _bounded(found: Route) -> str:
    bound = f"{significant(found.bound, 8)} {found.cost.token.symbol}"
    if found.exact_out:
        return f"needs less than {bound}{', gas included' if found.cost else ''}"
    return f"gives more than {bound}{' after gas' if found.cost else ''}"


def _side(below: float) -> str:
    return "more than the swap gives" if below >= 0 else "less than the swap gives"
