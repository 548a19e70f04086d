"""``markets``: lists the markets with their yields. Nothing is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from yieldbot.app import overview, yields
from yieldbot.app.liquidity import PoolsAnswer, pools
from yieldbot.app.market_documents import JobMarkets, YieldsDocument, glanced_markets, markets_of, unread_markets
from yieldbot.app.market_view import FLAGS, View, arranged
from yieldbot.app.parts import JobHead
from yieldbot.app.risk_free import risk_free
from yieldbot.app.whatif import amount_of
from yieldbot.app.wiring import JobFilter
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind
from yieldbot.model.spelling import did_you_mean

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Allocation, Assessment
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job


KINDS = ("lending", "vault", "staking", "lp")
"""Kinds that can be listed; ``lp``: liquidity in pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketsRequest:
    """Which markets to list, and for how much money."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets are listed."""
    amount: str | None = None
    """Assumed wealth in each job's asset, in whole tokens; None: what we hold."""
    kind: str | None = None
    """Only markets of this kind, one of KINDS; None: all except liquidity in pools."""
    min_safety: int | None = None
    """Only markets of this safety grade or better; None: all."""
    view: View = field(default_factory=View)
    """Further filters, and the order."""


@dataclass(frozen=True, slots=True)
class ListedMarkets:
    """One job's markets of one asset, with the figures of the list."""

    job: Job
    """The job."""
    snapshot: Snapshot
    """The snapshot with the job's markets."""
    assessments: Sequence[Assessment]
    """The policy's assessment of each market."""
    allocation: Allocation | None
    """The best allocation; None: none was computed."""
    wealth: Amount | None = None
    """Assumed wealth; None: what the snapshot holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketsAnswer:
    """Every market with its yields."""

    document: YieldsDocument
    """For ``--json``."""
    listed: tuple[ListedMarkets, ...]
    """The list by job and asset, for tables; jobs whose chain could be served."""
    skipped: tuple[tuple[Job, str], ...]
    """The other jobs, each with why its chain could not be served."""
    exit_code: int
    """1 where a chain could not be served, else 0."""


def markets(request: MarketsRequest, context: Context) -> MarketsAnswer | PoolsAnswer:
    """Lists pools for kind ``lp``, else markets. Raises ConfigError for a request that names no job, amount or kind."""
    if request.kind not in (None, *KINDS):
        raise ConfigError(f"--kind {request.kind}: {did_you_mean(request.kind, KINDS)}")
    check_grade(request.min_safety)
    request.view.check()
    if request.kind == "lp" and request.min_safety is not None:
        raise ConfigError("--min-safety: pools have no safety grade: leave --kind lp out")
    if request.kind == "lp" and request.view != View():
        named = ", ".join(FLAGS[name] for name in FLAGS if getattr(request.view, name) != getattr(View(), name))
        raise ConfigError(f"{named}: pools are not filtered or sorted: leave it out, or --kind lp")
    return pools(request, context) if request.kind == "lp" else _markets(request, context)


def _markets(request: MarketsRequest, context: Context) -> MarketsAnswer:
    """Observes every chain and decides; yields are shown for the holdings that the decision would lead to."""
    policy = context.settings.policy
    horizon = overview.horizon_seconds(policy)
    rows: list[JobMarkets | JobHead] = []
    listed: list[ListedMarkets] = []
    skipped: list[tuple[Job, str]] = []

    def assumed(job: Job) -> Amount | None:
        return None if request.amount is None else amount_of("--amount", request.amount, job)

    observed = overview.observe(request.jobs, context, wealth=assumed)
    for job, snapshot in observed:
        if isinstance(snapshot, str):
            rows.append(JobHead(**JobHead.fields_of(job, None, snapshot)))
            skipped.append((job, snapshot))
            continue
        wealth = assumed(job)
        decision = overview.decide(context, job, snapshot, wealth)
        for one, part in overview.by_asset(job, snapshot):
            all_of_it = part.wealth(one.asset) if job.base is None else snapshot.wealth(one.asset)
            if wealth is not None and one.asset == job.asset:
                all_of_it = wealth
            shown = part if request.kind is None else _of_kind(part, request.kind)
            shown = shown if request.min_safety is None else _of_safety(shown, request.min_safety)
            listed.append(ListedMarkets(one, shown, decision.assessments, decision.allocation, all_of_it))
            rows.append(job_markets(listed[-1], horizon, policy))
    return MarketsAnswer(
        document=YieldsDocument(
            horizon_seconds=horizon,
            risk_free=risk_free(
                policy.risk_free, [one.snapshot for one in listed], context.settings.data_dir, context.say
            ),
            jobs=arranged(rows, request.view),
        ),
        listed=tuple(listed),
        skipped=tuple(skipped),
        exit_code=overview.exit_code(observed),
    )


def job_markets(listed: ListedMarkets, horizon_seconds: float, policy: Policy) -> JobMarkets:
    """One job's entry of the document."""
    job, snapshot = listed.job, listed.snapshot
    wealth = listed.wealth or yields.wealth_of(snapshot, job)
    found = markets_of(snapshot, listed.assessments, listed.allocation, wealth, horizon_seconds, policy)
    return JobMarkets(
        **JobHead.fields_of(job, snapshot),
        markets=found,
        quarantined=unread_markets(snapshot),
        glanced=glanced_markets(snapshot, horizon_seconds),
    )


def _of_kind(snapshot: Snapshot, kind: str) -> Snapshot:
    """The snapshot with its markets of one kind, and the wallet."""
    shown = {i: s for i, s in snapshot.states.items() if s.market.kind in (Kind(kind), Kind.IDLE)}
    return replace(snapshot, states=shown, glanced=tuple(g for g in snapshot.glanced if g.market.kind is Kind(kind)))


def _of_safety(snapshot: Snapshot, least: int) -> Snapshot:
    """The snapshot with its markets of this grade or better, and the wallet; what was not read in full has no grade."""
    shown = {
        i: s
        for i, s in snapshot.states.items()
        if s.market.kind is Kind.IDLE or (s.grade is not None and s.grade.safety >= least)
    }
    return replace(snapshot, states=shown, glanced=())


def check_grade(least: int | None) -> None:
    """Raises ConfigError if this is not a grade."""
    if least is not None and not 0 <= least <= 100:
        raise ConfigError(f"--min-safety {least}: write a grade from 0 to 100")
