"""``watch``: who controls the contracts that our markets depend on, what changed since the last look, and what is about
to change."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import looks
from yieldbot.app.account_entries import journalled
from yieldbot.app.alarms import with_alarms
from yieldbot.app.alerts import measure
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.step_times import step
from yieldbot.app.watch_documents import (
    WatchAlarm,
    WatchDocument,
    WatchedContract,
    WatchedFlows,
    WatchedHolder,
    WatchedHolders,
    WatchedJob,
    WatchedMarket,
    WatchMessage,
)
from yieldbot.app.wiring import JOURNAL, JobFilter, jobs_of
from yieldbot.chains.open import watch as opened
from yieldbot.decision.decide import decide_exits
from yieldbot.decision.orders import with_orders
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.approvals import only_out
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import AlarmLifted
from yieldbot.journal.store import Journal
from yieldbot.model.controls import ContractFacts, ControllerKind
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.plan import Plan
from yieldbot.model.settings import SafeOwner
from yieldbot.risk.controls import WEAKER
from yieldbot.risk.latches import journalled as latched
from yieldbot.risk.watching import accept

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.looks import Taken
    from yieldbot.model.market import Market, Snapshot
    from yieldbot.model.settings import Job

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """The jobs whose markets' contracts are read, and how."""

    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets they are."""
    held: bool = False
    """Only markets in which we hold something."""
    accept: str | None = None
    """A market's name (``model/names``), or ``all``: accept its present controllers, so that later looks are compared
    with them; nothing is read from the chain."""
    again: bool = False
    """Whether a look of the same caller came before it, so that only what is new is worth a line."""


def watch(request: WatchRequest, context: Context) -> tuple[WatchDocument, int]:
    """One look at every job's chain; the exit code is 1 if one could not be looked at. Raises ConfigError if no job
    matches, or the stored look cannot be read."""
    jobs = jobs_of(request.jobs, context)
    if request.accept is not None:
        _accept(request.accept, jobs, context)

    seen: list[tuple[Job, Snapshot]] = []

    rows = dict[int, WatchedJob]()
    sharing = defaultdict[Path, list[int]](list)  # by file of looks: only one job at a time can write each
    for place, job in enumerate(jobs):
        sharing[looks.file_of(context.settings.data_dir, job)].append(place)

    async def in_turn(places: list[int]) -> None:
        for place in places:
            rows[place] = await _one(jobs[place], request, context, seen)

    async def every() -> None:
        await asyncio.gather(*(in_turn(places) for places in sharing.values()))

    chains = ", ".join(dict.fromkeys(job.chain.name for job in jobs))
    what = f"looking at who may change contracts on {chains}"
    with step(context.detail if request.again else context.say, context.settings.data_dir, f"watch {chains}", what):
        asyncio.run(every())
    keep(context.settings.data_dir / FOLDER, [snapshot for _, snapshot in seen], context.complain)
    measure(seen, context)
    document = WatchDocument(jobs=tuple(rows[place] for place in range(len(jobs))))
    return document, int(any(row.skipped is not None for row in document.jobs))


def seconds_of(text: str) -> int:
    """The seconds of a duration written as 15s, 10m, 6h or 1d. Raises ConfigError."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isascii() or not number.isdigit() or not 0 < int(number) < 10_000:
        raise ConfigError(f"--every {text}: write a time as 15s, 10m, 6h or 1d")
    return int(number) * UNITS[unit]


async def _one(job: Job, request: WatchRequest, context: Context, seen: list[tuple[Job, Snapshot]]) -> WatchedJob:
    """One look; what was read is added to ``seen``."""
    try:
        async with opened(job) as live:
            await live.verify_chain()
            snapshot = await live.observe(journalled(context, job))
            seen.append((job, snapshot))
            taken = await looks.take(
                live, job, snapshot, context.settings.data_dir, held=request.held, follow=context.settings.follow
            )
            for host, why in live.left_out:
                context.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
            return _row(job, snapshot, taken, live.round_trips, _due(job, snapshot, context))
    except TransientError as passing:
        return WatchedJob(
            **_head(job),
            skipped=str(passing),
            block=None,
            first=False,
            since=None,
            cut=None,
            notes=(),
            round_trips=0,
            messages=(),
            alarms=(),
            markets=(),
            due=(),
        )


def _due(job: Job, snapshot: Snapshot, context: Context) -> tuple[str, ...]:
    """The names of the markets that would be left now, without a person where the policy says so (``auto_exit``)."""
    if not any(state.held for state in snapshot.markets):
        return ()
    settings, records = context.settings, journalled(context, job)
    seen = looks.standing(snapshot, settings.data_dir, context.say, settings.policy.alarms)
    snapshot = looks.with_backing(snapshot, seen.backing)
    judged, _ = with_alarms(snapshot, settings.data_dir, settings.policy, context.say, records, seen.signs)
    now = int(time.time())
    found = decide_exits(with_orders(judged, records), settings.policy, job, now, records=records, swaps=False).outcome
    if not isinstance(found, Plan) or not only_out(found):
        return ()
    return tuple(dict.fromkeys(snapshot.of(leg.market_id).market.name for leg in found.legs))


def leaves(document: WatchDocument, context: Context) -> bool:
    """Whether a look found markets that are to be left at once without a person, because the policy allows it
    (``auto_exit``). Holdings of a Safe are left to runs, since each proposal waits for its owners."""
    settings = context.settings
    keys = {wallet.name for wallet in settings.wallets.values() if not isinstance(wallet.held, SafeOwner)}
    return settings.policy.auto_exit and any(job.due and job.wallet in keys for job in document.jobs)


def _head(job: Job) -> dict[str, Any]:
    return {
        "wallet": job.wallet.name,
        "chain": job.chain.name,
        "assets": tuple(token.symbol for token in job.assets),
        "height": job.chain.family.height,
    }


def _row(job: Job, snapshot: Snapshot, taken: Taken, round_trips: int, due: tuple[str, ...]) -> WatchedJob:
    markets: dict[MarketId, Market] = {s.market.id: s.market for s in snapshot.states.values()}
    markets |= {one.market.id: one.market for one in snapshot.quarantined}
    held = {m for m, s in snapshot.states.items() if s.held}
    names = {m: market.name for m, market in markets.items()}
    fresh = {(message.market, alarm.saw) for message in taken.messages for alarm in message.alarms}
    return WatchedJob(
        **_head(job),
        skipped=None,
        block=taken.look.block,
        first=taken.first,
        since=taken.look.since if taken.look.since <= taken.look.block else None,
        cut=taken.look.cut or None,
        notes=taken.look.notes,
        round_trips=round_trips,
        messages=tuple(
            WatchMessage(
                market_id=one.market,
                name=names.get(one.market, one.market),
                held=one.market in held,
                lines=one.lines,
                severities=tuple(one.severities),
                ended=tuple(alarm.saw for alarm in one.ended),
            )
            for one in taken.messages
        ),
        alarms=tuple(
            WatchAlarm(
                market_id=market,
                name=names.get(market, market),
                code=alarm.code,
                act=alarm.act.value,
                saw=alarm.saw,
                since=alarm.since,
                new=(market, alarm.saw) in fresh,
            )
            for market, alarms in taken.memory.alarms.items()
            for alarm in alarms
        ),
        markets=tuple(
            WatchedMarket(
                market_id=market,
                name=names.get(market, market),
                contracts=tuple(contract_part(one) for one in controls.contracts),
                flows=WatchedFlows.of(taken.look.flows.get(market)),
                holders=WatchedHolders.of(taken.memory.holders.get(market)),
                recent=taken.recent.get(market, ()),
            )
            for market, controls in taken.look.controls.items()
        ),
        due=due,
    )


def contract_part(one: ContractFacts) -> WatchedContract:
    """The part for a contract."""
    roles = ((role.name, who) for role in one.roles for who in role.holders)
    rights = (("upgrade", one.upgrade_by), ("owner", one.owner), *one.rights, *roles)
    return WatchedContract(
        address=one.address,
        part=one.part.value,
        name=one.name,
        code_hash=one.code_hash,
        implementation=one.implementation,
        holders=tuple(
            WatchedHolder(right=right, who=who.words, signatures=who.signatures, warning_seconds=who.warning_seconds)
            for right, who in rights
            if who.kind is not ControllerKind.NONE
        ),
        pending=tuple(f"{each.what}: {each.after}" for each in one.pending),
        created_at=one.created_at,
        there_since=one.there_since,
        missing=one.missing,
    )


def _accept(name: str, jobs: Iterable[Job], context: Context) -> None:
    """Accept the present controllers of the named markets, and lift the alarms that stood for them and nothing else.
    Raises ConfigError if no look has recorded such a market, and YieldbotError if such an alarm stands and a run is in
    progress."""
    found = 0
    for job in jobs:
        file = looks.file_of(context.settings.data_dir, job)
        memory = looks.load(file)
        if memory is None:
            continue
        chosen = [market for market in memory.last if name in ("all", market) or _called(market, name)]
        found += len(chosen)
        _lift(job, chosen, context)
        looks.save(file, accept(memory, chosen))
        for market in chosen:
            context.say(f"{market}: its present controllers are accepted")
    if not found:
        raise ConfigError(
            f"--accept {name}: no look has seen such a market: name it by its id, as `watch --json` shows it"
        )


def _lift(job: Job, markets: Collection[MarketId], context: Context) -> None:
    """Journal that alarms about the controllers of these markets are lifted. A person accepted the controllers, so no
    cooldown follows."""
    now = int(time.time())
    lifted = [
        AlarmLifted(chain=job.chain.chain, market_id=MarketId(market), code=code, act=act, time=now)
        for (chain, market), latches in latched(journalled(context)).items()
        if chain == job.chain.chain and market in markets
        for code, act in latches
        if code == WEAKER
    ]
    if lifted:
        data_dir = context.settings.data_dir
        with run_lock(data_dir, "watch"), Journal.open(data_dir / JOURNAL) as journal:
            journal.append(*lifted)


def _called(market: MarketId, name: str) -> bool:
    return market.lower().endswith(name.lower()) and len(name) > 3
