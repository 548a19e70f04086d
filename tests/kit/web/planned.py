"""A plan that waits: decided by the real decision on what the double of the chain's session shows."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.kit.api.served import Served
from tests.unit.app.test_overview import SEEN, Quiet
from yieldbot.app import approvers
from yieldbot.decision.decide import decide
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Plan, identified
from yieldbot.model.text import one_line

RISKS = ("b: safety B, 71 of 100: oracle and governance are the weakest",)


def waiting_plan(served: Served, seconds: float = 3600, **changed: object) -> Plan:
    """A plan that waits so long. changed: fields to replace."""
    settings = served.service.context.settings
    policy = replace(settings.policy, min_benefit=0.0) if hasattr(settings.policy, "min_benefit") else settings.policy
    now = int(time.time())
    found = decide(SEEN, policy, settings.jobs[0], now).outcome
    assert isinstance(found, Plan), found
    made = identified(replace(found, expires_at=int(now + seconds), **changed))  # type: ignore[arg-type]
    lines = tuple(one_line(line.partition(". ")[2]) for line in plan_lines(made)[: len(made.legs)])
    changes = tuple(f"-{leg.amount}" for leg in made.legs)
    with Journal.open(served.service.journal_file) as journal:
        journal.append(
            PlanWritten(made, lines, changes, RISKS),
            PlanMarked(made.id, PlanStatus.QUEUED, "queue"),
            RunEnded(
                chain=made.block.chain,
                owner=made.owner,
                plan_id=made.id,
                run=f"run-{made.id}",
                by="schedule",
                command="run",
                wallet="main",
                assets=(made.asset.symbol,),
                began=now,
                seconds=1.0,
                outcome="queued",
                code="",
                reason="",
            ),
        )
    return made


def needs(context: Quiet, number: int) -> None:
    """So many persons must sign."""
    context._settings = replace(context.settings, policy=replace(context.settings.policy, approvals_needed=number))


def person(context: Quiet, name: str, line: list[str]) -> None:
    """Adds a person by the line that the page shows: the words after ``yieldbot approver add NAME``."""
    words = [part for word in line for part in word.split("=", 1)]  # a credential may begin with a dash
    given = dict(zip(words[::2], words[1::2], strict=True))
    made = approvers.person(
        name, passkey=given["--passkey"], origin=given["--origin"], credential=given["--credential"]
    )
    approvers.add(made, context)
