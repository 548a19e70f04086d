"""``yieldbot export``: writes all transactions of our accounts with their values, for taxes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import export as use
from yieldbot.app.export import FORMATS
from yieldbot.cli.flags import add_job_flags, filter_of, natural
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.export_documents import ExportDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("export")
    add_job_flags(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default="csv", help="csv (default), rotki, rotki-trades or beancount"
    )
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day (UTC), as 2026-01-01")
    parser.add_argument("--to", dest="end", metavar="DATE", help="last day (UTC)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument(
        "--from-block", type=natural, metavar="N", help="search transfers from this block on (one chain only)"
    )
    parser.add_argument(
        "--costs",
        type=Path,
        metavar="FILE",
        help="what tokens cost that came from elsewhere (default: costs.csv beside yieldbot.toml)",
    )
    parser.add_argument("--offline", action="store_true", help="use the journal alone, ask no chain")
    parser.set_defaults(command="export", handler=export)


def export(args: argparse.Namespace, context: Screen) -> int:
    request = use.ExportRequest(
        jobs=filter_of(args),
        format=args.format,
        first_day=args.start,
        last_day=args.end,
        output=args.output,
        overwrite=args.force,
        from_block=args.from_block,
        offline=args.offline,
        costs=args.costs,
    )
    found = use.export(request, context)
    if context.json:
        context.show(found.as_json())
    elif found.content is not None:
        sys.stdout.write(found.content)
    else:
        context.say(_summary(found))
    return found.exit_code


def _summary(found: ExportDocument) -> str:
    sums = found.totals
    income, gains, fees = (f"{float(text):z,.2f}" for text in (sums.income, sums.gains, sums.fees))
    lacks = f"; {counted(sums.unknown, 'amount has', 'amounts have')} no known price or cost" if sums.unknown else ""
    known = f"income {income}, gains {gains}, fees {fees} {sums.base}"
    return f"wrote {counted(found.rows, 'row')} to {found.output}: {known}{lacks}"
