"""``yieldbot halt | resume``: the kill switch, and stopped accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app import halt as app
from yieldbot.app.halt import HaltRequest, ResumeRequest

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.halt_documents import ResumeDocument
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    parser = listed.add_parser("halt")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; every command that refuses to sign shows it")
    parser.set_defaults(command="halt", whole=False, handler=halt)

    parser = listed.add_parser("resume")
    parser.add_argument(
        "--clear",
        action="store_true",
        help="also let stopped accounts sign again, and rehearse again markets whose exit had failed",
    )
    parser.set_defaults(command="resume", whole=False, handler=resume)


def halt(args: argparse.Namespace, context: Screen) -> int:
    done = app.halt(HaltRequest(reason=args.reason), context)
    context.show(done.as_json(), lambda: f"halted ({done.reason}): nothing is signed or sent until `yieldbot resume`")
    return 0


def resume(args: argparse.Namespace, context: Screen) -> int:
    done = app.resume(ResumeRequest(clear=args.clear), context)
    context.show(done.as_json(), lambda: _lines(done))
    return 0


def _lines(done: ResumeDocument) -> str:
    lines = ["the halt is lifted" if done.lifted else "no halt was in force"]
    for row in done.stopped:
        state = "may sign again; it was stopped" if row.cleared else "is stopped (`resume --clear` ends that)"
        lines.append(f"account {row.owner} on {row.chain_id} {state}: {row.reason}")
    return "\n".join(lines)
