"""``positions``: what we hold, what it earned, and what it was predicted to earn. Nothing is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yieldbot.app import documents as docs
from yieldbot.app import liquidity, overview, profit
from yieldbot.app.ledgers import journalled
from yieldbot.app.wiring import JobFilter
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.documents import Doc
    from yieldbot.app.liquidity import Shown
    from yieldbot.app.overview import Observation
    from yieldbot.app.profit import Earned
    from yieldbot.history.holdings import Position, Unread
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Job, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRequest:
    """Whose positions."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs that hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldByJob:
    """What one job holds of one asset."""

    job: Job
    snapshot: Snapshot | None = None
    """None: its chain was not served."""
    skipped: str | None = None
    """Why; None: it was served."""
    positions: tuple[Position, ...] = ()
    earned: tuple[Earned, ...] = ()
    """Profit and loss of each market that it is or was in."""
    unread: tuple[Unread, ...] = ()
    """What could not be observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsAnswer:
    """What we hold."""

    document: Doc
    jobs: tuple[HeldByJob, ...]
    """By job and asset."""
    liquidity: tuple[Shown, ...]
    """Positions in pools, by wallet and chain."""
    exit_code: int


def positions(request: PositionsRequest, context: Context) -> PositionsAnswer:
    """Observes every chain, and asks each for what was done with our accounts. Raises ConfigError for a request that
    means no job, InvariantError for a journal that contradicts itself."""
    policy = context.settings.policy
    horizon = overview.horizon_seconds(policy)
    observed: list[Observation] = []
    for job, seen in overview.observe(request.jobs, context):
        observed += [(job, seen)] if isinstance(seen, str) else overview.by_asset(job, seen)
    unread = overview.unread_of(context, observed)
    books = profit.ledger(context, journalled(context), observed)
    earned, held = profit.earned(books, observed), overview.positions_of(context, observed)
    rows: list[Doc] = []
    jobs: list[HeldByJob] = []
    for (job, snapshot), rows_held, lost, gains in zip(observed, held, unread, earned, strict=True):
        if isinstance(snapshot, str):
            rows.append(docs.job_head(job, None, snapshot))
            jobs.append(HeldByJob(job=job, skipped=snapshot))
            continue
        agreed = profit.agreed(rows_held, gains)
        found = job_positions(snapshot, agreed, horizon, policy, gains) | {"quarantined": docs.unread(lost)}
        rows.append(docs.job_head(job, snapshot) | found)
        jobs.append(HeldByJob(job=job, snapshot=snapshot, positions=agreed, earned=gains, unread=lost))
    pools = liquidity.positions(context, observed, books)
    return PositionsAnswer(
        document=docs.document("positions", horizon_seconds=horizon, jobs=rows, liquidity=pools.document),
        jobs=tuple(jobs),
        liquidity=pools.shown,
        exit_code=overview.exit_code(observed, unread) or pools.exit_code,
    )


def job_positions(
    snapshot: Snapshot,
    found: Sequence[Position],
    horizon_seconds: float,
    policy: Policy,
    gains: Sequence[Earned] = (),
) -> Doc:
    """All positions of one job, those that were left, and what lies in the wallet."""
    by_id = {gain.market_id: gain for gain in gains}
    idle = [state for state in snapshot.states.values() if state.market.kind is Kind.IDLE]
    return {
        "positions": [_position(row, horizon_seconds, by_id.get(row.state.market.id)) for row in found],
        "closed": profit.closed(gains),
        "rewards": [
            docs.reward(reward, state.market.id, policy)
            for state in snapshot.states.values()
            for reward in state.rewards
            if reward.claimable or reward.in_wallet
        ],
        "reward_flags": sorted({flag for state in idle for flag in state.flags}),
        "idle": docs.money_or_none(idle[0].held if idle else None),
    }


def _position(found: Position, horizon_seconds: float, gain: Earned | None) -> Doc:
    state = found.state
    return {
        "id": state.market.id,
        "name": state.market.name,
        "held": docs.money(state.held),
        "withdrawable": docs.money(state.withdrawable),
        "stuck": state.stuck or None,
        "leaving": docs.leaving(state),
        "since": found.since,
        "earned": docs.money_or_none(found.earned),
        "apy_now": docs.number(docs.apy_after(state, state.held, horizon_seconds).value),
        "apy_predicted": docs.number(found.predicted.value) if found.predicted else None,
        "apy_realised": docs.number(found.realised.value) if found.realised else None,
        **profit.document(gain),
    }
