"""``yieldbot discover``: the markets that registries list on chain; ``--pin`` writes some into a chain's file."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import discover as app
from yieldbot.app.discover import MOST_FULL, DiscoverRequest
from yieldbot.app.pin import pin
from yieldbot.cli.flags import add_job_flags, decimal, filter_of, natural
from yieldbot.cli.prompts import confirmed
from yieldbot.cli.render import percent
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.numbers import significant
from yieldbot.model.text import clipped, counted

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.discover_documents import DiscoveredChain, DiscoveredMarket, DiscoveredPool
    from yieldbot.app.pin import Change
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_CURATORS = 3
"""Most curators that the line below a table names."""
LISTED = "listed"
"""The state of a market that is in the chain's file."""
FIRST_GRADE = (
    "Safety of a market that is not pinned: without who controls it and without history; once it is pinned and "
    "watched, it may rise or fall, and policy.min_safety is compared with that."
)
"""What the column of grades does not know."""
MOST_NAME = 48
"""Most characters of a registry's and a market's name together."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("discover")
    add_job_flags(parser)
    parser.add_argument(
        "--min-supplied", default="", metavar="AMOUNT", help="only markets with at least this supplied, in whole tokens"
    )
    parser.add_argument(
        "--min-age", type=decimal, default=0.0, metavar="DAYS", help="only markets that are at least this old"
    )
    parser.add_argument(
        "--min-safety", type=natural, metavar="N", help="only markets of this grade (0 to 100) or better"
    )
    parser.add_argument(
        "--curator",
        default="",
        metavar="ADDRESS",
        help="only vaults of this curator: the address that decides where their money lies",
    )
    parser.add_argument(
        "--collateral", default="", metavar="TOKEN", help="only markets with this collateral, by symbol or address"
    )
    parser.add_argument("--new", action="store_true", help="only what is new since the last time")
    parser.add_argument(
        "--full",
        type=natural,
        default=MOST_FULL,
        metavar="N",
        help=f"how many markets of each asset are read in full, the largest first (default: {MOST_FULL})",
    )
    parser.add_argument(
        "--pin",
        nargs="+",
        default=[],
        metavar="KEY",
        help="write these markets into the chain's file, after you have read the change and agreed; only then may "
        "money go there",
    )
    parser.set_defaults(command="discover", handler=discover)


def discover(args: argparse.Namespace, context: Screen) -> int:
    request = DiscoverRequest(
        jobs=filter_of(args),
        min_supplied=args.min_supplied,
        min_age_days=args.min_age,
        min_safety=args.min_safety,
        curator=args.curator,
        collateral=args.collateral,
        new=args.new,
        full=args.full,
        keys=tuple(args.pin),
    )
    answer = app.discover(request, context)
    if args.pin:
        return _pin(args.pin, answer.markets, context)
    document = answer.document
    context.show(document.as_json(), *(partial(_chain, one) for one in document.chains))
    if document.exit_code:
        context.complain("not everything could be read: what is there may be missing here")
    return document.exit_code


def _pin(keys: list[str], found: Any, context: Screen) -> int:
    def ask() -> bool:
        if not sys.stdin.isatty():
            raise ConfigError("--pin: nothing is written without a person: run it on a terminal and agree there")
        return confirmed("Write this? From then on money may go there")

    written = pin(keys, found, context, partial(_change, context), ask)
    for path in written:
        context.say(f"written: {path}: `yieldbot check` compares it with the chain")
    if not written:
        context.say("nothing was written")
    return 0 if written else 1


def _change(context: Screen, change: Change) -> None:
    for line in (*change.facts, *change.lines):
        context.say(line)
    for warning in change.warnings:
        context.say(f"  look at this: {warning}")


def _chain(chain: DiscoveredChain) -> Any:
    if chain.skipped is not None:
        return Text(f"{chain.chain} skipped: {chain.skipped}", style="yellow")
    if chain.block is None:
        return Text(f"{chain.chain}: its file names no registries and no exchanges")
    where = f"{chain.chain}, {chain.height} {chain.block:,}"
    parts = list[Any]()
    if chain.markets:
        title = f"{where}: {counted(len(chain.markets), 'market')}"
        sheet = TextTable(title, "Market", ">Supplied", ">Quoted APY", ">Safety", ">Age", "Collateral", "State")
        for one in chain.markets:
            sheet.add_row(*_row(one))
        parts.append(sheet)
        if any(one.safety is not None and one.state != LISTED for one in chain.markets):
            parts.append(Text(FIRST_GRADE))
    elif chain.hidden:
        parts.append(Text(f"{where}: no market passes the filters"))
    else:
        parts.append(
            Text(f"{where}: " + ("no market" if chain.registries else "its file names no registry of markets"))
        )
    if chain.no_such_curator is not None:
        parts.append(Text(chain.no_such_curator, style="yellow"))
    if chain.hidden:
        parts.append(Text(counted(chain.hidden, "market does not", "markets do not") + " pass the filters"))
    if chain.curators and chain.no_such_curator is None:
        some = ", ".join(chain.curators[:MOST_CURATORS])
        more = f" and {len(chain.curators) - MOST_CURATORS} more" if chain.curators[MOST_CURATORS:] else ""
        parts.append(Text(f"curators (who decides where a vault's money lies; --curator shows one's): {some}{more}"))
    if chain.pools:
        sheet = TextTable(f"Pools of exchanges: {len(chain.pools)}, which need no pin", "Pool", ">Holds", "Used for")
        for pool in chain.pools:
            sheet.add_row(*_pool(pool))
        parts.append(sheet)
    parts += [Text(f"pools not read: {why}", style="red") for why in chain.unread_pools]
    for registry in chain.registries:
        since = "" if registry.since_block is None else f" since block {registry.since_block:,}"
        listed = f"{counted(registry.entries, 'market')} of any asset{since}"
        head = f"{registry.name} ({registry.kind} {registry.address}): {listed}"
        if registry.failure is not None:
            parts.append(Text(f"{registry.name}: not read: {registry.failure}", style="red"))
            continue
        parts.append(Text(head + ("" if registry.previous_run else ", read for the first time")))
        if registry.cut is not None:
            parts.append(Text(f"  incomplete: {registry.cut}", style="yellow"))
        parts += [Text(f"  {note}", style="yellow") for note in registry.notes]
    return Group(*parts)


def _pool(one: DiscoveredPool) -> tuple[str, ...]:
    held = "\n".join(
        f"{significant(amount, 4)} {symbol}" if amount < 1 else f"{amount:z,.0f} {symbol}"
        for amount, symbol in zip(one.held, one.tokens, strict=True)
    )
    return f"{one.name} {'/'.join(one.tokens)}\n{one.key}", held, " and ".join(one.used_for) or "no job reads it"


def _row(one: DiscoveredMarket) -> tuple[str, ...]:
    state = [
        one.state,
        *(["new"] if one.new else []),
        *_fixed(one),
        *one.flags,
        *([f"unfit: {one.unfit}"] if one.unfit else []),
    ]
    limit = "" if one.collateral_limit is None else f" {one.collateral_limit:z.1%}"
    return (
        f"{clipped(f'{one.registry} {one.name}'.strip(), MOST_NAME)}\n{one.key}",
        f"{one.supplied:z,.0f} {one.asset}",
        _apy(one),
        "-" if one.safety is None else f"{one.safety} {one.letter}",
        "-" if one.age_days is None else f"{one.age_days:z,.0f} d",
        f"{one.collateral_symbol or one.collateral[:10]}{limit}" if one.collateral else "-",
        "; ".join(state),
    )


def _apy(one: DiscoveredMarket) -> str:
    """Its yield, as `markets` shows it."""
    return percent(one.quoted_apy)


def _fixed(one: DiscoveredMarket) -> list[str]:
    """Until when a rate is fixed, and what leaving at once costs."""
    if one.expiry is None:
        return []
    until = f"fixed until {datetime.fromtimestamp(one.expiry, UTC):%Y-%m-%d}"
    return [until if one.exit_cost is None else f"{until}, sold at once it loses {one.exit_cost:z.2%}"]
