"""``yieldbot markets | positions | plan``: the markets, our holdings, what a run would do. Nothing is signed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import market_view, whatif
from yieldbot.app import markets as market_use
from yieldbot.app import plan as plan_use
from yieldbot.app import positions as position_use
from yieldbot.app.exposure_documents import exposure_line
from yieldbot.app.liquidity import PoolsAnswer
from yieldbot.app.position_documents import JobPositions
from yieldbot.app.removed_jobs import REMEDY
from yieldbot.cli import learned_table, liquidity_profit_table, listings, lp_tables, profit_table, render, why_table
from yieldbot.cli.flags import add_job_flags, filter_of
from yieldbot.cli.market_table import Shown, chosen
from yieldbot.cli.skips import skipped
from yieldbot.errors import ConfigError
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.results import UnreadHolding
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job


LEAST_WATCH_SECONDS, MOST_WATCH_SECONDS = 1, 86_400
"""Bounds of ``markets --watch``."""
CLEARED = "\x1b[2J\x1b[H"
"""Clears a terminal and goes to its top."""


def register(listed: CommandList) -> None:
    for name, handler in (("markets", markets), ("positions", positions), ("plan", plan)):
        parser = listed.add_parser(name)
        add_job_flags(parser)
        parser.set_defaults(command=name, handler=handler)
        if name == "plan":
            what_if_flags(parser)
        if name == "markets":
            parser.add_argument("--amount", metavar="TOKENS", help="assume this wealth, in whole tokens")
            parser.add_argument(
                "--kind", choices=market_use.KINDS, help="only markets of this kind; lp: liquidity in pools"
            )
            market_flags(parser)


def market_flags(parser: argparse.ArgumentParser) -> None:
    """Add the filters, orders and forms of the list of markets."""
    add = parser.add_argument
    add("--min-safety", type=int, metavar="GRADE", help="only markets with at least this safety grade (0-100)")
    add("--protocol", metavar="NAME", help="only markets of this protocol, or with this in their name")
    add("--min-supplied", metavar="TOKENS", help="only markets with at least this supply, in whole tokens")
    add("--exit-within", type=float, metavar="HOURS", help="only markets that pay out within so many hours")
    add("--sort", metavar="COLUMN", default=market_view.USUAL, help=f"{', '.join(market_view.SORTS)} or name")
    add("--reverse", action="store_true", help="the other way round; what is held comes first all the same")
    add("--top", type=int, metavar="N", help="only the first N markets")
    add("--columns", metavar="NAMES", help="columns to show, as apy,safety,exit; an unknown one lists all")
    add("--csv", action="store_true", help="write comma-separated values to standard output")
    add(
        "--watch",
        type=float,
        metavar="SECONDS",
        help="show it again every so many seconds, until Ctrl-C (--json: one document a line)",
    )


def what_if_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that ``whatif.from_flags`` reads."""
    group = parser.add_argument_group("what if (changes nothing in the configuration)")
    group.add_argument("--wealth", metavar="TOKENS", help="assume this wealth, in whole tokens")
    group.add_argument(
        "--horizon", metavar="DAYS", help="days within which a move must earn its cost, for idle and for invested money"
    )
    group.add_argument(
        "--exclude", metavar="NAME", action="append", default=[], help="leave out markets of this name, id or protocol"
    )
    group.add_argument(
        "--max-share", metavar="FRACTION", help="the largest fraction of the wealth in one market, such as 0.25"
    )


def markets(args: argparse.Namespace, context: Screen) -> int:
    columns = chosen(args.columns)
    if args.csv and args.json:
        raise ConfigError("--csv and --json: choose one of them")
    if args.kind == "lp" and (args.csv or columns is not None):
        raise ConfigError("--csv, --columns: pools have a table of their own: leave them out, or --kind lp")
    if args.watch is not None and not LEAST_WATCH_SECONDS <= args.watch <= MOST_WATCH_SECONDS:
        raise ConfigError(f"--watch: write seconds, {LEAST_WATCH_SECONDS} to {MOST_WATCH_SECONDS:,}")
    view = market_view.View(
        protocol=args.protocol,
        min_supplied=args.min_supplied,
        exit_within_hours=args.exit_within,
        sort=args.sort,
        reverse=args.reverse,
        top=args.top,
    )
    request = market_use.MarketsRequest(
        jobs=filter_of(args), amount=args.amount, kind=args.kind, min_safety=args.min_safety, view=view
    )
    while True:
        found = market_use.markets(request, context)
        if args.watch is not None and sys.stdout.isatty() and not args.json:
            sys.stdout.write(CLEARED)
        if isinstance(found, PoolsAnswer):
            code = _pools(found, context)
        else:
            code = _markets(found, view, columns, args, context)
        if args.watch is None:
            return code
        with context.waiting():
            time.sleep(args.watch)


def _markets(
    found: market_use.MarketsAnswer,
    view: market_view.View,
    columns: tuple[str, ...] | None,
    args: argparse.Namespace,
    context: Screen,
) -> int:
    shown = Shown(view=view, columns=columns, width=context.console().width)
    if args.csv:
        sys.stdout.write(listings.markets_csv(found.listed, found.document, shown))
        for line in (*skipped(found.skipped), *listings.unread(found.listed)):
            context.complain(line.plain)
        return found.exit_code
    parts: list[Any] = []
    if found.listed:
        parts.append(lambda: listings.markets(found.listed, found.document, found.document.horizon_seconds, shown))
    if found.listed and not market_view.rows_of(found.document.jobs, view):
        parts.append(lambda: _nothing(found, args))
    parts += _skipped(found.skipped)
    context.show(found.document.as_json(), *parts)
    return found.exit_code


def _nothing(found: market_use.MarketsAnswer, args: argparse.Namespace) -> str:
    """Why the list is empty, and what would fill it."""
    if any(one.snapshot.markets for one in found.listed):
        return "No market passes these filters: leave one out to see more."
    if args.min_safety is not None:
        return f"No market has a grade of {args.min_safety} or more: `yieldbot risk` shows all grades."
    return (
        "No market of these jobs is listed: [[protocols]] in the chain's file name them, and `yieldbot check` says why "
        "one is not read."
    )


def _pools(found: PoolsAnswer, context: Screen) -> int:
    parts: list[Any] = [
        lambda one=one: lp_tables.pools(one, context.settings.policy) for one in found.shown if one.view
    ]
    parts += [lambda line=line: line for line in lp_tables.skipped(found.shown)]
    nothing = "No chain of these jobs lists an exchange whose liquidity can be read."
    context.show(found.document.as_json(), *(parts or [lambda: nothing]))
    return found.exit_code


def positions(args: argparse.Namespace, context: Screen) -> int:
    found = position_use.positions(position_use.PositionsRequest(jobs=filter_of(args)), context)
    horizon, policy = found.document.horizon_seconds, context.settings.policy
    now = max((one.snapshot.block.timestamp for one in found.jobs if one.snapshot is not None), default=0)
    shown = [(one.job, one.snapshot, one.positions) for one in found.jobs if one.snapshot is not None]
    entered = [(one.job, one.earned) for one in found.jobs if one.earned]
    gained = [row for one in found.liquidity for row in one.gained]
    parts: list[Any] = []
    if shown:
        parts.append(lambda: listings.positions(shown, found.document.totals, horizon, policy))
        parts += [lambda: profit_table.table(entered, found.document.totals)] if entered else []
    rests = [
        exposure_line(row.exposures, f"{row.asset} of {row.wallet} on {row.chain}")
        for row in found.document.jobs
        if isinstance(row, JobPositions)
    ]
    parts += [
        lambda line=line: Text(line)
        for line in (*rests, exposure_line(found.document.exposures, "All our money"))
        if line
    ]
    parts += [
        lambda gone=gone: Text(f"NOT COUNTED: {gone.line}; {REMEDY}.", style="bold red") for gone in found.removed
    ]
    parts += _skipped([(one.job, one.skipped) for one in found.jobs if one.skipped is not None])
    for one in found.jobs:
        parts += _unread(one.unread, f"{one.job.wallet.name} on {one.job.chain.name}") if one.skipped is None else []
    lost = {one.job.chain.name for one in found.jobs if one.skipped is not None}  # why is said above
    for pool in found.liquidity:
        if pool.view and (pool.view.positions or pool.view.unread):
            parts.append(lambda pool=pool: lp_tables.positions(pool))
    missed = lp_tables.skipped(pool for pool in found.liquidity if pool.job.chain.name not in lost)
    parts += [lambda line=line: Group("Liquidity:", line) for line in missed]
    parts += [lambda: liquidity_profit_table.table(gained)] if gained else []
    if ever := found.document.ever_held:
        parts.append(lambda: learned_table.table(ever, horizon / DAY_SECONDS, now))
    context.show(found.document.as_json(), *parts)
    return found.exit_code


def plan(args: argparse.Namespace, context: Screen) -> int:
    what_if = whatif.from_flags(args.wealth, args.horizon, args.exclude, args.max_share)
    found = plan_use.plan(plan_use.PlanRequest(jobs=filter_of(args), what_if=what_if), context)
    policy = what_if.policy(context.settings.policy) if what_if else context.settings.policy
    parts: list[Any] = [what_if.summary] if what_if else []
    made = [one for one in found.jobs if one.snapshot is not None]
    decided = [(one.job, one.counted or one.snapshot, one.outcome) for one in made if one.snapshot and one.outcome]
    explained = cache(lambda: iter(why_table.explained(decided, policy)))
    for one in made:
        if one.snapshot is None:
            continue
        parts.extend(_unread(one.unread))
        parts.extend(_no_way_out(one.snapshot))
        if any(state.alarms for state in one.snapshot.markets):
            parts.append(lambda one=one: Group(*render.alarms(one.snapshot)))
        if one.snapshot.contradicted:
            parts.append(lambda one=one: Group(*render.contradicted(one.snapshot)))
        if one.outcome is not None:
            parts.append(lambda: next(explained()))
    parts += _skipped([(one.job, one.skipped or "") for one in found.jobs if one.snapshot is None])
    seen = [one.snapshot for one in found.jobs if one.snapshot is not None]
    parts += [lambda line=line: line for line in listings.not_looked(seen)]
    parts += [lambda: listings.in_one_market(found.together)] if found.together else []
    parts += [lambda: listings.bridging(found.across, found.chains)] if found.across else []
    context.show(found.document.as_json(), *parts)
    return found.exit_code


def _no_way_out(snapshot: Snapshot) -> list[Any]:
    """Markets whose exit failed before, and holdings that cannot be withdrawn now."""
    shut = [state for state in snapshot.states.values() if state.no_way_out]
    names = render.names_of(snapshot)
    lines = [f"{names[state.market.id]} has no way out: {state.no_way_out}" for state in shut]
    lines += render.stuck(snapshot)
    return [lambda: "\n".join(lines)] if lines else []


def _unread(lost: Sequence[UnreadHolding], who: str = "we") -> list[Any]:
    """Markets that could not be read, where ``who`` held money; nothing where all could."""
    return [lambda: Group(*render.unread(lost, who))] if lost else []


def _skipped(rows: Sequence[tuple[Job, str]]) -> list[Any]:
    """What could not be served, a line each; nothing where everything could."""
    return [lambda: Group(*skipped(rows))] if rows else []
