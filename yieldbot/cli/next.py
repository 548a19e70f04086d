"""``yieldbot`` without a command: what to do next in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import next_steps as use

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.next_documents import NextDocument
    from yieldbot.cli.screen import Screen


def show(args: argparse.Namespace, context: Screen) -> int:
    found = use.next_steps(context)
    context.show(found.as_json(), lambda: _lines(found))
    return 0


def _lines(found: NextDocument) -> str:
    width = max(len(one.command) for one in found.steps)
    return "\n".join([f"{found.state}; next:", *(f"  {one.command:<{width}}  {one.why}" for one in found.steps)])
