"""Keeps in the journal how each cycle ended, and who asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import telemetry
from yieldbot.errors import InvariantError, SafetyError, TransientError, YieldbotError
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.unchanged import same_end
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Hold
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Report
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job

OF_CODE = {
    "QUEUED": "queued",
    "APPROVALS_MISSING": "queued",
    "WAITS_FOR_OWNERS": "handed_over",
    "DRY_RUN": "rehearsed",
    "HUMAN_REJECTED": "rejected",
}
"""Outcomes of plans that were not carried out, by the code of ``Declined``; any other code is a refusal."""
LONGEST = 500
"""Most characters of a reason."""


@dataclass(frozen=True, slots=True)
class RunLog:
    """One run, whose cycles are journalled when they end."""

    context: Context
    """The use case's context."""
    command: str
    """The use case, as ``run``."""
    plan_id: str = ""
    """The plan that it carries out; empty: each cycle makes its own."""
    id: str = field(default_factory=telemetry.for_run)
    """The run's id."""

    def around(self, world: Wiring, job: Job, work: Callable[[], Report]) -> Report:
        """Do the work of one job, and journal how it ended. Raises whatever the work raises."""
        began = time.monotonic()
        try:
            report = work()
        except YieldbotError as failure:
            self.ended(world, job, began, failure)
            raise
        self.ended(world, job, began, report)
        return report

    def ended(
        self, world: Wiring, job: Job, began: float, end: Report | YieldbotError | tuple[Job, YieldbotError]
    ) -> bool:
        """Journal how a job's cycle ended; returns whether the last one ended in the same way today. A failure to write
        is only a line of progress, since everything signed is in the journal already. began: unix seconds."""
        seconds = time.monotonic() - began
        end = end[1] if isinstance(end, tuple) else end
        outcome, code, reason = outcome_of(end)
        entry = RunEnded(
            chain=job.chain.chain,
            owner=job.wallet.address,
            plan_id=self.plan_id or _plan_of(end),
            run=self.context.run_id or self.id,
            by=self.context.asked_by,
            command=self.command,
            wallet=job.wallet.name,
            assets=tuple(token.symbol for token in job.assets),
            began=int(time.time() - seconds),
            seconds=round(seconds, 3),
            outcome=outcome,
            code=code,
            reason=one_line(self.context.redacted(reason), LONGEST),
        )
        again = False
        try:
            before = world.journal.ended_before(entry)
            again = before is not None and same_end(before, entry)
            world.journal.append_unless_repeated(entry)
        except (InvariantError, TransientError) as failure:
            self.context.complain(f"how the run ended is not in the journal: {failure}")
        return again


def outcome_of(end: Report | YieldbotError) -> tuple[str, str, str]:
    """(outcome, code, reason) of a cycle."""
    if isinstance(end, YieldbotError):
        code = end.code if isinstance(end, SafetyError) else type(end).__name__
        return "failed", code, str(end)
    if end.skipped is not None:
        return "skipped", "", end.skipped
    if end.proposed is not None:
        return "handed_over", "", end.proposed.note
    if end.declined is not None:
        return OF_CODE.get(end.declined.code, "refused"), end.declined.code, end.declined.reason
    if end.failed:
        return "reverted", "", "a transaction did not do what it should"
    if end.decision is not None and isinstance(end.decision.outcome, Hold):
        return "held", "", end.decision.outcome.reason
    return "executed", "", ""


def _plan_of(end: Report | YieldbotError) -> str:
    if isinstance(end, YieldbotError) or end.decision is None or isinstance(end.decision.outcome, Hold):
        return ""
    return end.decision.outcome.id
