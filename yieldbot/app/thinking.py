"""A question to a person in the middle of a run: while they think, other runs may have the lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from yieldbot.model.plan import Declined

if TYPE_CHECKING:
    from yieldbot.execution.lock import Held
    from yieldbot.journal.store import Journal

HARMLESS = ("access.noted", "run.ended")
"""Kinds of journal entries that change nothing of what was shown."""
MOST_ROWS = 1_000
NO_ANSWER, MEANWHILE = "NO_ANSWER", "RUN_MEANWHILE"
AGAIN = "run it again"
NOT_ANSWERED = (NO_ANSWER, MEANWHILE)
"""Codes of refusals where a person did not say no."""


def consent(
    journal: Journal, lock: Held | None, ask: Callable[[], bool | None], remedy: str = AGAIN
) -> bool | Declined:
    """The person's answer; None of ``ask`` says that they gave none in time.

    The lock of runs is free while they think. If another command wrote into the journal meanwhile (a plan, a
    transaction, an alarm), what they were shown may no longer be so, and nothing is done. What the chain says is read
    again before each leg in any case. lock: of this run; None: it has none; remedy: what to do where nobody answers.
    Raises RunInProgress if another run has
    the lock when they answer.
    """
    if lock is None:
        yes = ask()
    else:
        before, _ = journal.head()
        with lock.aside("a person thinks"):
            yes = ask()
        rows = journal.rows_after(before, MOST_ROWS)
        if any(row[2] not in HARMLESS for row in rows):
            return Declined(MEANWHILE, "another command changed something while you were thinking: run it again")
    return Declined(NO_ANSWER, f"nobody answered in time: nothing is signed; {remedy}") if yes is None else yes
