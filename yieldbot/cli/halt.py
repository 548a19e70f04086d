"""``yieldbot halt | resume``: the kill switch, and accounts that stopped themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.app.wiring import JOURNAL
from yieldbot.execution import halt as switch
from yieldbot.execution.lock import run_lock
from yieldbot.journal.events import AccountCleared, ExitRefused, TxSigned
from yieldbot.journal.fold import fold_exits, fold_reverts
from yieldbot.journal.store import Journal

if TYPE_CHECKING:
    import argparse

    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.model.ids import Address, ChainId


def register(listed: Listed) -> None:
    parser = listed.add_parser("halt")
    parser.add_argument("--reason", default="", metavar="TEXT", help="shown wherever the bot refuses to go on")
    parser.set_defaults(command="halt", handler=halt)

    parser = listed.add_parser("resume")
    parser.add_argument(
        "--clear",
        action="store_true",
        help="let stopped accounts sign again, and markets without a way out be rehearsed again",
    )
    parser.set_defaults(command="resume", handler=resume)


def halt(args: argparse.Namespace, context: Screen) -> int:
    data_dir = context.settings.data_dir
    path, lacking = switch.halt(data_dir, args.reason, int(time.time()))
    if lacking:
        context.say(lacking)
    reason = switch.halted(data_dir)
    context.show(
        docs.document("halt", halted=True, reason=reason, file=str(path)),
        lambda: f"halted ({reason}): nothing is signed or sent until `yieldbot resume`",
    )
    return 0


def resume(args: argparse.Namespace, context: Screen) -> int:
    was = switch.resume(context.settings.data_dir)
    stopped = _clear(context) if args.clear else stopped_accounts(context)
    rows = [
        {"chain_id": chain, "owner": owner, "reason": reason, "cleared": bool(args.clear)}
        for (chain, owner), reason in stopped.items()
    ]

    def words() -> str:
        lines = ["the halt is lifted" if was else "there was no halt"]
        for row in rows:
            state = "may sign again; it was stopped" if row["cleared"] else "is stopped (`resume --clear` ends that)"
            lines.append(f"account {row['owner']} on {row['chain_id']} {state}: {row['reason']}")
        return "\n".join(lines)

    context.show(docs.document("resume", lifted=was, stopped=rows), words)
    return 0


def stopped_accounts(context: Screen) -> dict[tuple[ChainId, Address], str]:
    """Accounts that may sign nothing, each with why. Raises InvariantError for a journal that is not sound."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return {}
    with Journal.read(file) as journal:
        return dict(journal.stopped_accounts())


def _clear(context: Screen) -> dict[tuple[ChainId, Address], str]:
    """Clear every stopped account, and markets that were not let in for their way out; what accounts were stopped for.
    Under the run's lock, since the journal is written."""
    data_dir = context.settings.data_dir
    if not (data_dir / JOURNAL).exists():
        return {}
    with run_lock(data_dir), Journal.open(data_dir / JOURNAL) as journal:
        stopped, records = dict(journal.stopped_accounts()), journal.history()
        keys = [(r.event.chain, r.event.owner) for r in records if isinstance(r.event, ExitRefused | TxSigned)]
        shut = [
            key
            for key in dict.fromkeys(keys)
            if any(e.refusals for e in fold_exits(records, *key).values()) or fold_reverts(records, *key)
        ]
        if accounts := tuple(dict.fromkeys((*stopped, *shut))):
            journal.append(*(AccountCleared(chain, owner, "terminal") for chain, owner in accounts))
        return stopped
