"""What is thought of a snapshot's markets before anything is decided: forecasts of their rates, and their safety."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from yieldbot.app.foretell import with_forecasts
from yieldbot.app.graded import with_grades
from yieldbot.journal.fold import Record
from yieldbot.model.market import Snapshot
from yieldbot.model.policy import Policy


def judged(
    snapshot: Snapshot,
    data_dir: Path,
    policy: Policy,
    say: Callable[[str], None],
    records: Sequence[Record] = (),
) -> Snapshot:
    """The snapshot with all that memory and the journal say of its markets. records: the journal's.

    Whatever cannot be read is one line by ``say``: a run never waits for it."""
    snapshot = with_forecasts(snapshot, data_dir, policy, say, records)
    return with_grades(snapshot, data_dir, policy, say)
