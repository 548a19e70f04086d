"""``yieldbot report``: the overview as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.report import ReportDocument, ReportRequest
from yieldbot.app.report import report as written
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("report")
    parser.add_argument("--html", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.set_defaults(command="report", handler=report)


def report(args: argparse.Namespace, context: Screen) -> int:
    try:
        from yieldbot.web.report import html
    except ModuleNotFoundError as missing:
        if missing.name not in ("jinja2", "markupsafe"):
            raise
        raise ConfigError("the report needs jinja2, of the extra `serve`: pip install 'yieldbot[serve]'") from None
    done = written(ReportRequest(output=args.html, overwrite=args.force, draw=html), context)
    context.show(done.as_json(), lambda: _line(done))
    return done.exit_code


def _line(done: ReportDocument) -> str:
    lines = [f"wrote {done.output} ({done.bytes:,} bytes) for a browser; it shows your holdings to whoever has it"]
    return "\n".join([*lines, *(f"not read: {one}" for one in done.unread)])
