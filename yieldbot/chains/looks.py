"""Which markets a look at controls covers, the same for all families."""

from __future__ import annotations

from yieldbot.model.market import Market, Snapshot


def looked_at(snapshot: Snapshot) -> list[Market]:
    """The markets of a snapshot, and those that could not be read but are known (not only the name of a table)."""
    unread = [one.market for one in snapshot.quarantined if one.market.params]
    return [*(state.market for state in snapshot.states.values()), *unread]
