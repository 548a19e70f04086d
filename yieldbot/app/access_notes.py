"""Entries of the journal about what persons and programs were allowed to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.wiring import JOURNAL

if TYPE_CHECKING:
    from yieldbot.app.context import Context


def note(context: Context, what: str, outcome: str, by: str = "terminal", where: str = "") -> None:
    """Write one audit entry into the journal."""
    from yieldbot.journal.access_entries import AccessNoted
    from yieldbot.journal.store import Journal

    with Journal.open(context.settings.data_dir / JOURNAL, appended=True) as journal:
        journal.append(AccessNoted(by=by, where=where, what=what, outcome=outcome))
