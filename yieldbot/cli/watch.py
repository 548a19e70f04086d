"""``yieldbot watch``: who controls the contracts that our markets depend on, and what changes; once, or repeatedly."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from yieldbot.app import watch as app
from yieldbot.app.exit import ExitRequest
from yieldbot.app.notice_runs import News
from yieldbot.app.watch import WatchRequest
from yieldbot.cli.exit import carry_out
from yieldbot.cli.flags import add_job_flags, filter_of
from yieldbot.cli.run import Person
from yieldbot.cli.skips import lines as skip_lines
from yieldbot.errors import ConfigError, InvariantError, YieldbotError
from yieldbot.model.text import counted
from yieldbot.notify.sending import after

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.watch_documents import WatchDocument, WatchedContract, WatchedJob
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

STYLES = {"info": "", "warning": "yellow", "critical": "bold red"}
"""How a line is shown, by its severity."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser(
        "watch",
        ". The first time it only records; later times are compared with that. Nothing is signed, except "
        "with --every and "
        "`policy.auto_exit`: then exits that an alarm or your order requires are carried out as soon as "
        "the market pays",
    )
    parser.add_argument(
        "--every",
        metavar="TIME",
        help="repeat every 15s, 10m or 1h, until Ctrl-C; with `policy.auto_exit` exits are carried out, too",
    )
    parser.add_argument("--held", action="store_true", help="only markets in which you hold something")
    parser.add_argument("--news", action="store_true", help="print nothing if nothing is new, for cron")
    parser.add_argument("--who", action="store_true", help="also list every contract and who may change it")
    parser.add_argument(
        "--accept",
        metavar="MARKET",
        help="accept who controls MARKET (its id, or all) now, which ends its alarms about that",
    )
    add_job_flags(parser)
    parser.set_defaults(command="watch", handler=watch)


def watch(args: argparse.Namespace, context: Screen) -> int:
    request = WatchRequest(jobs=filter_of(args), held=args.held, accept=args.accept)
    if args.every is None:
        document, code = app.watch(request, context)
        text = _lines(document, who=args.who, quiet=args.news)
        _add_due(text, document)
        _show(document, text, context)
        after(context, News())
        return code
    pause, due = app.seconds_of(args.every), list[tuple[str, ...]]()
    while True:
        began = time.monotonic()
        document, _ = app.watch(request, context)
        text, before = _lines(document, who=False, quiet=True), due
        due = [job.due for job in document.jobs]
        if due != before:
            _add_due(text, document)
        _show(document, text, context)
        request = WatchRequest(jobs=request.jobs, held=request.held, again=True)
        if app.leaves(document, context):
            _take_out(ExitRequest(jobs=request.jobs), context)
        after(context, News())
        time.sleep(max(0.0, pause - (time.monotonic() - began)))


def _show(document: WatchDocument, text: Text, context: Screen) -> None:
    """Print a look; without --json nothing if nothing changed."""
    if context.json or text:
        context.show(document.as_json(), lambda: text)


def _take_out(request: ExitRequest, context: Screen) -> None:
    """Withdraw what can be withdrawn now. An obstacle that may pass (another run, gas, a node) is printed, and the next
    look tries again; an error that needs a person ends the watch."""
    try:
        carry_out(request, context, Person(context, None))
    except (ConfigError, InvariantError):
        raise
    except YieldbotError as passing:
        context.complain(f"nothing is taken out: {passing}")


def _add_due(text: Text, document: WatchDocument) -> None:
    """Add what is to be left and could be, a line each job."""
    lines = [f"{job.chain}: to be left, and pays now: {', '.join(job.due)}" for job in document.jobs if job.due]
    for line in lines:
        text.append("\n" if text else "")
        text.append(f"{line} (`yieldbot exit` takes it out)", style="bold")


def _lines(document: WatchDocument, *, who: bool, quiet: bool) -> Text:
    """The looks as lines; quiet: only what is new."""
    text = Text()
    for job in document.jobs:
        if job.skipped is None:
            _job(text, job, who=who, quiet=quiet)
    lost = [(job.chain, f"{job.wallet}: {', '.join(job.assets)}", job.skipped or "") for job in document.jobs]
    for line in skip_lines([one for one in lost if one[2]]):
        text.append(f"{line.plain}\n", style="red")
    text.rstrip()
    return text


def _job(text: Text, job: WatchedJob, *, who: bool, quiet: bool) -> None:
    head = f"{datetime.now(UTC):%Y-%m-%d %H:%M} {job.chain} {', '.join(job.assets)}"
    contracts = {one.address for market in job.markets for one in market.contracts}
    news = [alarm for alarm in job.alarms if alarm.new]
    if not quiet or job.messages or job.cut:
        what = (
            "first look, nothing to compare with" if job.first else f"{counted(len(job.messages), 'market')} with news"
        )
        markets, count = counted(len(job.markets), "market"), counted(len(contracts), "contract")
        text.append(f"{head}, {job.height} {job.block:,}: {markets} on {count}: {what}\n")
    if job.cut:
        text.append(f"  events are missing: {job.cut}\n", style="yellow")
    for note in job.notes:
        text.append(f"  {note}\n", style="yellow")
    for message in job.messages:
        text.append(f"{message.name}{', held' if message.held else ''}\n", style="bold")
        for line, severity in zip(message.lines, message.severities, strict=True):
            text.append(f"  {severity}: {line}\n", style=STYLES[severity])
        for alarm in news:
            if alarm.market_id == message.market_id:
                text.append(f"  {alarm.act.upper()} {alarm.code}: {alarm.saw}\n", style="bold red")
        for line in message.ended:
            text.append(f"  over: {line}\n", style="green")
    for market in job.markets:
        if market.recent:
            text.append(f"{market.name}, before this look\n", style="bold")
        for line in market.recent:
            text.append(f"  {line}\n")
    if not quiet:
        for alarm in job.alarms:
            if not alarm.new:
                since = datetime.fromtimestamp(alarm.since, UTC)
                text.append(f"since {since:%Y-%m-%d %H:%M}: {alarm.name}: {alarm.act} {alarm.code}: {alarm.saw}\n")
    if who:
        for market in job.markets:
            text.append(f"{market.name}\n", style="bold")
            for one in market.contracts:
                holders = "; ".join(f"{holder.right}: {holder.who}" for holder in one.holders) or "nobody may change it"
                text.append(f"  {one.part} {one.name} {one.address}: {holders}{_age(one)}\n")
                for line in one.missing:
                    text.append(f"    not known: {line}\n", style="yellow")


def _age(one: WatchedContract) -> str:
    if one.created_at is not None:
        return f"; there since {datetime.fromtimestamp(one.created_at, UTC):%Y-%m-%d}"
    if one.there_since is not None:
        return f"; seen since {datetime.fromtimestamp(one.there_since, UTC):%Y-%m-%d}"
    return ""
