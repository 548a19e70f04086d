"""How soon a limit over time lets more in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW, SEEN, A
from yieldbot.decision.decide import decide
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.ids import Address
from yieldbot.model.plan import Plan
from yieldbot.risk.refills import Refill, plan_seconds

POLICY = loose(horizon_days=30.0, limit_move="9000", plan_ttl_seconds=3600)
ACCOUNT = SEEN.block.chain, SEEN.owner


@pytest.mark.parametrize(
    ("step", "rest", "seconds"),
    [
        (10, 10, 60.0),
        (10, 20, 90.0),
        (10, 5, 60.0),
        (None, 1_000, 60.0),
        (10, 25, 60.0 * (10 + 20 + 15) / 25),
        (10, 0, 0.0),
    ],
)
def test_parts_of_a_rest_wait_for_their_step(step: int | None, rest: int, seconds: float) -> None:
    assert Refill(step, 60.0).waits(rest) == pytest.approx(seconds)


def test_the_time_between_plans_is_that_since_the_accounts_last_plan_that_left_something() -> None:
    plan = decide(SEEN, POLICY, JOB, NOW).outcome
    assert isinstance(plan, Plan) and A in plan.allocation.later
    done = [
        Record(1, NOW - 900, PlanWritten(plan)),
        Record(2, NOW - 600, PlanMarked(plan.id, PlanStatus.EXECUTED, "cron")),
    ]
    assert plan_seconds(POLICY, done, ACCOUNT, NOW) == 600
    other = replace(plan, owner=Address("0x" + "1" * 40))
    whole = replace(plan, allocation=replace(plan.allocation, later={}))
    for written in (other, whole):
        assert plan_seconds(POLICY, [Record(1, NOW - 900, PlanWritten(written)), done[1]], ACCOUNT, NOW) == 3_600
    assert plan_seconds(POLICY, done[:1], ACCOUNT, NOW) == 3_600, "it was not carried out"
