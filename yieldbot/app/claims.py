"""Plans that only claim rewards, which a server makes by its job ``claim``."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.app.cycle import run_job
from yieldbot.app.run import RunAnswer, RunRequest, answer, cycles
from yieldbot.app.run_documents import RunDocument
from yieldbot.app.wiring import JOURNAL, Keyless, jobs_of
from yieldbot.decision.decide import decide_claims
from yieldbot.execution.approvals import Queue
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.amounts import Token
    from yieldbot.model.settings import Job


def queued_claims(request: RunRequest, context: Context, *, settles: bool = True) -> RunAnswer:
    """As ``run.queued``, for claims of rewards (and sales of those) only. Jobs whose account has a plan that waits are
    left out: a newer plan would take its place. settles: see ``Wiring``."""
    waits = _that_wait(context)
    jobs: list[Job] = []
    for job in jobs_of(request.jobs, context):
        if (job.wallet.address, job.asset) in waits:
            context.say(f"{job.wallet.name}: {job.title} on {job.chain.name}: no claim is planned while a plan waits")
        else:
            jobs.append(job)
    if not jobs:
        return answer(RunDocument, context, [])

    def approver(journal: Journal) -> Queue:
        return Queue(journal, context.program, context.settings.notice_times.link)

    work = partial(run_job, by=decide_claims)
    return answer(RunDocument, context, cycles(jobs, context, approver, Keyless, work=work, settles=settles))


def _that_wait(context: Context) -> set[tuple[str, Token]]:
    """(owner, asset) of every plan that waits and has not expired."""
    file, now = context.settings.data_dir / JOURNAL, time.time()
    if not file.exists():
        return set()
    with Journal.read(file) as journal:
        plans = (*journal.plans(PlanStatus.QUEUED), *journal.plans(PlanStatus.PROPOSED))
    return {(one.plan.owner, one.plan.asset) for one in plans if one.plan.expires_at > now}
