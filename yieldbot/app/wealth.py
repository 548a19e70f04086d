"""What every account has and had of each asset, what it earned lately, and what it was predicted to earn: the journal's
records, and the chain now. Nothing is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from yieldbot.app import overview
from yieldbot.app.account_entries import journalled
from yieldbot.app.formatting import number
from yieldbot.app.notice_summary import Brought, add_growth, intervals
from yieldbot.app.parts import Money
from yieldbot.app.wealth_documents import AccountWealth, WealthDocument, WealthPoint
from yieldbot.app.wiring import JobFilter
from yieldbot.app.yields import apy_after
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.market import MarketState, Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job

DAYS = 30
"""Days of the past over which yields are measured."""
DAY = 86_400
MOST_POINTS = 300
"""Most points of one account and asset; of more, those at the ends of equal times are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WealthRequest:
    """Whose wealth."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose accounts they are."""


def wealth(request: WealthRequest, context: Context) -> WealthDocument:
    """Observes every chain and reads the journal. Raises ConfigError for a request that names no job."""
    records = journalled(context)
    rows = []
    for job, snapshot in overview.observe(request.jobs, context):
        if isinstance(snapshot, str):
            continue
        for one, part in overview.by_asset(job, snapshot):
            rows.append(_row(one, part, records, context.settings.policy))
    return WealthDocument(accounts=tuple(rows))


def _row(job: Job, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> AccountWealth:
    horizon_seconds = overview.horizon_seconds(policy)
    token, at = job.asset, snapshot.block.timestamp
    since = at - DAYS * DAY
    own = [state for state in snapshot.states.values() if state.market.asset == token]
    invested = [state for state in own if state.market.kind is not Kind.IDLE and state.held]
    idle = [state for state in own if state.market.kind is Kind.IDLE]
    brought, points = Brought(), list[WealthPoint]()
    for before, entry, moved in intervals(records):
        if (entry.chain, entry.owner, entry.asset) != (job.chain.chain, job.wallet.address, token.address):
            continue
        if before is not None and entry.block.timestamp > since:
            add_growth(before, entry, moved, brought, since)
        points.append(
            WealthPoint(
                at=entry.block.timestamp,
                invested=sum(one.held_raw for one in (entry.holdings or {}).values()) / token.one,
                idle=None if entry.idle_raw is None else entry.idle_raw / token.one,
            )
        )
    total = Amount(token, sum(state.held.raw for state in invested))
    there = idle[0].held if idle else None
    last = WealthPoint(at=at, invested=float(total), idle=None if there is None else float(there))
    measured = brought.raw_years > 0
    return AccountWealth(
        wallet=job.wallet.name,
        owner=job.wallet.address,
        chain=job.chain.name,
        chain_id=job.chain.chain,
        asset=token.symbol,
        invested=Money.of(total),
        idle=Money.or_none(there),
        usd=number(snapshot.asset_usd),
        apy_now=_mean_apy(invested, horizon_seconds, policy),
        days=DAYS,
        earned=brought.earned / token.one if measured else None,
        predicted=brought.predicted / token.one if measured else None,
        realised_apr=number(brought.earned / brought.raw_years) if measured else None,
        predicted_apr=number(brought.predicted / brought.raw_years) if measured else None,
        points=tuple(_thinned([*(one for one in points if one.at < at), last])),
    )


def _mean_apy(states: Sequence[MarketState], horizon_seconds: float, policy: Policy) -> float | None:
    """The yield of all of these holdings together, weighted by money; None: there are none."""
    total = sum(float(state.held) for state in states)
    if not total:
        return None
    return number(
        sum(float(one.held) * apy_after(one, one.held, horizon_seconds, policy).value for one in states) / total
    )


def _thinned(points: Sequence[WealthPoint]) -> list[WealthPoint]:
    """At most MOST_POINTS points: the last one of each of as many equal spans of time, and the first."""
    if len(points) <= MOST_POINTS:
        return list(points)
    first, span = points[0].at, (points[-1].at - points[0].at) / (MOST_POINTS - 2) or 1.0
    last_of = {int((one.at - first) / span): one for one in points}
    return list(dict.fromkeys((points[0], *last_of.values())))
