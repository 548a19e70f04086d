"""``dry-run``, ``run``, ``approve`` and ``reject``: the same cycle with different approvers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from yieldbot.allocator.across import across
from yieldbot.app import alike, job_reports, notice_memory, telemetry
from yieldbot.app.alerts import measure
from yieldbot.app.cycle import approve_queued
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.app.job_turns import by_account, every, record_telemetry
from yieldbot.app.notice_runs import of_answer
from yieldbot.app.other_wallets import job_of
from yieldbot.app.plan_parts import AcrossChains, PlansTogether
from yieldbot.app.run_documents import (
    ApproveDocument,
    DryRunDocument,
    RunDocument,
)
from yieldbot.app.run_log import RunLog
from yieldbot.app.safe_proposals import deliver
from yieldbot.app.thinking import NO_ANSWER, consent
from yieldbot.app.together import waiting_together
from yieldbot.app.wiring import JobFilter, Keyless, jobs_of, world_of
from yieldbot.app.wrong_clock import ahead, newest_entry
from yieldbot.execution.approvals import Ask, Auto, DeclineAll, ExitsAtOnce, PreApproved, Queue
from yieldbot.execution.lock import run_lock
from yieldbot.execution.passphrases import is_given
from yieldbot.execution.persons import BySignatures, alone
from yieldbot.execution.register import read_register
from yieldbot.execution.slots import needs_addresses
from yieldbot.history.recorded import queued_plan
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Declined

if TYPE_CHECKING:
    from yieldbot.allocator.across import Across
    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Report
    from yieldbot.app.job_turns import Ended
    from yieldbot.app.together import Together
    from yieldbot.execution.approvals import Approval, Approver, Proposal
    from yieldbot.execution.world import SignerOf, Wiring
    from yieldbot.model.ids import ChainId
    from yieldbot.model.settings import Job, Wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunRequest:
    """One cycle of every job with a rehearsal on a fork; nothing is signed."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs to run; by default all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One cycle of every job."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs to run."""
    approve: Literal["queue", "ask", "auto"] = "queue"
    """``queue``: the plan is journalled and waits for ``approve``; ``ask``: a person is asked now; ``auto``: the policy
    approves within auto_max_move and auto_max_total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """Carry out a plan that waits for approval."""

    plan_id: str
    """The plan's identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """The results of all jobs."""

    document: RunDocument
    """The answer; its ``exit_code`` is the command's."""
    reports: tuple[Report, ...]
    """Each job's cycle, for tables; none for a job that ended with an error."""
    across: tuple[Across, ...]
    """What bridging would gain, for each asset that is held on several chains."""
    chains: dict[ChainId, str]
    """Names of the jobs' chains."""
    together: tuple[Together, ...] = ()
    """Markets that pay less once the plans of several wallets that wait are all carried out."""


def dry_run(request: DryRunRequest, context: Context, *, settles: bool = True) -> RunAnswer:
    """One cycle of every job that ends after the rehearsal; no key is read. settles: see ``Wiring``. Raises
    ConfigError, and RunInProgress if another run is."""
    return _cycle(DryRunDocument, request.jobs, context, lambda journal: DeclineAll(), Keyless, settles=settles)


def run(
    request: RunRequest, context: Context, *, show: Callable[[Proposal], None], ask: Callable[[], bool | None]
) -> RunAnswer:
    """One cycle of every job under the run lock. A job's error is part of the answer and does not stop other jobs.

    Only with ``approve="ask"``, ``show`` is called with each rehearsed plan, and then ``ask`` for a person's consent
    (None: nobody answered in time, and the plan waits in the journal), while other runs may have the lock.
    Raises ConfigError, and RunInProgress if another run is.
    """

    how = Consent(request.approve, context, show, ask)
    return _cycle(RunDocument, request.jobs, context, how.approver, asks=how.asks, opens=how.opens)


def queued(request: RunRequest, context: Context, *, settles: bool = True) -> RunAnswer:
    """One cycle of every job whose plans all wait for a person, exits too; no key is read, whatever the request says of
    approval. Findings are put into the inbox of notices. settles: see ``Wiring``. Raises ConfigError, and RunInProgress
    where another run is."""

    def approver(journal: Journal) -> Approver:
        return Queue(journal, context.program, context.settings.notice_times.link)

    done = _cycle(RunDocument, request.jobs, context, approver, Keyless, settles=settles)
    if context.settings.notices:
        news = of_answer("plan", done, int(time.time()))
        notice_memory.put(context.settings.data_dir, news.findings, make=True)
    return done


@dataclass(frozen=True, slots=True)
class Consent:
    """How one run obtains consent to its plans."""

    approve: Literal["queue", "ask", "auto"]
    """See ``RunRequest.approve``."""
    context: Context
    """The use case's context."""
    show: Callable[[Proposal], None]
    """Shows a rehearsed plan to a person."""
    ask: Callable[[], bool | None]
    """Asks for consent; None: nobody answered in time."""
    waits: bool = True
    """Whether a plan that nobody answered waits in the journal, as one of ``queue`` does."""

    @property
    def asks(self) -> bool:
        """Whether a person is asked during the run, so that jobs must run one after another."""
        return self.approve == "ask"

    def approver(self, journal: Journal) -> Approver:
        """The approver. If the policy says so, exits into our own wallet need no consent."""
        policy = self.context.settings.policy
        found = self._approver(journal)
        return ExitsAtOnce(journal, found) if policy.auto_exit else found

    def _approver(self, journal: Journal) -> Approver:
        async def shown(proposal: Proposal) -> bool | Declined:
            self.show(proposal)
            answer, plan = consent(journal, self.context.lock, self.ask), proposal.plan
            unanswered = isinstance(answer, Declined) and answer.code == NO_ANSWER
            if not (self.waits and unanswered and time.time() < plan.expires_at):
                return answer
            waits = await self._queue(journal).approve(proposal)
            return replace(waits, reason=f"nobody answered in time: nothing is signed; {waits.reason}")

        match self.approve:
            case "ask":
                alone(self.context.settings.policy)
                return Ask(journal, shown)
            case "auto":
                return Auto(journal, self.context.settings.policy)
            case "queue":
                return self._queue(journal)

    def _queue(self, journal: Journal) -> Queue:
        return Queue(journal, self.context.program, self.context.settings.notice_times.link)

    def opens(self, wallet: Wallet) -> bool:
        """Whether a wallet's key is opened before its plan is rehearsed. If a person is asked, the passphrase is only
        asked for after a yes to the plan."""
        return self.approve == "auto" or (self.asks and is_given(wallet, self.context.environment))


def approve(
    request: ApproveRequest,
    context: Context,
    *,
    show: Callable[[Proposal], None],
    ask: Callable[[], bool | None] | None,
) -> RunAnswer:
    """Observes and rehearses a stored plan again; if it still makes sense, signs and sends it.

    ``show`` is called with the rehearsed plan before anything is signed, and then ``ask``, while other runs may have
    the lock: unless it returns True, the plan keeps waiting. ask: None: nobody is asked. Raises ConfigError if no such
    plan waits, and RunInProgress if another run is.
    """

    def approver(journal: Journal) -> Approver:
        needed = context.settings.policy.approvals_needed
        if needed:
            register = read_register(context.settings.data_dir)
            named: Approver = BySignatures(journal, request.plan_id, needed, register)
        else:
            named = PreApproved(journal, request.plan_id)
        return ShowingApprover(named, context, journal, show, ask)

    lock = run_lock(context.settings.data_dir, "approve")
    with lock as held, context.locked(held), world_of(context, approver, opens=lambda _: True) as world:
        ttl = world.settings.policy.plan_ttl_seconds
        plan = queued_plan(world.journal, request.plan_id, world.now(), ttl)
        telemetry.follows(world.journal.run_of(request.plan_id))
        deadline = Deadline(world, held)
        job = job_of(world.settings, plan)
        work = partial(run_within, deadline, job, lambda: approve_queued(deadline.world, request.plan_id))
        report = RunLog(context, "approve", request.plan_id).around(world, job, work)
    record_telemetry(report)
    return answer(ApproveDocument, context, [report])


@dataclass(frozen=True, slots=True)
class ShowingApprover:
    """An approver that shows every call and asks once more before it approves."""

    named: Approver
    """Approves the plan that a person named."""
    context: Context
    """The use case's context."""
    journal: Journal
    """The journal of this run."""
    show: Callable[[Proposal], None]
    """Shows a rehearsed plan to a person."""
    ask: Callable[[], bool | None] | None
    """Asks for consent; None: nobody is asked."""

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        self.show(proposal)
        answer = True if self.ask is None else consent(self.journal, self.context.lock, self.ask)
        if answer is not True:
            plan_id, why = proposal.plan.id, "you said no" if answer is False else answer.reason
            return Declined("QUEUED", f"{why}; plan {plan_id} still waits: {self.context.program} approve {plan_id}")
        return await self.named.approve(proposal)


def _cycle(
    document: type[RunDocument],
    wanted: JobFilter,
    context: Context,
    approver: Callable[[Journal], Approver],
    signer_of: SignerOf | None = None,
    asks: bool = False,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
    settles: bool = True,
) -> RunAnswer:
    """One cycle of every job under the run lock."""
    jobs, log = jobs_of(wanted, context), RunLog(context, document.SCHEMA)
    ended = cycles(jobs, context, approver, signer_of, asks, opens, log=log, settles=settles)
    return answer(document, context, ended)


def cycles(
    jobs: Sequence[Job],
    context: Context,
    approver: Callable[[Journal], Approver],
    signer_of: SignerOf | None = None,
    asks: bool = False,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
    work: Callable[[Wiring, Job], Awaitable[Report]] | None = None,
    log: RunLog | None = None,
    settles: bool = True,
) -> list[Ended]:
    """Runs the work (by default one cycle) of every job under the run lock; results in the order of the jobs. ``asks``:
    a person is asked, so jobs run one after another; ``opens``, ``settles``: see ``world_of``; ``log``: keeps how each
    ended."""
    needs_addresses()
    log = log or RunLog(context, "run")
    opened = world_of(context, approver, signer_of, opens=opens, settles=settles)
    with run_lock(context.settings.data_dir, log.command) as held, context.locked(held), opened as world:
        deadline, newest = Deadline(world, held), newest_entry(world.journal)
        with deadline.armed():
            ended = asyncio.run(every(deadline, [list(enumerate(jobs))] if asks else by_account(jobs), work, log))
        blocks = (one.snapshot.block.timestamp for one in ended.values() if not isinstance(one, tuple) and one.snapshot)
        if line := ahead(newest, world.now(), max(blocks, default=None)):
            context.say(line)
    return [ended[index] for index in sorted(ended)]


def answer(document: type[RunDocument], context: Context, ended: Sequence[Ended]) -> RunAnswer:
    """Build the answer; report failures and hand over proposals of Safes."""
    alike.complain(context, (one for one in ended if isinstance(one, tuple)))
    found = tuple(one for one in ended if not isinstance(one, tuple))
    measure(((one.job, one.after or one.snapshot) for one in found), context)
    for report in found:
        if report.proposed is not None:
            deliver(context, report)
    policy = context.settings.policy
    rows = tuple(
        job_reports.failure(*one) if isinstance(one, tuple) else job_reports.report(one, policy) for one in ended
    )
    between, all_in = _across(context, found), waiting_together(found, policy)
    code = job_reports.worst([row.exit_code for row in rows])
    return RunAnswer(
        document=document(
            exit_code=code, jobs=rows, across_chains=AcrossChains.of(between), together=PlansTogether.of(all_in)
        ),
        reports=found,
        across=between,
        together=all_in,
        chains={one.job.chain.chain: one.job.chain.name for one in found},
    )


def _across(context: Context, found: Sequence[Report]) -> tuple[Across, ...]:
    """What bridging would gain, over the chains that could be read."""
    latest = [one.after or one.snapshot for one in found]
    return across([snapshot for snapshot in latest if snapshot is not None], context.settings.policy)
