"""``halt`` and ``resume``: the kill switch, and stopped accounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from yieldbot.app import kept_books
from yieldbot.app.halt_documents import HaltDocument, ResumeDocument, StoppedAccount
from yieldbot.app.wiring import JOURNAL
from yieldbot.execution import halt as switch
from yieldbot.execution.lock import run_lock
from yieldbot.journal.exit_entries import ExitRefused
from yieldbot.journal.fold import fold_exits, fold_reverts
from yieldbot.journal.journal_entries import AccountCleared, TxSigned
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.ids import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltRequest:
    """Sign and send nothing more."""

    reason: str = ""
    """The reason, shown by every command that refuses to work because of the halt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """Lift the halt."""

    clear: bool = False
    """Also let stopped accounts sign again, and rehearse again markets whose exit had failed."""


def halt(request: HaltRequest, context: Context) -> HaltDocument:
    """Halts every run on this data directory, those in progress included. An earlier halt's reason is kept. Only the
    data directory is read from the configuration: no mistake in the rest, and no secret that cannot be had, is in the
    way. Raises ConfigError."""
    data_dir = context.halt_dir()
    path, lacking = switch.halt(data_dir, request.reason, int(time.time()))
    if lacking:
        context.say(lacking)
    return HaltDocument(halted=True, reason=switch.halted(data_dir), file=str(path))


def resume(request: ResumeRequest, context: Context) -> ResumeDocument:
    """Lifts the halt; with ``clear`` also lets every stopped account sign again. Raises InvariantError for a damaged
    journal, YieldbotError if ``clear`` is requested while a run is in progress."""
    was = switch.resume(context.settings.data_dir)
    stopped = _clear(context) if request.clear else stopped_accounts(context)
    rows = (
        StoppedAccount(chain_id=chain, owner=owner, reason=reason, cleared=request.clear)
        for (chain, owner), reason in stopped.items()
    )
    return ResumeDocument(lifted=was, stopped=tuple(rows))


def stopped_accounts(context: Context) -> dict[tuple[ChainId, Address], str]:
    """Stopped accounts, each with the reason. Raises InvariantError for a damaged journal."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return {}
    with Journal.read(file, appended=True) as journal:
        return dict(journal.stopped_accounts())


def _clear(context: Context) -> dict[tuple[ChainId, Address], str]:
    """Clear every stopped account and every refused exit, under the run lock; returns the accounts that were stopped,
    with reasons."""
    data_dir = context.settings.data_dir
    if not (data_dir / JOURNAL).exists():
        return {}
    with run_lock(data_dir, "resume --clear"), Journal.open(data_dir / JOURNAL) as journal:
        stopped, records = dict(journal.stopped_accounts()), journal.records()
        keys = [(r.entry.chain, r.entry.owner) for r in records if isinstance(r.entry, ExitRefused | TxSigned)]
        shut = [
            key
            for key in dict.fromkeys(keys)
            if any(e.refusals for e in fold_exits(records, *key).values()) or fold_reverts(records, *key)
        ]
        if accounts := tuple(dict.fromkeys((*stopped, *shut))):
            journal.append(*(AccountCleared(chain, owner, "terminal") for chain, owner in accounts))
        kept_books.keep(journal)
        return stopped
