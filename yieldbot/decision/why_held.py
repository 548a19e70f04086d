"""Explains a Hold in more detail than the solver does: the best move that would pay, only too late. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.plan import NOTHING_PAYS, make_plan
from yieldbot.decision.decide import Decision
from yieldbot.decision.gas_learned import with_learnt_gas
from yieldbot.journal.fold import Record
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job

PATIENCE = 10.0
"""In the search for a move that would pay later, all costs (gas and what swaps lose) have this many times as long to
pay."""


def explained(
    found: Decision, snapshot: Snapshot, policy: Policy, job: Job, now: int, records: Sequence[Record] = ()
) -> Decision:
    """The decision; if nothing pays in time, its Hold states how long the best move would take to pay, unless that is
    more than PATIENCE times what the policy allows.

    It costs one more solve, for a reader of the reason; the decision itself does not change.
    """
    if not isinstance(held := found.outcome, Hold) or held.reason != NOTHING_PAYS:
        return found
    snapshot = with_learnt_gas(snapshot, records)
    wanted = allocate(snapshot, found.assessments, policy, base=job.base, patience=PATIENCE)
    late = make_plan(snapshot, wanted, policy, now)
    if not isinstance(late, Hold) or not late.late:
        return found
    return replace(found, outcome=replace(held, reason=late.reason))
