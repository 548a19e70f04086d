"""Reads as many markets in full as a decision needs. A job with many markets is first read in full only where a glance
shows that it could matter; where the bound then shows that others could be better, these are read too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.decision.decide import Decision
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot

MOST_ROUNDS = 4
"""How many times at most the chain is observed; what could be better after that is in the certificate's gap."""


async def read_enough(
    observe: Callable[[Collection[MarketId]], Awaitable[Snapshot]], decide: Callable[[Snapshot], Decision]
) -> Snapshot:
    """The snapshot on which a decision can be made. observe: called with markets that must be read in full, in addition
    to those that the connection has read in full before. decide: the decision on a snapshot."""
    snapshot = await observe(())
    for _ in range(MOST_ROUNDS - 1):
        more = decide(snapshot).allocation.certificate.unread if snapshot.glanced else ()
        if not more:
            break
        snapshot = await observe(more)
    return snapshot
