"""``yieldbot allocate PROBLEM.json``: solve an allocation problem given as a document; no chain, no configuration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from yieldbot.allocator.answer import pose, solve
from yieldbot.allocator.document import ProblemError, read
from yieldbot.cli.tables import Sheet
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen

MOST_BYTES = 64 * 2**20


def register(listed: Listed) -> None:
    parser = listed.add_parser("allocate")
    parser.add_argument("problem", metavar="PROBLEM.json", help="a yieldbot/problem/v1 document; - reads it from stdin")
    parser.set_defaults(command="allocate", handler=allocate)


def allocate(args: argparse.Namespace, context: Screen) -> int:
    name = "standard input" if args.problem == "-" else args.problem
    try:
        posed = pose(read(_loaded(args.problem, name)))
    except ProblemError as wrong:
        raise ConfigError(f"{name}: {wrong}: see docs/allocator.md") from None
    answer = solve(posed)
    context.show(answer, lambda: _shown(answer))
    return 0


def _loaded(path: str, name: str) -> Any:
    """The document. Raises ConfigError for what cannot be read or is no JSON."""
    try:
        if path == "-":
            raw = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except OSError as failure:
        raise ConfigError(f"{name}: cannot be read: {failure.strerror}: name a problem document") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{name}: is larger than {MOST_BYTES // 2**20} MiB: give a smaller problem")
    try:
        return json.loads(raw)
    except json.JSONDecodeError as wrong:
        raise ConfigError(f"{name}: line {wrong.lineno}, column {wrong.colno}: is no JSON: {wrong.msg}") from None
    except (UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{name}: is no JSON text: write it as UTF-8") from None


def _shown(answer: dict[str, Any]) -> Group:
    sheet = Sheet("Allocation", "Market", ">Target", ">Held", ">APR quoted", ">APR after", ">Marginal", "Why")
    for row in answer["markets"]:
        rates = (f"{row[key] * 100:.3f} %" for key in ("apr_quoted", "apr_after", "marginal_apr"))
        sheet.add_row(row["id"], _money(row["target"]), _money(row["held"]), *rates, row["binding"])
    several = len(answer["assets"]) > 1
    idle = [_money(asset["idle"]) + (f" {asset['id']}" if several else "") for asset in answer["assets"]]
    lines = [f"Idle: {', '.join(idle)}"]
    for swap in answer["swaps"]:
        if swap["in"] != "0":
            lines.append(f"Swap {_money(swap['in'])} {swap['from']} into {_money(swap['out'])} {swap['to']}")
    lines.append(f"{'Hold' if answer['hold'] else 'Move'}: {answer['reason']}")
    lines.append(f"One more token would earn {answer['shadow_price'] * 100:.3f} % a year")
    lines.append(
        f"certificate: income {answer['income_per_year']:,.2f} a year, {answer['objective']:,.2f} after risk and cost; "
        f"no allocation exceeds {answer['upper_bound']:,.2f}; gap {answer['gap_bps']:.4f} bp of wealth a year"
    )
    return Group(sheet, *(Text(line) for line in lines))


def _money(text: str) -> str:
    return f"{float(text):,.2f}"
