"""Works through the jobs of a run: those of one account in turn, accounts at the same time, as many as there are files
for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from yieldbot.app import telemetry
from yieldbot.app.cycle import run_job
from yieldbot.app.loop_faults import line_of
from yieldbot.app.other_wallets import turns_of
from yieldbot.app.run_log import OF_CODE
from yieldbot.errors import InvariantError, RunInProgress, TransientError, YieldbotError
from yieldbot.execution.slots import accounts_at_once
from yieldbot.model.plan import Hold, Plan

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.app.deadline import Deadline
    from yieldbot.app.run_log import RunLog
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job

    Ended = Report | tuple[Job, YieldbotError]
    Placed = tuple[int, Job]


NO_MEMORY = "the process may use no more memory: raise its limit (`ulimit -v`, MemoryMax), or run fewer jobs at once"


def by_account(jobs: Sequence[Job]) -> list[list[Placed]]:
    """(index, job) in groups that may run concurrently.

    Jobs of one account share its nonces, so they form one group and run in turn.
    """
    groups: dict[tuple[str, str], list[Placed]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.wallet.address, job.chain.chain), []).append((index, job))
    return list(groups.values())


async def every(
    deadline: Deadline,
    groups: Sequence[Sequence[Placed]],
    work: Callable[[Wiring, Job], Awaitable[Report]] | None,
    log: RunLog,
) -> dict[int, Ended]:
    """Each job's report or error, by its index. An error ends only its own job; after an InvariantError, or once
    another run has the lock, no further job is started, and those under way are completed. work: what is done for each
    job; None: one cycle. log: keeps how each ended."""
    ended: dict[int, Ended] = {}
    broken = False

    _faults_in_one_line(deadline.world.say)
    room = asyncio.Semaphore(accounts_at_once())
    several = sum(map(len, groups)) > 1
    turns = turns_of(deadline.world, [job for jobs in groups for _, job in jobs])
    ours = replace(deadline.world, others=turns)

    async def in_turn(jobs: Sequence[Placed]) -> None:
        try:
            for index, job in jobs:
                await turns.may_begin(job)
                async with room:
                    turns.begin(job)
                    await one(index, job)
                turns.end(job)
        finally:
            for _, job in jobs:
                turns.end(job)

    async def one(index: int, job: Job) -> None:
        nonlocal broken
        if not broken:
            began = time.monotonic()
            world = _heard(ours, job) if several else ours
            try:
                report = await deadline.within(job, partial(work or run_job, world, job))
            except (YieldbotError, MemoryError) as ended_by:
                failure = ended_by if isinstance(ended_by, YieldbotError) else TransientError(NO_MEMORY)
                telemetry.failed(job, failure)
                broken = broken or isinstance(failure, (InvariantError, RunInProgress))  # or the lock is another's
                ended[index] = (job, failure)
            else:
                record_telemetry(report)
                ended[index] = report
            again, end = log.ended(deadline.world, job, began, ended[index]), ended[index]
            if again and not isinstance(end, tuple) and may_wait(end):
                ended[index] = replace(end, reported=True)

    for unforeseen in await asyncio.gather(*(in_turn(jobs) for jobs in groups), return_exceptions=True):
        if unforeseen is not None:
            raise unforeseen  # a bug: raised once the other accounts have ended
    return ended


def may_wait(report: Report) -> bool:
    """Whether it is enough to report once a day how a cycle ended: its chain could not be read, or its plan was
    refused. What takes money out, and what was signed or sent, is always reported; plans that wait have their own
    times (``waiting.reported_before``)."""
    refused = report.skipped is not None or (report.declined is not None and report.declined.code not in OF_CODE)
    plan = report.decision.outcome if report.decision is not None else None
    leaves = isinstance(plan, Plan) and plan.takes_out
    return refused and not (leaves or report.outcomes or report.settled or report.left_undone)


def _faults_in_one_line(say: Callable[[str], None]) -> None:
    """Let what fails outside of all jobs (a connection that ends for want of memory) be one line of each kind."""
    seen = set[str]()

    def unhandled(_: object, found: Mapping[str, Any]) -> None:
        if (line := line_of(found)) is not None and line not in seen:
            seen.add(line)
            say(line)

    asyncio.get_running_loop().set_exception_handler(unhandled)


def _heard(world: Wiring, job: Job) -> Wiring:
    """The same wiring, whose lines of progress name the job's wallet and chain."""
    return replace(world, say=lambda line: world.say(f"{job.wallet.name} on {job.chain.name}: {line}"))


def record_telemetry(report: Report) -> None:
    """Write the cycle's telemetry."""
    job = report.job
    if report.skipped is not None:
        telemetry.skipped(job, report.skipped)
    for outcome in report.settled:
        telemetry.settled(job, outcome)
    if report.snapshot is not None:
        telemetry.observed(job, report.snapshot)
        for bad in report.snapshot.quarantined:
            telemetry.quarantined(job, bad)
    if report.decision is not None:
        made = report.decision.outcome
        if isinstance(made, Hold):
            telemetry.held(job, made.reason)
        else:
            telemetry.planned(job, made)
    if report.rehearsal is not None:
        telemetry.rehearsed(job, report.rehearsal.gas_used)
    for leg, outcome in report.outcomes:
        telemetry.ended(job, leg, outcome)
    if report.declined is not None:
        telemetry.declined(job, report.declined)
