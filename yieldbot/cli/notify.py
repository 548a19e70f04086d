"""``yieldbot notify test | send``: sends notices by chat, mail and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import notify as app
from yieldbot.app.formatting import when
from yieldbot.notify.sending import send

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.notify_documents import ChannelResult, NotifyDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("notify")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = commands.add_parser(
        "test", help="send a test message through every channel or the named one, also in quiet hours"
    )
    test.add_argument("name", metavar="NAME", nargs="?", help="a channel's name (default: every channel)")
    test.set_defaults(command="notify-test", handler=_test)
    now = commands.add_parser("send", help="send what is new since the last notice")
    now.set_defaults(command="notify-send", handler=_send)


def _test(args: argparse.Namespace, context: Screen) -> int:
    return _shown(app.test(context, send, args.name), context)


def _send(args: argparse.Namespace, context: Screen) -> int:
    return _shown(app.tell(context, send), context)


def _shown(document: NotifyDocument, context: Screen) -> int:
    lines = [*document.notes, *map(_line, document.channels)] or ["no [[notices]] table: nothing is sent anywhere"]
    context.show(document.as_json(), lambda: "\n".join(lines))
    return int(any(one.failure is not None for one in document.channels))


def _line(one: ChannelResult) -> str:
    parts = [f"{one.sent} sent"] + ([f"{one.waiting} wait"] if one.waiting else [])
    parts += [f"failed: {one.failure}"] if one.failure else []
    parts += [f"next attempt {when(one.next_try)}"] if one.next_try else []
    return f"{one.name} ({one.kind}): {', '.join(parts)}"
