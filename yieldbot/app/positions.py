"""``positions``: what we hold, what it has earned, and what it was predicted to earn. Nothing is signed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import learned, liquidity, overview, profit
from yieldbot.app.account_entries import booked
from yieldbot.app.exposure_documents import ExposureShare, over_all
from yieldbot.app.learned_documents import EverHeld
from yieldbot.app.memory import FOLDER
from yieldbot.app.parts import JobHead
from yieldbot.app.plan_parts import Quarantined
from yieldbot.app.position_documents import Holdings, JobPositions, PositionsDocument, RemovedPosition
from yieldbot.app.removed_jobs import RemovedHolding, removed
from yieldbot.app.totals import totals
from yieldbot.app.wiring import JobFilter
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldbot.app.context import Context
    from yieldbot.app.liquidity import AccountLiquidity
    from yieldbot.app.overview import Observation
    from yieldbot.app.profit import Accounting, Earned
    from yieldbot.history.holdings import MeasuredPosition, UnreadHolding
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRequest:
    """Whose positions to list."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs that hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldByJob:
    """What one job holds of one asset."""

    job: Job
    """The job."""
    snapshot: Snapshot | None = None
    """The snapshot with the job's markets; None: the chain could not be served."""
    skipped: str | None = None
    """Why the chain could not be served; None: it was."""
    positions: tuple[MeasuredPosition, ...] = ()
    """The job's holdings by market."""
    earned: tuple[Earned, ...] = ()
    """Profit and loss of each market that it is or was in."""
    unread: tuple[UnreadHolding, ...] = ()
    """Markets that could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsAnswer:
    """What all jobs hold."""

    document: PositionsDocument
    """For ``--json``."""
    jobs: tuple[HeldByJob, ...]
    """The holdings by job and asset, for tables."""
    liquidity: tuple[AccountLiquidity, ...]
    """Positions in pools, by wallet and chain, for tables."""
    removed: tuple[RemovedHolding, ...]
    """Holdings that no job looks after any more."""
    exit_code: int
    """1 if a chain, or a market that holds our money, could not be read; else 0."""


def positions(request: PositionsRequest, context: Context) -> PositionsAnswer:
    """Observes every chain and reads our accounts' history. Raises ConfigError for a request that names no job,
    InvariantError for a journal that contradicts itself."""
    policy = context.settings.policy
    horizon = overview.horizon_seconds(policy)
    observed: list[Observation] = []
    whole = overview.observe(request.jobs, context)
    for job, snapshot in whole:
        observed += [(job, snapshot)] if isinstance(snapshot, str) else overview.by_asset(job, snapshot)
    unread = overview.unread_of(context, observed)
    accounting = profit.accounting_of(context, booked(context), observed)
    earned, held = profit.earned(accounting, observed), overview.positions_of(context, observed)
    rows: list[JobPositions | JobHead] = []
    jobs: list[HeldByJob] = []
    for (job, snapshot), rows_held, lost, gains in zip(observed, held, unread, earned, strict=True):
        if isinstance(snapshot, str):
            rows.append(JobHead(**JobHead.fields_of(job, None, snapshot)))
            jobs.append(HeldByJob(job=job, skipped=snapshot))
            continue
        agreed = profit.agreed(rows_held, gains)
        found = Holdings.of(snapshot, agreed, horizon, policy, gains)
        own = {name: getattr(found, name) for name in Holdings.model_fields}
        rests = ExposureShare.of(snapshot, job)
        head = JobHead.fields_of(job, snapshot)
        rows.append(JobPositions(**head, **own, quarantined=Quarantined.of(lost), exposures=rests))
        jobs.append(HeldByJob(job=job, snapshot=snapshot, positions=agreed, earned=gains, unread=lost))
    pools = liquidity.positions(context, observed, accounting)
    gone = removed(context) if request.jobs == JobFilter() else ()
    document = PositionsDocument(
        horizon_seconds=horizon,
        jobs=tuple(rows),
        totals=totals(jobs, horizon, policy),
        liquidity=pools.parts,
        ever_held=_ever_held(context, accounting, observed),
        exposures=over_all(whole),
        removed=tuple(map(RemovedPosition.of, gone)),
    )
    return PositionsAnswer(
        document=document,
        jobs=tuple(jobs),
        liquidity=pools.shown,
        removed=gone,
        exit_code=overview.exit_code(observed, unread) or pools.exit_code,
    )


def _ever_held(context: Context, accounting: Accounting, observed: Sequence[Observation]) -> tuple[EverHeld, ...]:
    """Forecast and realised rate of every position that these jobs' accounts ever had."""
    accounts = [((job.chain.chain, job.wallet.address), snapshot) for job, snapshot in observed]
    entries = {account: accounting.own(account) for account, _ in accounts}
    now = learned.held_now((account, one) for account, one in accounts if not isinstance(one, str))
    books, looks = accounting.books, accounting.books.looks
    times = {account: one.block.timestamp for account, one in accounts if not isinstance(one, str)}
    if any(books.lacks_looks_of(account, own, times.get(account)) for account, own in entries.items()):
        looks = booked(context, all_rows=True).looks
    return learned.ever_held(looks, entries, context.settings.data_dir / FOLDER, now)
