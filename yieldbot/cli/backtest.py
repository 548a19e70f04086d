"""``yieldbot backtest``: what the policy would have earned on recorded history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.app import backtest as use
from yieldbot.cli.tables import Sheet
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.backtest_documents import BacktestDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen

MOST_WEALTH = 1e12


def register(listed: CommandList) -> None:
    parser = listed.add_parser("backtest")
    parser.add_argument("--history", type=Path, metavar="FOLDER", help="a folder of memory, or a file to import")
    parser.add_argument("--from", dest="since", default="", metavar="DAY", help="first day, as 2025-08-01")
    parser.add_argument("--to", dest="until", default="", metavar="DAY", help="last day")
    parser.add_argument("--wealth", default="10000,100000,1000000,10000000", metavar="LIST", help="dollars, by comma")
    parser.add_argument("--markets", nargs="+", default=[], metavar="NAME", help="ids, symbols, protocols or chains")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a file with a [policy] table, beside the default")
    parser.add_argument("--gas", type=Path, metavar="FILE", help="daily gas prices: date,avg_gas_price_wei,eth_usd")
    parser.add_argument("--window", type=int, default=60, metavar="DAYS", help="length of a window (60)")
    parser.add_argument("--every", type=int, default=15, metavar="DAYS", help="between windows' starts (15)")
    parser.add_argument("--failures", type=float, default=0.0, metavar="SHARE", help="make so many plans fail (0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of failures and of the bootstrap (0)")
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="at once (one a core)")
    parser.add_argument("--extras", action="store_true", help="with LightGBM among the forecasters (slower)")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write charts, moves and figures into one file"
    )
    parser.set_defaults(command="backtest", handler=backtest)


def backtest(args: argparse.Namespace, context: Screen) -> int:
    if not 2 <= args.window <= 3650 or not 1 <= args.every <= 3650 or not 0.0 <= args.failures < 1.0:
        raise ConfigError("--window is 2 to 3650 days, --every 1 to 3650, --failures 0 to 1")
    request = use.BacktestRequest(
        history=args.history, since=args.since, until=args.until, wealth=_wealth(args.wealth),
        markets=tuple(args.markets), policy=args.policy, gas=args.gas, window_days=args.window,
        every_days=args.every, failures=args.failures, seed=args.seed, processes=max(0, args.processes),
        extras=args.extras,
    )  # fmt: skip
    traces: list[use.Trace] | None = None
    if args.report is not None:
        from yieldbot.app.export import refuse_unwritable

        refuse_unwritable(args.report, "--report")
        traces = []
    with _bar(context) as progress:
        found = use.backtest(request, context, progress, traces)
    context.show(found.as_json(), lambda: _shown(found))
    return 0 if traces is None else _report(args.report, found, traces, context)


def _report(file: Path, found: BacktestDocument, traces: list[use.Trace], context: Screen) -> int:
    """Write the report. The figures are printed by then: that they cannot be kept does not take them away."""
    from yieldbot.app.export import write_whole
    from yieldbot.cli.report.page import page

    try:
        write_whole(file, page(found, traces), force=True)
    except YieldbotError as failure:
        context.complain(f"--report {failure}")
        return failure.exit_code
    context.say(f"wrote {file}")
    return 0


def _wealth(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(one) for one in text.split(",") if one.strip())
    except ValueError:
        found = ()
    if not found or not all(1.0 <= one <= MOST_WEALTH for one in found):
        raise ConfigError(f"--wealth {text}: write dollars from 1 to 10^12 by comma, as 10000,100000")
    return found


def _bar(context: Screen) -> Any:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        console = Console(stderr=True)
        columns = (TextColumn("windows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("")
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def _shown(found: BacktestDocument) -> Group:
    sheet = Sheet("Net of gas, swaps and our own deposit's effect; gains over holding the first day's best market")
    for title in (
        "universe",
        "wealth",
        "policy",
        "APY",
        "gain",
        "90 % interval",
        "of foresight",
        "lost",
        "moves",
        "cost",
    ):
        sheet.add_column(title, justify="left" if title in ("universe", "policy") else "right")
    for row in found.results:
        share = "-" if row.share_of_foresight is None else f"{row.share_of_foresight:.0%}"
        sheet.add_row(
            row.universe, f"${row.wealth:,.0f}", row.policy, f"{row.apy:.2%}", f"{row.gain_pp:+.2f} pp",
            f"{row.gain_pp_low:+.2f} to {row.gain_pp_high:+.2f}", share, f"{row.windows_lost_over_10bp}/{row.windows}",
            f"{row.moves_per_year:.1f}/y", f"${row.cost:,.0f}/y",
        )  # fmt: skip
    manifest = found.manifest
    notes = [Text(one) for one in found.notes]
    return Group(sheet, *notes, Text(f"code {manifest.code[:12]}, data {manifest.data[:12]}, seed {manifest.seed}"))
