"""Our other wallets on the same chain, beside a job that is decided on: what they hold, and what the plans would move
that come before the job's own.

Jobs of one call are decided in the order of the configuration; they are observed, rehearsed and carried out beside each
other. A job that is no part of the call counts with the plan that waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.app.account_entries import journalled
from yieldbot.app.wiring import JOURNAL
from yieldbot.decision.pending import moves_of, waiting
from yieldbot.errors import ConfigError
from yieldbot.execution.world import records_of
from yieldbot.journal.store import Journal
from yieldbot.model.pending import ALONE, Beside, PendingMove

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.execution.world import Wiring
    from yieldbot.journal.fold import Record
    from yieldbot.model.ids import Address, ChainId, MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.plan import Plan
    from yieldbot.model.settings import Job, Settings

Held = Callable[["ChainId"], "Mapping[Address, Mapping[MarketId, int]]"]
"""Base units that each account of a chain held in each market when it was last observed."""

JobKey = tuple["Address", "ChainId", str]
"""The account of a job, and the address of its first asset."""


def key_of(job: Job) -> JobKey:
    """What tells a job from all others of a configuration."""
    return job.wallet.address, job.chain.chain, job.asset.address


class Turns:
    """The order of one call's decisions, and what has been decided."""

    def __init__(
        self,
        jobs: Sequence[Job],
        configured: Sequence[Job],
        records: Callable[[Job], Sequence[Record]],
        held: Held,
        now: Callable[[], int],
    ) -> None:
        """jobs: of this call; configured: all. records: the journal's for a job. now: unix seconds."""
        self._configured, self._records, self._held, self._now = configured, records, held, now
        self._begun = {key_of(job): asyncio.Event() for job in jobs}
        self._over = {key_of(job): asyncio.Event() for job in jobs}
        self._plans: dict[JobKey, Plan | None] = {}
        self._seen: dict[JobKey, Snapshot] = {}

    def _beside(self, job: Job) -> Iterator[Job]:
        """The configured jobs of other wallets whose markets this one shares."""
        for one in self._configured:
            same = one.chain.chain == job.chain.chain and not set(one.assets).isdisjoint(job.assets)
            if same and one.wallet.address != job.wallet.address:
                yield one

    def _before(self, job: Job) -> list[Job]:
        order = [key_of(one) for one in self._configured]
        last = order.index(key_of(job)) if key_of(job) in order else len(order)
        before = set(order[:last])
        return [one for one in self._beside(job) if key_of(one) in before]

    async def may_begin(self, job: Job) -> None:
        """Wait until every job of this call that this one counts has begun: so none is kept from beginning by those
        that wait for it."""
        for one in self._before(job):
            if (event := self._begun.get(key_of(one))) is not None:
                await event.wait()

    def begin(self, job: Job) -> None:
        """Let the jobs begin that count this one."""
        self._begun[key_of(job)].set()

    async def before(self, job: Job, snapshot: Snapshot) -> Beside:
        """What the job counts of other wallets, once those before it have been decided."""
        for one in self._before(job):
            if (event := self._over.get(key_of(one))) is not None:
                await event.wait()
        return self.beside(job, snapshot)

    def beside(self, job: Job, snapshot: Snapshot) -> Beside:
        """What the job counts of other wallets, by what has been decided until now."""
        if next(self._beside(job), None) is None:
            return ALONE
        records = self._records(job)
        waits = waiting(records, self._now())
        moves: list[PendingMove] = []
        for one in self._before(job):
            if key_of(one) in self._plans:
                plan = self._plans[key_of(one)]
                plans: tuple[Plan, ...] = () if plan is None else (plan,)
            else:
                account = one.chain.chain, one.wallet.address
                plans = tuple(plan for plan in waits.get(account, ()) if plan.asset in one.assets)
            for plan in plans:
                moves += moves_of(one.wallet.name, plan, records, snapshot.block.height)
        return Beside(tuple(moves), self.held(job))

    def held(self, job: Job) -> Mapping[MarketId, int]:
        """Base units that the other wallets hold in each market: as this call has read, else as was last observed."""
        others = list(self._beside(job))
        if not others:
            return {}
        noted = self._held(job.chain.chain)
        by_owner: dict[Address, dict[MarketId, int]] = {}
        for one in others:
            owner = one.wallet.address
            by_owner.setdefault(owner, dict(noted.get(owner, {})))
            if (seen := self._seen.get(key_of(one))) is not None:
                by_owner[owner] |= {state.market.id: state.held.raw for state in seen.markets}
        sums: dict[MarketId, int] = {}
        for holdings in by_owner.values():
            for market, raw in holdings.items():
                sums[market] = sums.get(market, 0) + raw
        return sums

    def decided(self, job: Job, snapshot: Snapshot, plan: Plan | None) -> None:
        """Note what was decided, and let those go on that count it. None: nothing is to be done."""
        key = key_of(job)
        if not self._over[key].is_set():
            self._plans[key], self._seen[key] = plan, snapshot
            self._over[key].set()

    def end(self, job: Job) -> None:
        """Nothing more is decided for the job: whoever waits for it goes on, with the plan that waits for it."""
        self._begun[key_of(job)].set()
        self._over[key_of(job)].set()


def turns_of(world: Wiring, jobs: Sequence[Job]) -> Turns:
    """The order of the decisions on the jobs of one call, and our other wallets beside them."""
    return Turns(jobs, world.settings.jobs, partial(records_of, world), world.journal.last_held, world.now)


def journal_of(context: Context) -> tuple[Callable[[Job], Sequence[Record]], Held, Callable[[], int]]:
    """What ``Turns`` asks of the journal and the clock, for a command that writes nothing."""
    file = context.settings.data_dir / JOURNAL

    def held(chain: ChainId) -> Mapping[Address, Mapping[MarketId, int]]:
        if not file.exists():
            return {}
        with Journal.read(file, appended=True) as journal:
            return journal.last_held(chain)

    return partial(journalled, context), held, lambda: int(time.time())


def job_of(settings: Settings, plan: Plan) -> Job:
    for job in settings.jobs:
        if (job.wallet.address, job.chain.chain, job.asset) == (plan.owner, plan.block.chain, plan.asset):
            return job
    raise ConfigError(
        f"{settings.source}: no job for wallet {plan.owner} on {plan.block.chain}; the plan cannot be run"
    )
