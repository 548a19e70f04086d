"""``plan``: the best allocation and the moves towards it. Nothing is simulated or signed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.allocator.across import across
from yieldbot.app import overview
from yieldbot.app.alarm_documents import MarketAlarm
from yieldbot.app.other_wallets import Turns, journal_of
from yieldbot.app.parts import JobHead
from yieldbot.app.plan_documents import ForecastUsed, JobPlan, MarketWayOut, PlanDocument
from yieldbot.app.plan_parts import AcrossChains, PlansTogether, Quarantined, plan_or_hold
from yieldbot.app.together import Together, together
from yieldbot.app.whatif import WhatIf
from yieldbot.app.wiring import JobFilter
from yieldbot.decision.pending import with_others
from yieldbot.model.dataclass import dataclass
from yieldbot.model.plan import Plan

if TYPE_CHECKING:
    from yieldbot.allocator.across import Across
    from yieldbot.app.context import Context
    from yieldbot.history.holdings import UnreadHolding
    from yieldbot.model.ids import ChainId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Hold
    from yieldbot.model.settings import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Which jobs to plan for, and with which assumptions."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs to plan for."""
    what_if: WhatIf = field(default_factory=WhatIf)
    """Assumptions that replace the configuration for this answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """One job and the plan for it."""

    job: Job
    """The job."""
    snapshot: Snapshot | None = None
    """The snapshot with the job's markets; None: the chain could not be served."""
    skipped: str | None = None
    """Why the chain could not be served; None: it was."""
    unread: tuple[UnreadHolding, ...] = ()
    """Markets that could not be read."""
    counted: Snapshot | None = None
    """The snapshot as the decision saw it: with what it counts of other wallets."""
    outcome: Plan | Hold | None = None
    """The plan or hold; None: its chain could not be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer:
    """The plans of all jobs."""

    document: PlanDocument
    """For ``--json``."""
    jobs: tuple[PlannedJob, ...]
    """The same in the model's own values, for tables."""
    across: tuple[Across, ...]
    """What bridging would gain, for each asset that is held on several chains."""
    together: tuple[Together, ...]
    """Markets that pay less once the plans of several wallets are all carried out."""
    chains: dict[ChainId, str]
    """The names of the jobs' chains."""
    exit_code: int
    """1 if a chain, or a market that holds our money, could not be read; else 0."""


def plan(request: PlanRequest, context: Context) -> PlanAnswer:
    """Observes every chain and decides. Raises ConfigError for a request that names no job, amount or market."""
    what_if = request.what_if
    observed = overview.observe(request.jobs, context, what_if.policy(context.settings.policy), what_if.amount)
    if not overview.exit_code(observed):  # a skipped chain may have the named markets
        what_if.check_names([snapshot for _, snapshot in observed if not isinstance(snapshot, str)])
    unread = overview.unread_of(context, observed)
    rows: list[JobPlan | JobHead] = []
    jobs: list[PlannedJob] = []
    pairs: list[tuple[Snapshot, Plan]] = []
    turns = Turns([job for job, _ in observed], context.settings.jobs, *journal_of(context))
    for (job, snapshot), lost in zip(observed, unread, strict=True):
        if isinstance(snapshot, str):
            rows.append(JobHead(**JobHead.fields_of(job, None, snapshot)))
            jobs.append(PlannedJob(job=job, skipped=snapshot))
            continue
        beside = turns.beside(job, snapshot)
        found = overview.decide(context, job, snapshot, what_if.amount(job), what_if, lost, beside).outcome
        turns.decided(job, snapshot, found if isinstance(found, Plan) else None)
        seen = with_others(snapshot, beside)
        pairs += [(seen, found)] if isinstance(found, Plan) else []
        forecasts = ForecastUsed.of(snapshot)
        rows.append(
            JobPlan(
                **JobHead.fields_of(job, snapshot),
                quarantined=Quarantined.of(lost),
                ways_out=MarketWayOut.of(snapshot),
                plan=plan_or_hold(found),
                forecasts=forecasts,
                bound_of="forecast" if forecasts else "rates",
                contradicted=snapshot.contradicted,
                alarms=MarketAlarm.every(snapshot),
            )
        )
        jobs.append(PlannedJob(job=job, snapshot=snapshot, unread=lost, counted=seen, outcome=found))
    between = () if what_if.wealth is not None else _across(jobs, what_if, context)
    all_in = together(pairs, what_if.policy(context.settings.policy))
    return PlanAnswer(
        document=PlanDocument(
            what_if=what_if.document(),
            jobs=tuple(rows),
            across_chains=AcrossChains.of(between),
            together=PlansTogether.of(all_in),
        ),
        jobs=tuple(jobs),
        across=between,
        together=all_in,
        chains={job.chain.chain: job.chain.name for job, _ in observed},
        exit_code=overview.exit_code(observed, unread),
    )


def _across(jobs: list[PlannedJob], what_if: WhatIf, context: Context) -> tuple[Across, ...]:
    """What bridging would gain, over the chains that could be read."""
    return across([one.snapshot for one in jobs if one.snapshot is not None], what_if.policy(context.settings.policy))
