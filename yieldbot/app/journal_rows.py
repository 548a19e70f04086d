"""The journal's rows for REST and MCP, grown by what is appended: the newest in memory, older ones from the file, so
that neither a request's cost nor the memory grows with the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from yieldbot.app.collections import Collection, transaction_of
from yieldbot.app.history import event_of, plan_of, plans_named, signed_by
from yieldbot.app.requested_runs import RunRow, run_of
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import InvariantError
from yieldbot.execution.register import read_register
from yieldbot.journal import looks
from yieldbot.journal.access_entries import ApprovalGiven
from yieldbot.journal.connections import ReadOnly
from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered
from yieldbot.journal.fold import Record, StoredPlan, StoredTx, fold_plans, fold_transactions
from yieldbot.journal.grown import grown
from yieldbot.journal.journal_entries import PlanMarked, PlanWritten
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

WHOLE_SECONDS = 600.0
"""After this many seconds the next change makes the whole journal be read and verified again, not only the appended
rows."""


WINDOW = 20_000
"""So many of the newest rows are kept in memory. Older ones are read when they are asked for."""


@dataclass(slots=True)
class _Known:
    """The state of the journal as read so far."""

    head: tuple[int, str]
    """(number, hash) of the last row that was read."""
    read_at: float
    """When the whole journal was last read, in seconds of a monotonic clock."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """The newest entries as JSON objects, the oldest first."""
    orders: list[dict[str, Any]] = field(default_factory=list)
    """Every order to leave a market, and every lifting of one, as JSON objects."""
    plans: dict[str, StoredPlan] = field(default_factory=dict)
    """Plans by id: those of the newest entries, and older ones that were begun, wait or were rejected on terms."""
    approvals: dict[str, list[ApprovalGiven]] = field(default_factory=dict)
    """Signatures by the plan's id."""
    sent: dict[str, StoredTx] = field(default_factory=dict)
    """Transactions by hash."""
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Entries of cycles that ended, by the run's id."""
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
    """Rows of one journal: entries, orders to leave, plans, transactions and runs. Not thread-safe, but for
    ``read_older``."""

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._data_dir, self._file, self._clock = data_dir, data_dir / JOURNAL, clock
        self._known: _Known | None = None
        self.whole = 0
        """How often the whole journal was read."""

    def collections(self, version: str, at: int) -> dict[str, Collection]:
        """What ``read`` gives, the newest first. at: unix seconds."""
        found = self.read()
        made = {name: Collection(tuple(reversed(rows)), f"{name}-{version}", at) for name, rows in found.items()}
        if self._known is not None and (older := self._known.head[0] - len(found["journal"])) > 0:
            made["journal"] = replace(made["journal"], older=older, read_older=self.read_older)
        return made

    def read_older(self, begin: int, end: int) -> list[dict[str, Any]]:
        """The entries numbered above ``begin`` up to ``end``, the newest first. Raises as ``read``."""
        with Journal.read(self._file, appended=True) as journal:
            return _shown(journal, journal.part(begin, end - begin))[::-1]

    def read(self) -> dict[str, list[Any]]:
        """Rows of ``journal`` (the newest WINDOW), ``orders``, ``plans``, ``transactions`` and ``runs``, the oldest
        first. A journal that was cut off or rewritten is read anew. Raises InvariantError for a damaged one,
        TransientError while it cannot be read."""
        known, self._known = self._known, None  # whatever fails, the next reading is a whole one
        if known is None or not self._grown(known):
            known = self._read_whole()
        found: dict[str, list[Any]] = {
            "journal": known.events,
            "orders": known.orders,
            "plans": self._plans(known),
            "transactions": _transactions(known),
            "runs": [{"run": row} for row in (*_runs(known), *self._repeated(known))],
        }
        self._known = known
        return found

    def _read_whole(self) -> _Known:
        self.whole += 1
        with Journal.read(self._file) as journal:
            known = _Known(journal.head(), self._clock())
            first = max(0, known.head[0] - WINDOW)
            newest, kept = journal.part(first, WINDOW), journal.records() if first else ()
            places = journal.places_of_plans(plans_named(newest))
            known.orders = _shown(journal, [one for one in kept if one.seq <= first and _is_order(one)])
            for given in journal.every_approval(first):
                known.approvals.setdefault(given.plan_id, []).append(given)
            known.asked = journal.asked_by() if first else {}
            rows = {one.seq: one for one in (*kept, *newest)}
            written = {one.entry.plan.id for one in rows.values() if isinstance(one.entry, PlanWritten)}
            marked = {one.entry.plan_id for one in newest if isinstance(one.entry, PlanMarked)}
            rows |= {one.seq: one for name in marked - written for one in journal.about_plan(name)}
            try:
                known.plans = fold_plans(rows[seq] for seq in sorted(rows))
                known.sent = {one.signed.hash: one for one in journal.transactions()}
            except ValueError as damage:
                raise InvariantError(f"journal {self._file} contradicts itself: {damage}") from None
        self._add(known, newest, places)
        return known

    def _grown(self, known: _Known) -> bool:
        """Add what was appended since; False: all of it must be read anew."""
        if self._clock() - known.read_at >= WHOLE_SECONDS or not known.head[0]:
            return False
        if (more := grown(self._file, *known.head)) is None:
            return False
        records, digest = more
        try:
            known.plans, known.sent = fold_plans(records, known.plans), fold_transactions(records, known.sent)
        except ValueError:  # about a plan that is not among those in memory, perhaps
            return False
        known.head = known.head[0] + len(records), digest
        places = {name: (str(one.plan.block.chain), str(one.plan.owner)) for name, one in known.plans.items()}
        self._add(known, records, places)
        if len(known.events) > 2 * WINDOW:
            known.events = known.events[-WINDOW:]
        return True

    def _add(self, known: _Known, records: Iterable[Record], places: Mapping[str, tuple[str, str]]) -> None:
        for record in records:
            event = event_of(record, places).model_dump(mode="json")
            known.events.append(event)
            if _is_order(record):
                known.orders.append(event)
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


def events_of_plan(data_dir: Path, plan_id: str) -> list[dict[str, Any]]:
    """Every entry about a plan and its transactions as a JSON object, the newest first."""
    with Journal.read(data_dir / JOURNAL, appended=True) as journal:
        return _shown(journal, journal.about_plan(plan_id))[::-1]


def _shown(journal: Journal, records: Sequence[Record]) -> list[dict[str, Any]]:
    places = journal.places_of_plans(plans_named(records))
    return [event_of(record, places).model_dump(mode="json") for record in records]


def _is_order(record: Record) -> bool:
    return isinstance(record.entry, ExitOrdered | ExitLifted)


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
