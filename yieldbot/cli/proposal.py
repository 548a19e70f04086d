"""``yieldbot proposal``: what the assistant proposes, for a person to accept or reject."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from yieldbot.app import proposals as use
from yieldbot.cli.prompts import confirmed

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.proposal_documents import ProposalDocument, ProposalRow
    from yieldbot.cli.main import CommandList
    from yieldbot.cli.screen import Screen


def register(listed: CommandList) -> None:
    actions = listed.add_parser("proposal").add_subparsers(metavar="ACTION", required=True)
    what = "list what was proposed, the newest first"
    actions.add_parser("list", help=what, description=what).set_defaults(
        command="proposal-list", whole=False, handler=list_
    )
    for name, what, handler in (
        ("accept", "show a proposal, ask, and carry it out", accept),
        ("reject", "reject a proposal", reject),
    ):
        parser = actions.add_parser(name, help=what, description=what)
        parser.add_argument("id", metavar="ID", help="the proposal's id")
        parser.set_defaults(command=f"proposal-{name}", handler=handler)


def list_(args: argparse.Namespace, context: Screen) -> int:
    found = use.list_(context)
    rows = ["\n".join(_lines(row)) for row in found.proposals]
    context.show(
        found.as_json(),
        lambda: "\n".join(rows) or "nothing was proposed: the assistant proposes when it is asked (`yieldbot ask`)",
    )
    return 0


def accept(args: argparse.Namespace, context: Screen) -> int:
    def confirm(row: ProposalRow) -> bool:
        for line in _lines(row):
            context.say(line)
        return confirmed("Do this?")

    return _shown(use.accept(args.id, context, confirm), context)


def reject(args: argparse.Namespace, context: Screen) -> int:
    return _shown(use.reject(args.id, context), context)


def _shown(found: ProposalDocument, context: Screen) -> int:
    context.show(found.as_json(), lambda: found.done or f"proposal {found.proposal.id}: {found.proposal.status}")
    return 0 if found.proposal.status != "waiting" else 4


def _lines(row: ProposalRow) -> list[str]:
    until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.expires_at))
    return [
        f"{row.id} {row.kind}, {row.status} until {until} UTC, asked by {row.by}",
        *(f"  {one}" for one in row.lines),
    ]
