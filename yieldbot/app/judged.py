"""Adds judgements to a snapshot's markets before anything is decided: forecasts of their rates, alarms, and safety
grades."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from yieldbot.app.alarms import Entries, with_alarms
from yieldbot.app.foretell import with_forecasts
from yieldbot.app.graded import facts_of, graded_by, with_grades
from yieldbot.app.looks import standing, with_backing
from yieldbot.app.own_growth import with_growth
from yieldbot.journal.fold import Record
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy


def judged(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
    note: Callable[[Entries], None] | None = None,
    *,
    keep: bool = True,
) -> Snapshot:
    """The snapshot with forecasts, growth, alarms and grades from memory, the last look and the journal.

    records: the journal's. note: called with changes of alarms that the journal does not have yet; None: they are not
    written. keep: whether grades are written into the ledger.

    Anything that cannot be read is one line by ``say``: a run never waits for it.
    """
    snapshot = with_growth(snapshot, data_dir, say)
    snapshot = with_forecasts(snapshot, data_dir, policy, say, records)
    seen = standing(snapshot, data_dir, say, policy.alarms)
    snapshot = with_backing(snapshot, seen.backing)
    snapshot, entries = with_alarms(snapshot, data_dir, policy, say, records, seen.signs)
    if note is not None and entries:
        note(entries)
    known = seen.controls, seen.holders, seen.lost, seen.growth, seen.reward_ends, seen.priced
    if not keep:
        return graded_by(snapshot, facts_of(snapshot, data_dir, say, *known), policy)
    return with_grades(snapshot, data_dir, policy, say, *known)
