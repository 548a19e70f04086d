"""Shared by the commands that replay history: flags, the request that they make, a progress bar."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.backtest import BacktestRequest
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    from yieldbot.cli.screen import Screen

MOST_WEALTH = 1e12


def study_flags(parser: argparse.ArgumentParser, below: bool = False) -> None:
    """Add the flags. below: to a command below another one that has them too, so that they may stand before its
    name."""

    def add(name: str, value: object = None, **options: object) -> None:
        parser.add_argument(name, default=argparse.SUPPRESS if below else value, **options)  # type: ignore[arg-type]

    add("--history", type=Path, metavar="FOLDER", help="folder of memory, or file to import")
    add("--from", "", dest="since", metavar="DAY", help="first day, such as 2025-08-01")
    add("--to", "", dest="until", metavar="DAY", help="last day")
    add("--wealth", "10000,100000,1000000,10000000", metavar="LIST", help="dollars to start with, separated by commas")
    add("--markets", [], nargs="+", metavar="NAME", help="only markets with these ids, symbols, protocols or chains")
    add("--policy", type=Path, metavar="FILE", help="file with a [policy] table, tried beside the default policy")
    add("--gas", type=Path, metavar="FILE", help="CSV of daily gas prices: date,avg_gas_price_wei,eth_usd")
    add("--window", 60, type=int, metavar="DAYS", help="length of a window (default 60)")
    add("--every", 15, type=int, metavar="DAYS", help="days between the starts of two windows (default 15)")
    add("--failures", 0.0, type=float, metavar="FRACTION", help="fraction of plans that fail (default 0)")
    add("--seed", 0, type=int, metavar="N", help="seed of failures and of the bootstrap (default 0)")
    add("--processes", 0, type=int, metavar="N", help="worker processes (default: one for each core)")
    add("--extras", False, action="store_true", help="use LightGBM among the forecasters (slower)")


def request_of(args: argparse.Namespace) -> BacktestRequest:
    """The request that the flags describe. Raises ConfigError for a flag that is out of range."""
    if not 2 <= args.window <= 3650 or not 1 <= args.every <= 3650 or not 0.0 <= args.failures < 1.0:
        raise ConfigError("--window is 2 to 3650 days, --every 1 to 3650, --failures 0 to 1")
    if "sweep" in args.markets:
        raise ConfigError("--markets takes every word behind it: write `yieldbot backtest sweep` first")
    return BacktestRequest(
        history=args.history, since=args.since, until=args.until, wealth=_wealth(args.wealth),
        markets=tuple(args.markets), policy=args.policy, gas=args.gas, window_days=args.window,
        every_days=args.every, failures=args.failures, seed=args.seed, processes=max(0, args.processes),
        extras=args.extras,
    )  # fmt: skip


def _wealth(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(one) for one in text.split(",") if one.strip())
    except ValueError:
        found = ()
    if not found or not all(1.0 <= one <= MOST_WEALTH for one in found):
        raise ConfigError(f"--wealth {text}: write dollars from 1 to 10^12 by comma, as 10000,100000")
    return tuple(dict.fromkeys(found))


@contextmanager
def bar(context: Screen, what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with an estimated end, on a terminal's stderr. Its first call reports what earlier runs did, which
    does not count for the speed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("", total=None)
        began = False

        def progress(done: int, total: int) -> None:
            nonlocal began
            if began:
                shown.update(task, completed=done, total=total)
            else:
                shown.reset(task, completed=done, total=total)
                began = True

        yield progress
