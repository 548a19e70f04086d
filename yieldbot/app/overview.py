"""Observes the jobs' chains: every job's snapshot, with what the journal knows. Nothing is signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.app import telemetry
from yieldbot.app.account_entries import journalled
from yieldbot.app.alerts import measure, measured
from yieldbot.app.judged import judged
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.reading import read_enough
from yieldbot.app.wiring import JOURNAL, JobFilter, jobs_of
from yieldbot.chains.open import watch
from yieldbot.config.policy_names import unmatched_names
from yieldbot.decision import decide as decision
from yieldbot.decision.pending import with_others
from yieldbot.decision.why_held import explained
from yieldbot.errors import TransientError
from yieldbot.execution.slots import accounts_at_once
from yieldbot.history import holdings, recorded
from yieldbot.journal.store import Journal
from yieldbot.model.market import Kind
from yieldbot.model.pending import ALONE
from yieldbot.model.text import counted
from yieldbot.rpc.together import together

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.whatif import WhatIf
    from yieldbot.decision.decide import Decision
    from yieldbot.history.holdings import MeasuredPosition, UnreadHolding
    from yieldbot.model.amounts import Amount
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.pending import Beside
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job

Observation = tuple["Job", "Snapshot | str"]
"""A job with its snapshot, or the reason why its chain could not be served."""


Wealths = Callable[["Job"], "Amount | None"]
"""The wealth that is assumed for a job; None: what it has."""


def observe(
    wanted: JobFilter, context: Context, policy: Policy | None = None, wealth: Wealths = lambda job: None
) -> list[Observation]:
    """Observe every job, all chains concurrently, and store what was observed. policy: its forecaster and horizon are
    used; None: the configured policy. wealth: of many markets as many are read in full as a decision on this needs.
    Raises ConfigError if no job matches."""
    if context.kept is not None and (before := context.kept.get((wanted, policy))) is not None:
        return list(before)
    found = fetch_snapshots(wanted, context, policy, wealth)
    settings = context.settings
    keep(settings.data_dir / FOLDER, snapshots_of(found), context.complain)
    known = (settings.data_dir, policy or settings.policy, context.complain)
    seen = [(job, s if isinstance(s, str) else judged(s, *known, journalled(context, job))) for job, s in found]
    measure(seen, context)
    if context.kept is not None:
        context.kept[(wanted, policy)] = seen
    return list(seen)


def snapshots_of(observed: Sequence[Observation]) -> list[Snapshot]:
    """The snapshots of those jobs whose chain was served."""
    return [snapshot for _, snapshot in observed if not isinstance(snapshot, str)]


def fetch_snapshots(
    wanted: JobFilter, context: Context, policy: Policy | None = None, wealth: Wealths = lambda job: None
) -> list[Observation]:
    """Observe every job, all chains concurrently. Raises ConfigError where no job matches."""
    jobs = jobs_of(wanted, context)

    async def every() -> list[Observation]:
        asks = [partial(_observation, job, context, policy, wealth(job)) for job in jobs]
        return await together(asks, accounts_at_once())

    found = asyncio.run(every())
    read = [(job, snapshot) for job, snapshot in found if not isinstance(snapshot, str)]
    for line in unmatched_names(context.settings.policy, context.settings.jobs, read):
        context.say(line)
    return found


async def _observation(job: Job, context: Context, chosen: Policy | None, wealth: Amount | None) -> Observation:
    try:
        async with watch(job) as live:
            await live.verify_chain()
            records, settings = journalled(context, job), context.settings
            policy, alerted = chosen or settings.policy, measured(context)

            async def observed(full: Collection[MarketId]) -> Snapshot:
                read = await live.observe(records, alerted.union(full))
                return await live.with_exits(read, records, settings.policy)

            def decided(snapshot: Snapshot) -> Decision:
                known = judged(snapshot, settings.data_dir, policy, lambda line: None, records)
                return decision.decide(known, policy, job, int(time.time()), wealth, records=records)

            snapshot = await read_enough(observed, decided)
            for host, why in live.left_out:
                context.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
    except TransientError as passing:
        telemetry.skipped(job, str(passing))
        return job, str(passing)
    context.detail(
        f"{job.chain.name}: {counted(len(snapshot.states), 'market')} in {counted(live.round_trips, 'round trip')}"
    )
    telemetry.observed(job, snapshot)
    for bad in snapshot.quarantined:
        telemetry.quarantined(job, bad)
    return job, snapshot


def by_asset(job: Job, snapshot: Snapshot) -> list[tuple[Job, Snapshot]]:
    """Split a job with several assets into one for each asset, for lists."""
    if job.base is None:
        return [(job, snapshot)]
    return [(replace(job, asset=token, others=()), snapshot.of_asset(token)) for token in job.assets]


def decide(
    context: Context,
    job: Job,
    snapshot: Snapshot,
    wealth: Amount | None = None,
    what_if: WhatIf | None = None,
    unread: Sequence[UnreadHolding] = (),
    beside: Beside = ALONE,
) -> Decision:
    """The decision on a snapshot now, with the limits over time from the journal's entries. beside: our other wallets'
    money."""
    policy, now = context.settings.policy, int(time.time())
    chosen = what_if.policy(policy) if what_if else policy
    records = journalled(context, job)
    found = decision.decide(snapshot, chosen, job, now, wealth, unread, records, beside=beside)
    return found if wealth is not None else explained(found, with_others(snapshot, beside), chosen, job, now, records)


def unread_of(context: Context, observed: Sequence[Observation]) -> list[tuple[UnreadHolding, ...]]:
    """For each job the markets that could not be read, with our last known holding there."""
    policy = context.settings.policy
    return [
        ()
        if isinstance(s, str)
        else tuple(
            lost
            for one, part in by_asset(job, s)
            for lost in holdings.unread(journalled(context, one), part, one.asset, policy)
        )
        for job, s in observed
    ]


def positions_of(context: Context, observed: Sequence[Observation]) -> list[tuple[MeasuredPosition, ...]]:
    """The positions of each job. Without a journal they have no history; no journal is created."""
    file = context.settings.data_dir / JOURNAL
    if file.exists():
        with Journal.read(file) as journal:
            return [() if isinstance(s, str) else recorded.positions(journal, s) for _, s in observed]
    return [
        ()
        if isinstance(snapshot, str)
        else tuple(
            holdings.MeasuredPosition(state, None, None, None, None)
            for state in snapshot.states.values()
            if state.held and state.market.kind is not Kind.IDLE
        )
        for _, snapshot in observed
    ]


def exit_code(observed: Sequence[Observation], unread: Sequence[Sequence[UnreadHolding]] = ()) -> int:
    """The exit code: 1 if a chain was skipped or a market that holds our money could not be read, else 0."""
    skipped = any(isinstance(snapshot, str) for _, snapshot in observed)
    return int(skipped or any(one.held for lost in unread for one in lost))


def horizon_seconds(policy: Policy) -> float:
    """Seconds over which yields are averaged."""
    return policy.horizon_seconds
