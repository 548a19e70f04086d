"""``yieldbot check``: checks whether a run has everything that it needs; one line for each check, with a remedy for
each fault, and a verdict in the last line.

Exit codes: 0 all is well; 1 something cannot be reached now; 2 something is configured wrongly (overrides 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from yieldbot.app import check as use

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.check_documents import CheckDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("check")
    parser.set_defaults(command="check", handler=check)


def check(args: argparse.Namespace, context: Screen) -> int:
    found = use.check(context)
    context.show(found.as_json(), lambda: _lines(found))
    return found.exit_code


def _lines(found: CheckDocument) -> Text:
    lines = Text()
    for check in found.checks:
        if check.warning:
            lines.append("WARN  ", style="yellow")
        else:
            lines.append("ok    " if check.ok else "FAIL  ", style="green" if check.ok else "bold red")
        lines.append(f"{check.what}: {check.said}")
        lines.append(f"; {check.remedy}\n" if check.remedy else "\n")
    lines.append(found.verdict, style="bold green" if found.ok else "bold red")
    return lines
