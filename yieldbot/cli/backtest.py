"""``yieldbot backtest``: what the policy would have earned on recorded history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app import backtest as use
from yieldbot.app.formatting import share_words
from yieldbot.cli.study import bar, request_of, study_flags
from yieldbot.cli.sweep import register_sweep
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.backtest_documents import BacktestDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


MOST_WAIT_DAYS = 365


def register(listed: CommandList) -> None:
    parser = listed.add_parser("backtest")
    study_flags(parser)
    wait = "a market that pays out DAYS after the request, such as stusds=7; may be repeated"
    parser.add_argument("--wait", action="append", default=[], metavar="NAME=DAYS", help=wait)
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write charts, moves and figures into this HTML file"
    )
    parser.set_defaults(command="backtest", handler=backtest)
    actions = parser.add_subparsers(title="many variants at once", metavar="COMMAND", required=False)
    register_sweep(actions)


def backtest(args: argparse.Namespace, context: Screen) -> int:
    request = replace(request_of(args), waits=tuple(map(_wait, args.wait)))
    traces: list[use.Trace] | None = None
    if args.report is not None:
        from yieldbot.app.export import refuse_unwritable

        refuse_unwritable(args.report, "--report")
        traces = []
    with bar(context, "windows") as progress:
        found = use.backtest(request, context, progress, traces)
    context.show(found.as_json(), lambda: _shown(found))
    return 0 if traces is None else _report(args.report, found, traces, context)


def _wait(text: str) -> tuple[str, float]:
    name, sign, days = text.rpartition("=")
    try:
        found = float(days)
    except ValueError:
        found = -1.0
    if not name or not sign or not 0.0 <= found <= MOST_WAIT_DAYS:
        raise ConfigError(f"--wait {text}: write a market and days from 0 to {MOST_WAIT_DAYS}, as stusds=7")
    return name, found


def _report(file: Path, found: BacktestDocument, traces: list[use.Trace], context: Screen) -> int:
    """Write the report. The figures are printed already, so a report that cannot be written does not lose them."""
    from yieldbot.app.export import write_whole
    from yieldbot.cli.report.page import page

    try:
        write_whole(file, page(found, traces), force=True)
    except YieldbotError as failure:
        context.complain(f"--report {failure}")
        return failure.exit_code
    context.say(f"wrote {file}")
    return 0


def _shown(found: BacktestDocument) -> Group:
    sheet = TextTable("Net of gas, swaps and our own deposit's effect; gains over holding the first day's best market")
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
        share = share_words(row)
        sheet.add_row(
            row.universe, f"${row.wealth:z,.0f}", row.policy, f"{row.apy:z.2%}", f"{row.gain_pp:+z.2f} pp",
            f"{row.gain_pp_low:+z.2f} to {row.gain_pp_high:+z.2f}", share,
            f"{row.windows_lost_over_10bp}/{row.windows}", f"{row.moves_per_year:z.1f}/y", f"${row.cost:z,.0f}/y",
        )  # fmt: skip
    manifest = found.manifest
    notes = [Text(one) for one in found.notes]
    return Group(sheet, *notes, Text(f"code {manifest.code[:12]}, data {manifest.data[:12]}, seed {manifest.seed}"))
