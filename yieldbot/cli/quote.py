"""``yieldbot quote FROM TO AMOUNT``: what a swap would give now, by our own arithmetic, and over which pools.

With ``--out AMOUNT``: what goes in for an exact output. With ``--aggregator``: what LI.FI says beside it, with
``--to-chain`` also of bridges; that is shown, decides nothing and is never signed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.allocator.route import route, route_for
from yieldbot.app import documents as docs
from yieldbot.bridges import lifi
from yieldbot.bridges.lifi import NAME, Quoted
from yieldbot.chains.open import chain_of
from yieldbot.cli.flags import decimal
from yieldbot.cli.tables import Sheet
from yieldbot.config.chain import load_chain
from yieldbot.config.load import chain_names, read_toml
from yieldbot.errors import ConfigError, MarketError, TransientError, YieldbotError
from yieldbot.math.concentrated import Unswappable
from yieldbot.model.families import EVM
from yieldbot.risk.prices import MOST_APART_BPS, Fair, depegged, enough, fair, stale, unsure
from yieldbot.rpc.service import get

if TYPE_CHECKING:
    import argparse

    from yieldbot.allocator.route import Route
    from yieldbot.chains.quote_values import Read
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.model.amounts import Amount, Token
    from yieldbot.model.plan import Declined
    from yieldbot.model.policy import ChainSettings, Policy


def register(listed: Listed) -> None:
    parser = listed.add_parser("quote")
    parser.add_argument("given", metavar="FROM", help="the token that goes in, as USDC")
    parser.add_argument("wanted", metavar="TO", help="the token that comes out, as WETH")
    parser.add_argument("amount", nargs="?", metavar="AMOUNT", help="how much goes in, in whole tokens")
    parser.add_argument("--out", metavar="AMOUNT", help="how much comes out, exactly; what goes in is then told")
    parser.add_argument(
        "--slippage-bps", type=decimal, default=50.0, metavar="BPS", help="for the least output (default 50)"
    )
    parser.add_argument("--chain", metavar="NAME", help="the chain, where several have jobs")
    asked = "also ask LI.FI (it learns the amount and your address); its answer is shown and never signed"
    parser.add_argument("--aggregator", nargs="?", const="", metavar="URL", help=asked)
    parser.add_argument("--to-chain", metavar="NAME", help="the chain of TO, by LI.FI's bridges: needs --aggregator")
    parser.set_defaults(command="quote", handler=quote)


def quote(args: argparse.Namespace, context: Screen) -> int:
    if not 0 <= args.slippage_bps < 10_000:
        raise ConfigError(f"--slippage-bps {args.slippage_bps:g}: name a number from 0 up to 10000")
    chain = _chain(args.chain, context)
    if args.to_chain is not None and args.to_chain != chain.name:
        return _bridge(args, context, chain)
    given, wanted = (_token(chain, name) for name in (args.given, args.wanted))
    if given == wanted:
        raise ConfigError("FROM and TO are the same token")
    if (args.amount is None) == (args.out is None):
        raise ConfigError("name either AMOUNT, what goes in, or --out AMOUNT, what comes out")
    amount = _amount("AMOUNT", given, args.amount) if args.out is None else _amount("--out", wanted, args.out)
    if not chain.exchanges:
        raise ConfigError(f"chains/{chain.name}.toml has no [[exchanges]] table: add one (docs/configuration.md)")
    try:
        seen = asyncio.run(chain_of(chain).quotes(given, wanted))
        if args.out is None:
            found = route(seen.states, amount, wanted, seen.unit_cost(wanted), seen.way_cost(wanted))
        else:
            found = route_for(seen.states, given, amount, seen.unit_cost(given), seen.way_cost(given))
    except Unswappable as bad:
        raise MarketError(f"{amount} for {wanted.symbol} on {chain.name}: {bad}") from None
    judged = _judged(chain, context.settings.policy, found, seen, args.slippage_bps)
    other = None if args.aggregator is None else _aggregated(args, context, chain, found.taken, wanted)
    document = docs.document("quote", chain_id=chain.chain, **_doc(found, seen, judged), aggregator=_other(other))
    context.show(document, lambda: _table(chain, found, seen, judged, other))
    return 0


def _bridge(args: argparse.Namespace, context: Screen, chain: ChainSettings) -> int:
    """A quote from one chain to another: the aggregator's alone, which nothing of ours can check."""
    if args.aggregator is None or args.out is not None or args.amount is None:
        raise ConfigError("--to-chain: bridges are quoted by LI.FI alone: name AMOUNT and --aggregator, and no --out")
    there = _chain_file(context, args.to_chain)
    given, wanted = _token(chain, args.given), _token(there, args.wanted)
    found = _aggregated(args, context, chain, _amount("AMOUNT", given, args.amount), wanted)
    if isinstance(found, YieldbotError):
        raise found
    ids = {"chain_id": chain.chain, "to_chain_id": there.chain}
    document = docs.document("quote-bridge", **ids, taken=docs.money(found.taken), aggregator=_other(found))
    context.show(document, lambda: f"{found.taken} on {chain.name} to {there.name}: {_said(found)}")
    return 0


def _aggregated(
    args: argparse.Namespace, context: Screen, chain: ChainSettings, given: Amount, wanted: Token
) -> Quoted | YieldbotError:
    """What the aggregator says, or why it says nothing: our own quote stands without it."""

    if chain.family is not EVM:
        raise ConfigError("--aggregator: LI.FI is asked for EVM chains alone")
    owner = next(job.wallet.address for job in context.settings.jobs if job.chain.name == chain.name)
    try:
        asked = lifi.request(given, wanted, owner, args.slippage_bps, args.aggregator or lifi.URL)
        return lifi.answered(get(asked), given, wanted, owner)
    except (TransientError, MarketError) as failure:
        return failure


def _amount(name: str, token: Token, said: str) -> Amount:
    try:
        amount = token.parse(said)
    except ValueError as bad:
        raise ConfigError(f"{name}: {bad}") from None
    if amount.raw <= 0:
        raise ConfigError(f"{name} {said}: name more than nothing")
    return amount


def _judged(chain: ChainSettings, policy: Policy, found: Route, seen: Read, slippage_bps: float) -> Fair | Declined:
    """The least output, or why nobody should swap so: old feeds, a lost peg, prices that differ, too little."""
    updated = {token.symbol: price.updated_at for token, price in seen.usd.items()}
    usd = {token: price.usd for token, price in seen.usd.items()}
    oldest = chain.family.feed_age_seconds(policy.max_feed_age_seconds)
    refused = stale(updated, seen.block.timestamp, oldest)
    refused = refused or unsure({token.symbol: price.unsure for token, price in seen.usd.items()}, MOST_APART_BPS)
    refused = refused or depegged((found.taken.token, found.given.token), usd, chain.pegged, policy.max_depeg_bps)
    judged = refused or fair(seen.prices, found.taken, found.given.token, slippage_bps)
    return (enough(found.given, judged.least) or judged) if isinstance(judged, Fair) else judged


def _chain(name: str | None, context: Screen) -> ChainSettings:
    chains = {job.chain.name: job.chain for job in context.settings.jobs}
    if name is None and len(chains) == 1:
        return next(iter(chains.values()))
    if name not in chains:
        known = ", ".join(sorted(chains)) or "none"
        raise ConfigError(f"--chain {name or 'is missing'}: chains with jobs are: {known}")
    return chains[name]


def _chain_file(context: Screen, name: str) -> ChainSettings:
    """An EVM chain of chains/, whether a job is on it or not."""
    files = chain_names(context.config)
    found = load_chain(files[name], read_toml(files[name]), {}) if name in files else None
    if found is None or found.family is not EVM:
        raise ConfigError(f"--to-chain {name}: EVM chains are wanted, files of chains/ are: {', '.join(sorted(files))}")
    return found


def _token(chain: ChainSettings, name: str) -> Token:
    if name not in chain.tokens:
        raise ConfigError(f"{name}: chains/{chain.name}.toml has: {', '.join(chain.tokens)}")
    return chain.tokens[name]


def _doc(found: Route, seen: Read, judged: Fair | Declined) -> dict[str, Any]:
    return {
        "block": seen.block.height,
        "taken": docs.money(found.taken),
        "given": docs.money(found.given),
        "exact_out": found.exact_out,
        "gas": sum(part.gas for part in found.parts),
        "gas_cost": docs.money(found.cost),
        "bound": docs.number(found.bound),
        "gap_bps": docs.number(found.gap_bps),
        "prices": [{"source": who, "rate": docs.number(rate)} for who, rate in sorted(seen.prices.items())],
        "least": docs.money(judged.least) if isinstance(judged, Fair) else None,
        "declined": None if isinstance(judged, Fair) else docs.declined(judged),
        "parts": [
            {
                "pools": [
                    {"name": p.name, "protocol": p.protocol, "address": p.address, "id": p.id} for p in part.pools
                ],
                "taken": docs.money(part.taken),
                "given": docs.money(part.given),
                "gas": part.gas,
            }
            for part in found.parts
        ],
        "unread": seen.unread,
    }


def _other(found: Quoted | YieldbotError | None) -> dict[str, Any] | None:
    if not isinstance(found, Quoted):
        return None if found is None else {"name": NAME, "error": str(found)}
    costs = {"fees_usd": found.fees_usd, "gas_usd": found.gas_usd, "seconds": found.seconds}
    return {
        "name": NAME,
        "tool": found.tool,
        "given": docs.money(found.given),
        "least": docs.money(found.least),
    } | costs


def _said(other: Quoted | YieldbotError, ours: Route | None = None) -> str:
    """The aggregator's word in a line, against our own quote where there is one."""
    if not isinstance(other, Quoted):
        return str(other)
    said = f"{other.given} by {other.tool}, {other.least} at least, in {other.seconds:,.0f} s"
    said += f"; fees of {other.fees_usd:,.2f} and gas of {other.gas_usd:,.2f} dollars by its own word"
    if ours is None:
        return f"{said}; not checked, and never signed"
    more = (other.given.raw / ours.given.raw - 1.0) * 100
    return f"{said}; {abs(more):.3f} % {'more' if more >= 0 else 'less'} than ours. It is never signed"


def _table(
    chain: ChainSettings, found: Route, seen: Read, judged: Fair | Declined, other: Quoted | YieldbotError | None
) -> Any:
    given, wanted = found.taken.token, found.given.token
    exact = found.given if found.exact_out else found.taken
    title = f"Quote. {exact}{' out' * found.exact_out} on {chain.name}, block {seen.block.height:,}"
    sheet = Sheet(title, "Way", f">{given.symbol}", f">{wanted.symbol}")
    for part in found.parts:
        way = " > ".join(f"{pool.name} ({pool.token0.symbol}/{pool.token1.symbol})" for pool in part.pools)
        sheet.add_row(way, f"{float(part.taken):,.6g}", f"{float(part.given):,.6g}")
    rate = float(found.given) / float(found.taken)
    done = f"takes {found.taken}" if found.exact_out else f"gives {found.given}"
    gas = f"{float(found.cost):,.4g} {found.cost.token.symbol}" if found.cost else "not counted"
    lines = [f"{done}: {rate:,.6g} {wanted.symbol} a {given.symbol}; gas of its transactions: {gas}"]
    for who, price in sorted(seen.prices.items()):
        below = (1.0 - rate / price) * 100
        lines.append(f"{who}: {price:,.6g} {wanted.symbol} a {given.symbol}, {abs(below):.3f} % {_side(below)}")
    lines += [
        f"certificate: no split over these ways {_bounded(found)}; gap {found.gap_bps:.4f} bp",
        f"least output: {judged.least}" if isinstance(judged, Fair) else f"REFUSED {judged.code}: {judged.reason}",
        *([f"{NAME}: {_said(other, found)}"] if other is not None else []),
        *(f"not read: {why}" for why in seen.unread),
    ]
    return Group(sheet, *(Text(line) for line in lines))


def _bounded(found: Route) -> str:
    said = f"{found.bound:,.8g} {found.cost.token.symbol}"
    if found.exact_out:
        return f"needs less than {said}{', gas included' if found.cost else ''}"
    return f"gives more than {said}{' after gas' if found.cost else ''}"


def _side(below: float) -> str:
    return "more than the swap gives" if below >= 0 else "less than the swap gives"
