"""What the jobs' chains say now: every job's snapshot, and what the journal knows beside it. Nothing is signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.app import telemetry
from yieldbot.app.account_entries import journalled
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.wiring import JOURNAL, JobFilter, jobs_of
from yieldbot.chains.open import watch
from yieldbot.config.names import unbound
from yieldbot.decision import decide as decision
from yieldbot.errors import TransientError
from yieldbot.history import holdings, recorded
from yieldbot.journal.store import Journal
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.whatif import WhatIf
    from yieldbot.decision.decide import Decision
    from yieldbot.history.holdings import Position, Unread
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Job, Policy

Observation = tuple["Job", "Snapshot | str"]
"""A job with its snapshot, or the reason why its chain could not be served."""


def observe(wanted: JobFilter, context: Context) -> list[Observation]:
    """Every job's snapshot, all chains at once, which are remembered. Raises ConfigError where no job is meant."""
    found = look(wanted, context)
    keep(context.settings.data_dir / FOLDER, seen_of(found), context.complain)
    return found


def seen_of(observed: Sequence[Observation]) -> list[Snapshot]:
    """The snapshots of those jobs whose chain was served."""
    return [snapshot for _, snapshot in observed if not isinstance(snapshot, str)]


def look(wanted: JobFilter, context: Context) -> list[Observation]:
    """Every job's snapshot, all chains at once. Raises ConfigError where no job is meant."""
    jobs = jobs_of(wanted, context)

    async def every() -> list[Observation]:
        return list(await asyncio.gather(*(_observation(job, context) for job in jobs)))

    found = asyncio.run(every())
    read = [(job, snapshot) for job, snapshot in found if not isinstance(snapshot, str)]
    for line in unbound(context.settings.policy, context.settings.jobs, read):
        context.say(line)
    return found


async def _observation(job: Job, context: Context) -> Observation:
    try:
        async with watch(job) as live:
            await live.verify_chain()
            records = journalled(context)
            snapshot = await live.with_exits(await live.observe(records), records, context.settings.policy)
            for host, why in live.left_out:
                context.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
    except TransientError as passing:
        telemetry.skipped(job, str(passing))
        return job, str(passing)
    context.detail(f"{job.chain.name}: {len(snapshot.states)} markets in {live.round_trips} round trips")
    telemetry.observed(job, snapshot)
    for bad in snapshot.quarantined:
        telemetry.quarantined(job, bad)
    return job, snapshot


def by_asset(job: Job, snapshot: Snapshot) -> list[tuple[Job, Snapshot]]:
    """A job over several assets as one for each of them, as they are listed."""
    if job.base is None:
        return [(job, snapshot)]
    return [(replace(job, asset=token, others=()), snapshot.of_asset(token)) for token in job.assets]


def decide(
    context: Context,
    job: Job,
    snapshot: Snapshot,
    wealth: Amount | None = None,
    what_if: WhatIf | None = None,
    unread: Sequence[Unread] = (),
) -> Decision:
    """What the pure stages make of a snapshot now, with the journal's records."""
    policy, now = context.settings.policy, int(time.time())
    chosen = what_if.policy(policy) if what_if else policy
    return decision.decide(snapshot, chosen, job, now, wealth, unread, journalled(context))


def unread_of(context: Context, observed: Sequence[Observation]) -> list[tuple[Unread, ...]]:
    """Of each job what could not be observed, with what the journal last knew that we hold there."""
    records, policy = journalled(context), context.settings.policy
    return [
        ()
        if isinstance(s, str)
        else tuple(lost for one, part in by_asset(job, s) for lost in holdings.unread(records, part, one.asset, policy))
        for job, s in observed
    ]


def positions_of(context: Context, observed: Sequence[Observation]) -> list[tuple[Position, ...]]:
    """The positions of each job. Without a journal they are shown as held, with no history; none is created."""
    file = context.settings.data_dir / JOURNAL
    if file.exists():
        with Journal.read(file) as journal:
            return [() if isinstance(s, str) else recorded.positions(journal, s) for _, s in observed]
    return [
        ()
        if isinstance(snapshot, str)
        else tuple(
            holdings.Position(state, None, None, None, None)
            for state in snapshot.states.values()
            if state.held and state.market.kind is not Kind.IDLE
        )
        for _, snapshot in observed
    ]


def exit_code(observed: Sequence[Observation], unread: Sequence[Sequence[Unread]] = ()) -> int:
    """1 when a chain was skipped, or money of ours cannot be seen; what could be read is shown all the same."""
    skipped = any(isinstance(snapshot, str) for _, snapshot in observed)
    return int(skipped or any(one.held for lost in unread for one in lost))


def horizon_seconds(policy: Policy) -> float:
    """Over which yields are told, and costs weighed."""
    return policy.horizon_seconds
