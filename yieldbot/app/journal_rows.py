"""The journal's rows for REST and MCP, kept in memory and grown by what is appended: what a request costs does not grow
with the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from yieldbot.app.collections import transaction_of
from yieldbot.app.history import event_of, plan_of, signed_by
from yieldbot.app.requested_runs import RunRow, run_of
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import InvariantError
from yieldbot.execution.persons import read_register
from yieldbot.journal import looks
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.connections import ReadOnly
from yieldbot.journal.fold import Record, StoredPlan, StoredTx, fold_plans, fold_transactions
from yieldbot.journal.grown import grown
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

WHOLE_SECONDS = 600.0
"""After this many seconds the next change makes the whole journal be read and verified again, not only the appended
rows."""


@dataclass(slots=True)
class _Known:
    """The state of the journal as read so far."""

    head: tuple[int, str]
    """(number, hash) of the last row that was read."""
    read_at: float
    """When the whole journal was last read, in seconds of a monotonic clock."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Every entry as a JSON object, the oldest first."""
    plans: dict[str, StoredPlan] = field(default_factory=dict)
    """Plans by id."""
    approvals: dict[str, list[ApprovalGiven]] = field(default_factory=dict)
    """Signatures by the plan's id."""
    sent: dict[str, StoredTx] = field(default_factory=dict)
    """Transactions by hash."""
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Entries of ended cycles by the run's id."""
    asked: dict[str, str] = field(default_factory=dict)
    """Who asked for the run that made a plan, by the plan's id."""
    shown_plans: dict[str, tuple[tuple[StoredPlan, tuple[str, ...], str | None], dict[str, Any]]] = field(
        default_factory=dict
    )
    """((plan, who has signed it, who asked for it), its row) by id."""
    shown_sent: dict[str, tuple[StoredTx, dict[str, Any]]] = field(default_factory=dict)
    """(transaction, its row) by hash."""
    shown_runs: dict[str, tuple[int, RunRow]] = field(default_factory=dict)
    """(how many entries it has, its row) by id."""


class JournalRows:
    """Rows of one journal: entries, plans, transactions and runs. Not thread-safe."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._data_dir, self._file, self._clock = data_dir, data_dir / JOURNAL, clock
        self._known: _Known | None = None
        self.whole = 0
        """How often the whole journal was read."""

    def read(self) -> dict[str, list[Any]]:
        """Rows of ``journal``, ``plans``, ``transactions`` and ``runs``, the oldest first. A journal that was cut off
        or rewritten is read anew. Raises InvariantError for a damaged one, TransientError while it cannot be read."""
        known, self._known = self._known, None  # whatever fails, the next reading is a whole one
        more: tuple[tuple[Record, ...], str] | None = None
        if known is not None and self._clock() - known.read_at < WHOLE_SECONDS and known.head[0]:
            more = grown(self._file, *known.head)
        if known is None or more is None:
            self.whole += 1
            with Journal.read(self._file) as journal:
                records = journal.history()
                known = _Known(journal.head(), self._clock())
        else:
            records, digest = more
            known.head = known.head[0] + len(records), digest
        try:
            self._add(known, records)
        except ValueError as damage:
            raise InvariantError(f"journal {self._file} contradicts itself: {damage}") from None
        found: dict[str, list[Any]] = {
            "journal": known.events,
            "plans": self._plans(known),
            "transactions": _transactions(known),
            "runs": [{"run": row} for row in (*_runs(known), *self._repeated(known))],
        }
        self._known = known
        return found

    def _add(self, known: _Known, records: Iterable[Record]) -> None:
        records = tuple(records)
        known.plans = fold_plans(records, known.plans)
        known.sent = fold_transactions(records, known.sent)
        places = {name: (str(one.plan.block.chain), str(one.plan.owner)) for name, one in known.plans.items()}
        for record in records:
            event = event_of(record, places).model_dump(mode="json")
            known.events.append(event)
            match record.entry:
                case ApprovalGiven() as given:
                    known.approvals.setdefault(given.plan_id, []).append(given)
                case RunEnded() as ended:
                    if ended.plan_id:
                        known.asked.setdefault(ended.plan_id, ended.by)
                    known.runs.setdefault(event["body"]["run"], []).append(event)
                case _:
                    pass

    def _repeated(self, known: _Known) -> list[RunRow]:
        """The newest runs that only repeated the last one and were counted instead of written."""
        found = dict[str, list[dict[str, Any]]]()
        for look in looks.read(ReadOnly(self._file).fetch):
            if isinstance(look.entry, RunEnded) and look.entry.run not in known.runs:
                event = event_of(Record(0, look.at, look.entry), {}).model_dump(mode="json")
                found.setdefault(look.entry.run, []).append(event)
        return [run_of(name, events) for name, events in found.items()]

    def _plans(self, known: _Known) -> list[dict[str, Any]]:
        register = read_register(self._data_dir)
        rows = []
        for name, stored in known.plans.items():
            signed = signed_by(stored, known.approvals.get(name, ()), register)
            before = known.shown_plans.get(name)
            now = stored, signed, known.asked.get(name)
            if before is None or before[0][0] is not stored or before[0][1:] != now[1:]:
                before = now, plan_of(*now).model_dump(mode="json")
                known.shown_plans[name] = before
            rows.append(before[1])
        return rows


def _transactions(known: _Known) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for name, stored in known.sent.items():
        before = known.shown_sent.get(name)
        if before is None or before[0] is not stored:
            before = known.shown_sent[name] = stored, transaction_of(stored)
        rows.append(before[1])
    return rows


def _runs(known: _Known) -> list[RunRow]:
    rows = []
    for name, events in known.runs.items():
        before = known.shown_runs.get(name)
        if before is None or before[0] != len(events):
            before = known.shown_runs[name] = len(events), run_of(name, events)
        rows.append(before[1])
    return rows
