"""``yieldbot allocate PROBLEM.json``: solves an allocation problem given as a document, without a chain or a
configuration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app import allocate as use
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.allocate_documents import AllocationDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("allocate")
    parser.add_argument("problem", metavar="PROBLEM.json", help="a yieldbot/problem/v1 document; -: read it from stdin")
    parser.set_defaults(command="allocate", handler=allocate)


def allocate(args: argparse.Namespace, context: Screen) -> int:
    found = use.allocate(use.AllocateRequest(problem=args.problem, piped=lambda most: sys.stdin.buffer.read(most)))
    context.show(found.as_json(), lambda: _table(found))
    return 0


def _table(found: AllocationDocument) -> Group:
    sheet = TextTable("Allocation", "Market", ">Target", ">Held", ">APR quoted", ">APR after", ">Marginal", "Why")
    for market in found.markets:
        rates = (f"{rate * 100:z.3f} %" for rate in (market.apr_quoted, market.apr_after, market.marginal_apr))
        sheet.add_row(market.id, _money(market.target), _money(market.held), *rates, market.binding)
    several = len(found.assets) > 1
    idle = [_money(asset.idle) + (f" {asset.id}" if several else "") for asset in found.assets]
    lines = [f"Idle: {', '.join(idle)}"]
    for swap in found.swaps:
        if swap.paid != "0":
            lines.append(f"Swap {_money(swap.paid)} {swap.source} into {_money(swap.out)} {swap.target}")
    lines.append(f"{'Hold' if found.hold else 'Move'}: {found.reason}")
    lines.append(f"One more token would earn {found.shadow_price * 100:z.3f} % a year")
    lines.append(
        f"certificate: income {found.income_per_year:z,.2f} a year, {found.objective:z,.2f} after haircuts and cost; "
        f"no allocation exceeds {found.upper_bound:z,.2f}; gap {found.gap_bps:z.4f} bp of wealth a year"
    )
    return Group(sheet, *(Text(line) for line in lines))


def _money(text: str) -> str:
    return f"{float(text):z,.2f}"
