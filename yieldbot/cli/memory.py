"""``yieldbot observe`` and ``yieldbot history import | show | verify | compact | backfill``: fill and show memory."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import backfill as backfill_use
from yieldbot.app import observe as observe_use
from yieldbot.app import recordings, remembered
from yieldbot.app.formatting import when
from yieldbot.app.memory_documents import HistoryShowDocument, MarketRemembered, MarketsRemembered
from yieldbot.app.recordings import Given
from yieldbot.cli import skips
from yieldbot.cli.chart import chart
from yieldbot.cli.flags import add_job_flags, decimal, filter_of
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError
from yieldbot.model.amounts import Apr
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.memory_documents import (
        HistoryBackfillDocument,
        HistoryImportDocument,
        HistoryVerifyDocument,
        ImportedFile,
        NamedFault,
        ObserveDocument,
        SeenThen,
    )
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_ROWS = 40
"""Most readings of a market in a table; all of them are in the picture, in --json and in --csv."""
MOST_FAULTS = 3
"""Most faults of each kind that are shown; all are in --json."""


def register(listed: CommandList) -> None:
    parser = listed.add_parser("observe")
    add_job_flags(parser)
    _folder_flag(parser)
    parser.set_defaults(command="observe", handler=observe)


def register_history(actions: Any) -> None:
    """Add the commands below ``history``."""
    what = "import recorded rates: CSV, Parquet, DefiLlama's charts, known recordings"
    parser = actions.add_parser("import", help=what, description=what + ". docs/history.md has the columns.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="file to import, gzipped or not")
    parser.add_argument(
        "--chain", metavar="NAME", help="import only this chain's rows; for a chart: the chain that it is of"
    )
    for name, of in (("protocol", "protocol"), ("market", "market"), ("asset", "asset's symbol")):
        parser.add_argument(
            f"--{name}", metavar="NAME", default="", help=f"for a chart: its {of}, which the file does not name"
        )
    _folder_flag(parser)
    parser.set_defaults(command="history-import", handler=import_files)

    what = "list the markets in memory, or one market's rates over time"
    parser = actions.add_parser("show", help=what, description=what)
    parser.add_argument(
        "market", nargs="?", metavar="MARKET", help="an id, or words that only one market has: 'aave usdc'"
    )
    parser.add_argument("--chain", metavar="NAME", help="only markets of this chain")
    parser.add_argument(
        "--from", dest="start", metavar="TIME", help="the first time (UTC), such as 2026-01-31 or 2026-01-31T12:00"
    )
    parser.add_argument(
        "--to", dest="end", metavar="TIME", help="the last time; if only a day is given, that day's end"
    )
    parser.add_argument(
        "--every", metavar="STEP", help="one row for every 10m, 6h, 1d or 1w (default: one for every reading)"
    )
    parser.add_argument("--csv", action="store_true", help="print the readings as CSV that `history import` reads")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the market's rates into a .png or .svg file")
    _folder_flag(parser)
    parser.set_defaults(command="history-show", handler=show)

    what = "read past rates from an archive node, with the same adapters, and store them"
    more = ". You can stop it at any time; the same command then continues where it stopped."
    parser = actions.add_parser("backfill", help=what, description=what + more)
    add_job_flags(parser)
    parser.add_argument(
        "--from", dest="start", required=True, metavar="TIME", help="the first time, such as 2026-01-01"
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="the last time (default: now)")
    parser.add_argument("--every", required=True, metavar="STEP", help="time between two readings: 10m, 6h, 1d")
    parser.add_argument("--rate", type=decimal, default=10.0, metavar="N", help="most requests a second (default 10)")
    parser.add_argument("--again", action="store_true", help="also read times for which there is a reading already")
    _folder_flag(parser)
    parser.set_defaults(command="history-backfill", handler=backfill)

    what = "check all of memory and name every fault; exit code 1 if there is one"
    parser = actions.add_parser("verify", help=what, description=what)
    _folder_flag(parser)
    parser.set_defaults(command="history-verify", handler=verify)

    what = "merge each day's files into one, and each past month's files into one"
    parser = actions.add_parser("compact", help=what, description=what + ". `run` and `observe` do this by themselves.")
    _folder_flag(parser)
    parser.set_defaults(command="history-compact", handler=compact)


def _folder_flag(parser: argparse.ArgumentParser) -> None:
    about = "folder of memory (default: history in data_dir); with this flag no configuration is needed"
    parser.add_argument("--history", type=Path, metavar="FOLDER", help=about)


def observe(args: argparse.Namespace, context: Screen) -> int:
    request = observe_use.ObserveRequest(jobs=filter_of(args), folder=args.history)
    document, code = observe_use.observe(request, context)
    rows = [(one.chain, f"{one.wallet}: {'+'.join(one.assets)}", one.skipped) for one in document.jobs if one.skipped]
    context.show(
        document.as_json(), lambda: _observed(document), *(lambda line=line: line for line in skips.lines(rows))
    )
    return code


def _observed(found: ObserveDocument) -> Any:
    title = f"{counted(found.kept, 'reading')} remembered in {found.history}"
    if all(one.skipped for one in found.jobs):
        return Text(title)
    made = TextTable(title, "Chain", "Wallet", ">Block", ">Markets", "")
    for one in found.jobs:
        if one.skipped:
            continue
        note = f"{one.unread} could not be read" if one.unread else ""
        block = "" if one.block is None else f"{one.block:,}"
        made.add_row(f"{one.chain} {'+'.join(one.assets)}", one.wallet, block, str(one.markets), note)
    return made


def import_files(args: argparse.Namespace, context: Screen) -> int:
    given = Given(chain=args.chain or "", protocol=args.protocol, market=args.market, asset=args.asset)
    request = recordings.ImportRequest(files=tuple(args.files), folder=args.history, given=given)
    document, code = recordings.import_files(request, context)
    context.show(document.as_json(), lambda: _imported(document))
    return code


def _imported(found: HistoryImportDocument) -> Any:
    parts: list[Any] = []
    for one in found.files:
        if one.refused:
            parts.append(Text(f"refused: {one.refused}", style="yellow"))
            continue
        parts += [Text(_said(one)), *_faults(one.faults)]
    return Group(*parts, Text(_kept(found)))


def _kept(found: HistoryImportDocument) -> str:
    """How much of the files memory now holds, as text."""
    lost = sum(_lost(one) for one in found.files)
    if found.failure is None or not lost:
        return f"remembered in {found.history}"
    kept = sum(one.kept for one in found.files)
    new = counted(kept, "new reading is", "new readings are")
    return f"NOT all is remembered in {found.history}: {new} there, {lost:,} could not be written"


def _lost(one: ImportedFile) -> int:
    """Number of a file's readings that could not be written to the disk."""
    return one.readings - one.kept - one.known


def _said(one: ImportedFile) -> str:
    span = f", {when(one.first)} to {when(one.last)}" if one.first is not None and one.last is not None else ""
    known = f", {one.known:,} known before" if one.known else ""
    lost = f", {_lost(one):,} could not be written" if _lost(one) else ""
    return (
        f"{one.file}: {counted(one.readings, 'reading')} of {counted(one.markets, 'market')}{span}: "
        f"{one.kept:,} new{known}{lost}"
    )


def _faults(faults: Sequence[NamedFault]) -> list[Any]:
    """A line for each kind of fault, with some of the places where it occurs."""
    kinds: dict[tuple[str, bool], list[NamedFault]] = defaultdict(list)
    for one in faults:
        kinds[one.kind, one.taken].append(one)
    lines: list[Any] = []
    for (kind, taken), ones in kinds.items():
        words = "taken all the same" if taken else "not taken"
        lines.append(Text(f"  {kind}: {len(ones)} ({words})", style="" if taken else "yellow"))
        lines += [Text(f"    {one.where}: {one.what}") for one in ones[:MOST_FAULTS]]
        if len(ones) > MOST_FAULTS:
            lines.append(Text(f"    and {len(ones) - MOST_FAULTS} more: --json has them"))
    return lines


def show(args: argparse.Namespace, context: Screen) -> int:
    request = remembered.ShowRequest(
        folder=args.history, market=args.market, chain=args.chain, start=args.start, end=args.end, every=args.every
    )
    if args.csv:
        if args.json or args.plot:
            raise ConfigError("--csv is one form of the answer: leave --json and --plot out")
        for line in remembered.lines(request, context):
            sys.stdout.write(line + "\n")
        return 0
    if args.plot is not None:
        from yieldbot.cli.plot import check, plot

        if args.market is None:
            raise ConfigError("--plot draws one market: name it")
        check(args.plot)
    found = remembered.show(request, context)
    for fault in found.faults:
        context.complain(f"{fault.where}: {fault.what}")
    if args.plot is not None and isinstance(found, MarketRemembered):
        plot(found, args.plot)
        context.say(f"drawn into {args.plot}")
    context.show(found.as_json(), lambda: _shown(found))
    return 0


def _shown(found: HistoryShowDocument) -> Any:
    match found:
        case MarketsRemembered():
            return _markets(found)
        case MarketRemembered():
            return _market(found)


def _markets(found: MarketsRemembered) -> Any:
    if not found.markets:
        return f"{found.history} is empty: `yieldbot observe` or `yieldbot history import` fills it"
    made = TextTable(
        f"Remembered in {found.history}", "Market", "Where", "Protocol", "Asset", ">Readings", "First", "Last"
    )
    made.columns[0].overflow = "fold"
    for one in found.markets:
        times = when(one.first), when(one.last)
        made.add_row(one.name, one.chain_name, one.protocol, one.asset, f"{one.readings:,}", *times)
    return made


def _market(found: MarketRemembered) -> Any:
    one = found.market
    title = " ".join(part for part in (one.name, one.asset, one.protocol, "on", one.chain_name) if part)
    if not found.rows:
        return f"{title}: nothing between these times ({when(one.first)} to {when(one.last)} is known)"
    made = TextTable(title, "When", ">Quoted APY", ">Paid APY", ">Borrow APY", ">Used", ">Supplied", ">Cash", "")
    for row in found.rows[-MOST_ROWS:]:
        made.add_row(when(row.time), *_cells(row), "blocked" if row.blocked else "")
    left = len(found.rows) - MOST_ROWS
    more = (
        [Text(f"{counted(left, 'earlier row')} left out: --json and --csv have all, --every makes them fewer")]
        if left > 0
        else []
    )
    times = [row.time for row in found.rows]
    paid = [_apy(row.supply_rate if row.realised_rate is None else row.realised_rate) for row in found.rows]
    return Group(made, *more, Text("\nPaid APY in % (quoted where that is not known)"), Text(chart(times, paid)))


def _cells(row: SeenThen) -> list[str]:
    rates = (_apy(row.supply_rate), _apy(row.realised_rate), _apy(row.borrow_rate), row.utilisation)
    amounts = (row.supplied, row.cash)
    return [
        *("" if value is None else f"{value:z.2%}" for value in rates),
        *("" if value is None else f"{value:z,.0f}" for value in amounts),
    ]


def _apy(rate: float | None) -> float | None:
    """A simple rate a year as all screens show rates."""
    return None if rate is None else Apr(rate).compounded().value


def verify(args: argparse.Namespace, context: Screen) -> int:
    found = recordings.verify(args.history, context)
    context.show(found.as_json(), lambda: _verified(found))
    return 0 if found.sound else 1


def _verified(found: HistoryVerifyDocument) -> Any:
    state = "is sound" if found.sound else "IS NOT SOUND"
    line = Text(f"{found.history} {state}: {counted(found.readings, 'reading')} in {counted(found.files, 'file')}")
    return Group(line, *_faults(found.faults))


def compact(args: argparse.Namespace, context: Screen) -> int:
    found = recordings.compact(args.history, context)
    gone = counted(found.files_gone, "file is", "files are")
    context.show(found.as_json(), lambda: f"{found.history}: {gone} in fewer others now")
    return 0


def backfill(args: argparse.Namespace, context: Screen) -> int:
    request = backfill_use.BackfillRequest(
        start=args.start,
        end=args.end,
        every=args.every,
        jobs=filter_of(args),
        folder=args.history,
        requests_per_second=args.rate,
        again=args.again,
    )
    with _bar(context) as progress:
        document, code = backfill_use.backfill(request, context, progress)
    if document.failure:
        context.complain(f"{document.failure}; running again goes on from here")
    context.show(document.as_json(), lambda: _backfilled(document))
    return code


@contextmanager
def _bar(context: Screen) -> Iterator[backfill_use.Progress]:
    """A progress bar on a terminal; elsewhere a line for each tenth."""
    if not sys.stderr.isatty():
        told = -1

        def line(done: int, of: int, words: str) -> None:
            nonlocal told
            if (tenth := 10 * done // max(1, of)) != told:
                told = tenth
                context.say(f"{done} of {of}: {words}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("")
        yield lambda done, of, words: shown.update(task, completed=done, total=of, description=words)


def _backfilled(found: HistoryBackfillDocument) -> Any:
    parts = [f"{counted(found.read, 'time')} read", f"{found.known:,} known before"]
    parts += [f"{found.absent:,} at which there was nothing"] if found.absent else []
    return (
        f"{found.chain}: {', '.join(parts)}: {counted(found.kept, 'reading')} remembered in {found.history}, "
        f"by {counted(found.requests, 'request')}"
    )
