"""The decision on a snapshot of one asset."""

from __future__ import annotations

from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Allocation, Hold, Plan
from yieldbot.model.policy import Policy

NOW = 1_800_000_000


def decide(seen: Snapshot, policy: Policy) -> tuple[Allocation, Plan | Hold]:
    found = allocate(seen, assess(seen, policy), policy)
    return found, make_plan(seen, found, policy, NOW)
