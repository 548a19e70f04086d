"""``dry-run``, ``run``, ``approve`` and ``reject``: the cycle, with the approver that is asked for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from yieldbot.allocator.across import across
from yieldbot.app import log as events
from yieldbot.app import reports
from yieldbot.app.cycle import approve_queued, job_of, run_job
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.plan_parts import AcrossChains
from yieldbot.app.run_documents import (
    ApproveDocument,
    DryRunDocument,
    RejectDocument,
    RunDocument,
)
from yieldbot.app.wiring import JOURNAL, JobFilter, Keyless, jobs_of, world_of
from yieldbot.chains.evm.signing.keystore import is_given
from yieldbot.errors import ConfigError, InvariantError, SafetyError, YieldbotError
from yieldbot.execution.approvals import Ask, Auto, DeclineAll, PreApproved, Queue
from yieldbot.execution.lock import run_lock
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.events import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.plan import Declined, Hold
from yieldbot.model.policy import SafeOwner
from yieldbot.model.text import one_line
from yieldbot.rpc.service import post

if TYPE_CHECKING:
    from yieldbot.allocator.across import Across
    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Report
    from yieldbot.execution.approvals import Approval, Approver, Proposal
    from yieldbot.execution.world import SignerOf
    from yieldbot.model.ids import ChainId
    from yieldbot.model.policy import Job, Wallet

    Ended = Report | tuple[Job, YieldbotError]
    Placed = tuple[int, Job]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunRequest:
    """One cycle of every job with a rehearsal on a fork; nothing is signed."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """Which jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One cycle of every job."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """Which jobs."""
    approve: Literal["queue", "ask", "auto"] = "queue"
    """Who approves a plan: it is written down and waits; a person is asked now; the policy inside its limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """Carry out a plan that waits. Naming it is the approval."""

    plan_id: str
    """The plan's identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectRequest:
    """Refuse a plan that waits."""

    plan_id: str
    """The plan's identifier."""
    reason: str = ""
    """Kept in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """What came of the jobs."""

    document: RunDocument
    """The answer; its ``exit_code`` is the command's."""
    reports: tuple[Report, ...]
    """What each job's cycle saw and did, for tables; a job that ended with an error has none."""
    across: tuple[Across, ...]
    """What bridging would gain, of the chains that were seen."""
    chains: dict[ChainId, str]
    """Names of the chains."""


def dry_run(request: DryRunRequest, context: Context) -> RunAnswer:
    """One cycle of every job, whose approver approves nothing; no key is read."""
    return _cycle(DryRunDocument, request.jobs, context, lambda journal: DeclineAll(), Keyless)


def run(
    request: RunRequest, context: Context, *, show: Callable[[Proposal], None], ask: Callable[[], bool]
) -> RunAnswer:
    """One cycle of every job under the run's lock. A job's error is a part of the answer.

    ``show`` and ``ask`` are called for ``approve="ask"`` alone: a person sees what was rehearsed, and consents or not.
    """

    async def shown(proposal: Proposal) -> bool:
        show(proposal)
        return ask()

    def approver(journal: Journal) -> Approver:
        match request.approve:
            case "ask":
                return Ask(journal, shown)
            case "auto":
                return Auto(journal, context.settings.policy)
            case "queue":
                return Queue(journal, context.program)

    asks = request.approve == "ask"

    def opens(wallet: Wallet) -> bool:  # who is asked about the plan is asked for the passphrase only after a yes
        return request.approve == "auto" or (asks and is_given(wallet, context.environment))

    return _cycle(RunDocument, request.jobs, context, approver, asks=asks, opens=opens)


def approve(
    request: ApproveRequest, context: Context, *, show: Callable[[Proposal], None], ask: Callable[[], bool]
) -> RunAnswer:
    """Looks again, rehearses again, and signs and sends what still is the plan that was stored.

    ``show`` is called with every call before anything is signed; then ``ask``, and where it gives False the plan goes
    on waiting. Raises ConfigError where no such plan waits.
    """

    def approver(journal: Journal) -> Approver:
        return Shown(PreApproved(journal, request.plan_id), context.program, show, ask)

    with run_lock(context.settings.data_dir), world_of(context, approver, opens=lambda _: True) as world:
        plan = queued_plan(world.journal, request.plan_id, world.now())
        deadline = Deadline(world)
        job = job_of(world.settings, plan)
        report = run_within(deadline, job, lambda: approve_queued(deadline.world, request.plan_id))
    tell(report)
    return _end(ApproveDocument, context, [report])


def reject(request: RejectRequest, context: Context) -> RejectDocument:
    """Marks the plan as rejected. Raises ConfigError where there is none, SafetyError where it waits no more."""
    with run_lock(context.settings.data_dir), Journal.open(context.settings.data_dir / JOURNAL) as journal:
        stored = journal.plan(request.plan_id)
        if stored is None:
            raise ConfigError(
                f"no plan {request.plan_id} in the journal: `yieldbot history --waiting` lists those that wait"
            )
        if stored.status not in (PlanStatus.QUEUED, PlanStatus.PROPOSED):
            raise SafetyError("PLAN_CLOSED", f"plan {request.plan_id} is {stored.status.value} already")
        journal.append(PlanMarked(request.plan_id, PlanStatus.REJECTED, "terminal", one_line(request.reason, 500)))
    return RejectDocument(plan_id=request.plan_id)


@dataclass(frozen=True, slots=True)
class Shown:
    """An approver that shows every call and asks once more before it approves."""

    named: PreApproved
    """Approves the plan that a person named."""
    program: str
    """How to call us again, for the hint."""
    show: Callable[[Proposal], None]
    """Shows a rehearsed plan to a person."""
    ask: Callable[[], bool]
    """Asks for consent."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        self.show(proposal)
        if not self.ask():
            plan_id = proposal.plan.id
            return Declined("QUEUED", f"you said no; plan {plan_id} still waits: {self.program} approve {plan_id}")
        return await self.named.approve(proposal)


def _cycle(
    document: type[RunDocument],
    wanted: JobFilter,
    context: Context,
    approver: Callable[[Journal], Approver],
    signer_of: SignerOf | None = None,
    asks: bool = False,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
) -> RunAnswer:
    """One cycle of every job under the run lock. ``asks``: a person answers, so that one job goes after the other."""
    jobs = jobs_of(wanted, context)
    with run_lock(context.settings.data_dir), world_of(context, approver, signer_of, opens=opens) as world:
        deadline = Deadline(world)
        with deadline.armed():
            ended = asyncio.run(every(deadline, [list(enumerate(jobs))] if asks else by_account(jobs)))
    return _end(document, context, [ended[index] for index in sorted(ended)])


def by_account(jobs: Sequence[Job]) -> list[list[Placed]]:
    """Jobs with their places, in groups that may run beside each other.

    Those of one account would take each other's nonces, so they are one group, gone through in turn.
    """
    groups: dict[tuple[str, str], list[Placed]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.wallet.address, job.chain.chain), []).append((index, job))
    return list(groups.values())


async def every(deadline: Deadline, groups: Sequence[Sequence[Placed]]) -> dict[int, Ended]:
    """What came of each job, by its place among them. A job's error leaves the other accounts; after an
    InvariantError no further job begins, and what is under way is brought to its end."""
    ended: dict[int, Ended] = {}
    broken = False

    async def in_turn(jobs: Sequence[Placed]) -> None:
        nonlocal broken
        for index, job in jobs:
            if broken:
                return
            try:
                report = await deadline.within(job, partial(run_job, deadline.world, job))
            except YieldbotError as failure:
                events.failed(job, failure)
                broken = broken or isinstance(failure, InvariantError)
                ended[index] = (job, failure)
            else:
                tell(report)
                ended[index] = report

    for unforeseen in await asyncio.gather(*(in_turn(jobs) for jobs in groups), return_exceptions=True):
        if unforeseen is not None:
            raise unforeseen  # a bug, told once the other accounts have come to their end
    return ended


def _end(document: type[RunDocument], context: Context, ended: Sequence[Ended]) -> RunAnswer:
    """The answer; failures are told, and a Safe's proposal is handed on."""
    for one in ended:
        if isinstance(one, tuple):
            job, failure = one
            context.complain(f"{job.wallet.name}: {job.asset.symbol} on {job.chain.name}: {failure}")
    found = tuple(one for one in ended if not isinstance(one, tuple))
    for report in found:
        if report.proposed is not None:
            deliver(context, report)
    horizon = context.settings.policy.horizon_days * 86_400
    rows = tuple(reports.failure(*one) if isinstance(one, tuple) else reports.report(one, horizon) for one in ended)
    between = _across(context, found)
    code = reports.worst([row.exit_code for row in rows])
    return RunAnswer(
        document=document(exit_code=code, jobs=rows, across_chains=AcrossChains.of(between)),
        reports=found,
        across=between,
        chains={one.job.chain.chain: one.job.chain.name for one in found},
    )


def _across(context: Context, found: Sequence[Report]) -> tuple[Across, ...]:
    """What bridging would gain, of the chains that were seen."""
    seen = [one.after or one.snapshot for one in found]
    return across([snapshot for snapshot in seen if snapshot is not None], context.settings.policy)


def deliver(context: Context, report: Report) -> None:
    """Write a Safe's proposal down, and post it to the transaction service where one is configured."""
    assert report.proposed is not None and isinstance(report.job.wallet.held, SafeOwner)
    folder = context.settings.data_dir / "proposals"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{report.proposed.hash}.json"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        json.dump(report.proposed.document, out, indent=2)
    context.say(f"the proposal is in {file}")
    if (url := report.job.wallet.held.service_url) is None:
        return
    path = f"{url.rstrip('/')}/api/v1/safes/{report.job.wallet.address}/multisig-transactions/"
    try:
        post(path, report.proposed.document)
    except YieldbotError as failure:
        context.complain(f"{failure}; the proposal is in {file}: hand it to the owners yourself")
    else:
        context.say("the Safe's transaction service has it: the other owners see it in their wallets")


def tell(report: Report) -> None:
    """The cycle's events, for the log."""
    job = report.job
    if report.skipped is not None:
        events.skipped(job, report.skipped)
    for outcome in report.settled:
        events.settled(job, outcome)
    if report.snapshot is not None:
        events.observed(job, report.snapshot)
        for bad in report.snapshot.quarantined:
            events.quarantined(job, bad)
    if report.decision is not None:
        made = report.decision.outcome
        if isinstance(made, Hold):
            events.held(job, made.reason)
        else:
            events.planned(job, made)
    if report.rehearsal is not None:
        events.rehearsed(job, report.rehearsal.gas_used)
    for leg, outcome in report.outcomes:
        events.ended(job, leg, outcome)
    if report.declined is not None:
        events.declined(job, report.declined)
