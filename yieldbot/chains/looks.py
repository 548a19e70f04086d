"""Chooses the markets whose contracts a look reads, the same for all chain families."""

from __future__ import annotations

from yieldbot.model.market import Market, Snapshot


def looked_at(snapshot: Snapshot) -> list[Market]:
    """The markets of a snapshot, and quarantined ones that are known as markets (and not only as a deployment that
    could not be listed)."""
    unread = [one.market for one in snapshot.quarantined if one.market.params]
    return [*(state.market for state in snapshot.states.values()), *unread]
