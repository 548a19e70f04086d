"""``yieldbot exit``: leaves markets, lists the exits under way, ends one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Group
from rich.text import Text

from yieldbot.app import exit as app
from yieldbot.app.alike import together
from yieldbot.app.exit import ExitRequest, ExitStopRequest
from yieldbot.app.exit_documents import ExitJob
from yieldbot.app.formatting import when
from yieldbot.app.notice_runs import News
from yieldbot.cli import render
from yieldbot.cli.flags import add_job_flags, add_timeout_flag, filter_of
from yieldbot.cli.run import Person
from yieldbot.cli.skips import skipped
from yieldbot.errors import ConfigError
from yieldbot.notify.sending import after

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.cycle import Report
    from yieldbot.app.exit_documents import StandingExit
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    more = (
        ". What a market cannot pay now is taken out by later `run` or `exit` commands; no money goes in "
        "again until `exit MARKET --stop`. Without MARKET, every exit that was begun goes on"
    )
    parser = listed.add_parser("exit", more)
    parser.add_argument(
        "market", nargs="?", metavar="MARKET", help="a market's name or id as `markets` shows them, or all"
    )
    parser.add_argument("--to", metavar="ASSET", help="swap what comes out into this asset of the job, at fair prices")
    parser.add_argument("--list", action="store_true", help="list the exits that you ordered; nothing is sent")
    parser.add_argument("--stop", action="store_true", help="end the exit of MARKET: money may go in again")
    parser.add_argument(
        "--approve",
        choices=("queue", "ask", "auto"),
        default=None,
        help="as for `run`; default: ask on the terminal; without a terminal the plan waits for `approve ID` "
        "(exit "
        "code 3)",
    )
    add_job_flags(parser)
    add_timeout_flag(parser)
    parser.set_defaults(command="exit", handler=leave)


def leave(args: argparse.Namespace, context: Screen) -> int:
    if args.list and (args.stop or args.market or args.to):
        raise ConfigError("exit --list takes no market, no --stop and no --to")
    if args.to and (args.stop or not args.market):
        raise ConfigError("exit --to goes with the market that is to be left, or with all")
    if args.list:
        listed = app.standing(filter_of(args), context)
        lines = [f"{one.called}: {_state(one)}" for one in listed.exits] or ["no exit was ordered"]
        context.show(listed.as_json(), lambda: Text("\n".join(lines)))
        return 0
    if args.stop:
        if args.market is None:
            raise ConfigError("exit --stop needs the market, or all: `yieldbot exit --list` shows what was ordered")
        done = app.stop(ExitStopRequest(market=args.market, jobs=filter_of(args)), context)
        ended = [f"{one.called}: the exit is ended, money may go in again" for one in done.lifted]
        context.show(done.as_json(), lambda: "\n".join(ended))
        return 0
    terminal = sys.stdin.isatty()
    if args.approve == "ask" and not terminal:
        raise ConfigError("--approve ask needs a terminal to ask on: use --approve queue, then `yieldbot approve ID`")
    how: Literal["queue", "ask", "auto"] = args.approve or ("ask" if terminal else "queue")
    request = ExitRequest(market=args.market, jobs=filter_of(args), approve=how, into=args.to)
    code = carry_out(request, context, Person(context, args.timeout))
    after(context, News())
    return code


def carry_out(request: ExitRequest, context: Screen, person: Person) -> int:
    """Leave markets, and print what came out; the exit code."""
    answer = app.leave(request, context, show=person.show, ask=person.ask)
    rows = [row for row in answer.document.jobs if isinstance(row, ExitJob)]
    parts: list[Any] = [
        partial(_group, reports, row, len(rows) > 1 or request.market is None)
        for reports, row in zip(answer.reports, rows, strict=True)
        if row.skipped is None
    ]
    lost = [(each.job, each.skipped) for reports in answer.reports for each in reports[:1] if each.skipped is not None]
    parts += [partial(Group, *skipped(lost))] if lost else []
    missed = [
        f"{row.wallet}: {row.asset} on {row.chain}" for row in rows if row.skipped is not None and not row.ordered
    ]
    if missed and request.market is not None:
        line = f"NOT ORDERED for {together(missed)}: nothing was read; order it again later"
        parts.append(partial(Text, line, style="bold"))
    if request.market is None and not any(row.skipped or row.still_in or row.came_out for row in rows):
        parts.append(lambda: Text("No exit is under way: `yieldbot exit MARKET`, or `exit all`, orders one."))
    context.show(answer.document.as_json(), *parts)
    return answer.document.exit_code


def _state(one: StandingExit) -> str:
    held = f", {one.held.shown} still in" if one.held is not None and one.state == "leaving" else ""
    state = {"leaving": f"leaving{held}", "empty": "all is out, nothing goes in", "unknown": "not read"}[one.state]
    into = f"; what comes out is swapped into {one.into}" if one.into else ""
    return f"{state}; ordered {when(one.since)} at the {one.by}{into}"


def _group(reports: Sequence[Report], row: ExitJob, several: bool) -> Any:
    """The cycle stage by stage, then what came out, what is still in and why, and what happens next. several: whether
    only some of the jobs may have something to leave."""
    lines = [f"OUT: {one.amount.shown} from {one.name}, in the wallet" for one in row.came_out]
    if not lines and (row.ordered or row.still_in):
        lines = ["OUT: nothing came out in this run"]
    if not row.still_in and (row.ordered or lines or not several):  # else other jobs' markets, or none
        stops = "; nothing goes in until `exit MARKET --stop`" if row.ordered else ""
        whose = f"{row.wallet} on {row.chain}: n" if several else "N"
        lines.append(f"{whose}othing is left in the markets that are to be left{stops}.")
    said = (Text(line, style="bold") for line in lines)
    stages = [part for report in reports for part in render.report(report, still=False)]
    return Group(*stages, *said, *render.still_in(reports[-1]))
