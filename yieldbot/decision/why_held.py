"""Why nothing is done, in more detail than the solver gives: the best move that would only pay later. Pure."""

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
"""All costs, gas and what swaps lose, have so many times as long in search of the best move that would pay later."""


def told(
    found: Decision, snapshot: Snapshot, policy: Policy, job: Job, now: int, records: Sequence[Record] = ()
) -> Decision:
    """The decision; where nothing pays in time, its Hold says of the best move how long it would take, if that is not
    above ten times what the policy allows.

    It is one more solve, for those who read the reason; what is decided stays the same.
    """
    if not isinstance(held := found.outcome, Hold) or held.reason != NOTHING_PAYS:
        return found
    snapshot = with_learnt_gas(snapshot, records)
    wanted = allocate(snapshot, found.assessments, policy, base=job.base, patience=PATIENCE)
    late = make_plan(snapshot, wanted, policy, now)
    if not isinstance(late, Hold) or not late.late:
        return found
    return replace(found, outcome=replace(held, reason=late.reason))
