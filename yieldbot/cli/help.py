"""``yieldbot help``: what a figure or word on a screen means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import figure_help as use
from yieldbot.cli.main import COMMANDS
from yieldbot.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.figure_documents import FigureHelpDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("help", ". For a command's flags: yieldbot COMMAND --help.")
    words = (
        "the name as the table or page writes it, such as \"APY after\", a table's, or a page's, such as docs/risk.md; "
        "none: list tables and pages"
    )
    parser.add_argument("figure", metavar="FIGURE", nargs="*", help=words)
    parser.set_defaults(command="help", handler=explain)


def explain(args: argparse.Namespace, context: Screen) -> int:
    word = " ".join(args.figure)
    try:
        found = use.explain(use.FigureHelpRequest(word))
    except ConfigError:
        if any(word in lines for lines in COMMANDS.values()):
            raise ConfigError(f"{word} is a command: `yieldbot {word} --help` explains it") from None
        raise
    context.show(found.as_json(), lambda: _lines(found))
    return 0


def _lines(found: FigureHelpDocument) -> str:
    if not found.asked:
        tables, pages = (f"  {table}" for table in found.tables), "  ".join(found.pages)
        return "\n".join(["figures are explained of:", *tables, "", f"pages, as in `yieldbot help risk`: {pages}"])
    if found.page:
        return found.page
    lines = list[str]()
    for one in found.figures:
        lines += [f"{', '.join(one.names)} ({one.table}): {one.meaning}"]
        if one.example:
            lines += [f"  example: {one.example}"]
    return "\n".join(lines)
