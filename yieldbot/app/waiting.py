"""Which plan that waits for a person stays in place of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.decision.holds import still_holds
from yieldbot.decision.same_plan import says_the_same
from yieldbot.execution.approvals import lets_wait
from yieldbot.journal.journal_entries import PlanStatus

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Plan
    from yieldbot.model.settings import Job


def reported_before(world: Wiring, plan: Plan) -> bool:
    """Whether an earlier run reported that this plan waits, so that it need not be said again. It is once more when
    half of its time has passed, since it may expire before the next run."""
    last = world.journal.last_end(plan.id)
    soon = plan.expires_at - world.settings.policy.plan_ttl_seconds // 2
    return last is not None and (world.now() < soon or last >= soon)


def waits_already(world: Wiring, job: Job, snapshot: Snapshot, new: Plan) -> Plan | None:
    """The plan that waits and says the same as the new one, if it still makes sense now; None: there is none, or the
    new plan would not wait. What waits keeps its content, id and expiry, and is rehearsed again."""
    if not lets_wait(world.approver, new):
        return None
    policy, now = world.settings.policy, world.now()
    for stored in reversed(world.journal.plans(PlanStatus.QUEUED)):
        if says_the_same(stored.plan, new, now, policy.plan_ttl_seconds):
            return stored.plan if still_holds(stored.plan, 0, snapshot, policy, job) is None else None
    return None
