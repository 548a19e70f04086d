"""``yieldbot backtest sweep``: many variants on the same history, and how much of the best one's gain is real."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from yieldbot.app import sweep as use
from yieldbot.app.formatting import share_words
from yieldbot.cli.study import bar, request_of, study_flags
from yieldbot.cli.tables import TextTable
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from yieldbot.app.backtest_documents import BacktestRow
    from yieldbot.app.sweep_documents import SweepDocument
    from yieldbot.cli.screen import Screen

INTERRUPTED = 130
MOST_ROWS = 15
"""Most variants of one wealth in a table: the best, and the unchanged one; all are in --json."""
MOST_CHOICES = 4
"""Most different choices that a line names."""


def register_sweep(actions: Any) -> None:
    """Add the command below ``backtest``."""
    what = "try many policies and forecasters: choose on the past, judge on what came next, and say how much was luck"
    more = (
        ". You can stop it at any time; the same command then continues where it stopped. "
        "docs/backtest.md has an example."
    )
    parser = actions.add_parser("sweep", help=what, description=what + more)
    parser.add_argument(
        "--grid", action="append", default=[], metavar="KEY=LIST",
        help="the values of one key, separated by commas (policy.move_horizon_days=3,7,14; "
        "forecaster=combined,quote,mean-3d), or a TOML file with a [grid] table. "
        "May be repeated: all combinations are tried",
    )  # fmt: skip
    parser.add_argument(
        "--learn",
        type=int,
        default=0,
        metavar="DAYS",
        help="days of past results on which each choice is made (default: all)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="folder for finished pieces (default: sweeps in .yieldbot or data_dir)",
    )
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="compute on a Dask cluster: its scheduler's address, such as tcp://127.0.0.1:8786",
    )
    study_flags(parser, below=True)
    parser.set_defaults(command="backtest-sweep", handler=sweep)


def sweep(args: argparse.Namespace, context: Screen) -> int:
    if not 0 <= args.learn <= 3650:
        raise ConfigError("--learn is 0 to 3650 days")
    if args.report is not None:
        raise ConfigError("--report is for one policy: leave it out, or run `yieldbot backtest` with your --policy")
    if args.wait:
        raise ConfigError("--wait is for one policy: leave it out, or run `yieldbot backtest` with your --policy")
    request = use.SweepRequest(
        base=request_of(args), grid=tuple(args.grid), learn_days=args.learn, results=args.results,
        scheduler=args.scheduler,
    )  # fmt: skip
    standing = use.SweepProgress()
    try:
        with bar(context, "pieces") as progress:
            found = use.sweep(request, context, progress, standing)
    except KeyboardInterrupt:
        context.complain(f"interrupted; {_kept(standing)}")
        return INTERRUPTED
    except YieldbotError:
        if standing.done:
            context.say(_kept(standing))
        raise
    context.show(found.as_json(), lambda: _shown(found))
    return 0


def _kept(standing: use.SweepProgress) -> str:
    if not standing.total:
        return "nothing was computed yet"
    return (
        f"{standing.done} of {standing.total} pieces are kept in {standing.folder}; this goes on from there: "
        f"{standing.command}"
    )


def _shown(found: SweepDocument) -> Group:
    parts: list[RenderableType] = [_variants(found)]
    if found.walk_forward:
        parts.append(_walk_forward(found))
    if found.deflated:
        parts.append(_deflated(found))
    manifest = found.manifest
    parts += [Text(one) for one in found.notes]
    parts.append(Text(f"code {manifest.code[:12]}, data {manifest.data[:12]}, seed {manifest.seed}"))
    return Group(*parts)


def _variants(found: SweepDocument) -> TextTable:
    made = TextTable(
        f"{found.tried} variants tried, over all windows: in sample, so the best is flattered",
        ">wealth", "variant", ">APY", ">gain", ">90 % interval", ">of foresight", ">lost", ">moves", ">cost",
    )  # fmt: skip
    universes = list(dict.fromkeys(row.universe for row in found.results))
    for wealth in dict.fromkeys(row.wealth for row in found.results):
        rows = [row for row in found.results if row.wealth == wealth and row.universe == universes[-1]]
        for row in _best(rows):
            made.add_row(
                f"${row.wealth:z,.0f}", row.policy, f"{row.apy:z.2%}", f"{row.gain_pp:+z.2f} pp",
                f"{row.gain_pp_low:+z.2f} to {row.gain_pp_high:+z.2f}", share_words(row),
                f"{row.windows_lost_over_10bp}/{row.windows}", f"{row.moves_per_year:z.1f}/y", f"${row.cost:z,.0f}/y",
            )  # fmt: skip
        if len(rows) > MOST_ROWS:
            made.add_row("", f"{len(rows) - MOST_ROWS} more that gained less: --json has them")
    return made


def _best(rows: Sequence[BacktestRow]) -> list[BacktestRow]:
    """The unchanged variant, which is the first, and the best of the others."""
    others = sorted(rows[1:], key=lambda row: -row.gain_pp)
    return [*rows[:1], *others[: MOST_ROWS - 1]]


def _walk_forward(found: SweepDocument) -> TextTable:
    first = found.variants[0].name
    made = TextTable(
        "Chosen on the past, judged on the next windows: out of sample",
        ">wealth", ">windows", ">gain", ">90 % interval", f">{first}", ">chosen over it", ">90 % interval",
        ">best in hindsight", "chosen",
    )  # fmt: skip
    for one in found.walk_forward:
        names = list(dict.fromkeys(choice.variant for choice in one.choices))
        more = f" and {len(names) - MOST_CHOICES} more" if len(names) > MOST_CHOICES else ""
        made.add_row(
            f"${one.wealth:z,.0f}", str(one.windows), f"{one.gain_pp:+z.2f} pp",
            _ends(one.gain_pp_low, one.gain_pp_high), f"{one.unchanged_gain_pp:+z.2f} pp",
            f"{one.over_unchanged_pp:+z.2f} pp",
            _ends(one.over_unchanged_pp_low, one.over_unchanged_pp_high),
            f"{one.hindsight_gain_pp:+z.2f} pp", ", ".join(names[:MOST_CHOICES]) + more,
        )  # fmt: skip
    return made


def _ends(low: float | None, high: float | None) -> str:
    return "too few windows" if low is None or high is None else f"{low:+z.2f} to {high:+z.2f}"


def _deflated(found: SweepDocument) -> TextTable:
    made = TextTable(
        f"The best of {found.tried}, less what the best of as many worthless ones would show (White's reality check)",
        ">wealth", "best", "over", ">gain", ">luck", ">deflated", ">90 % interval", ">by chance",
    )  # fmt: skip
    for one in found.deflated:
        made.add_row(
            f"${one.wealth:z,.0f}", one.best, one.over, f"{one.gain_pp:+z.2f} pp", f"{one.luck_pp:+z.2f} pp",
            f"{one.deflated_gain_pp:+z.2f} pp",
            f"{one.deflated_gain_pp_low:+z.2f} to {one.deflated_gain_pp_high:+z.2f}", f"{one.p_value:z.0%}",
        )  # fmt: skip
    return made
