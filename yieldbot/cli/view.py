"""``yieldbot markets | positions | plan``: what there is, what we hold, what would be done. Nothing is signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Group

from yieldbot.allocator.across import across
from yieldbot.app import documents as docs
from yieldbot.app import log as events
from yieldbot.app import whatif
from yieldbot.app.wiring import JOURNAL, jobs_of
from yieldbot.chains.open import watch
from yieldbot.cli import liquidity, listings, pnl, render, reports
from yieldbot.cli.flags import add_job_flags, filter_of
from yieldbot.config.names import unbound
from yieldbot.decision.decide import decide
from yieldbot.errors import TransientError
from yieldbot.history import holdings as forecast
from yieldbot.history import recorded
from yieldbot.journal.store import Journal
from yieldbot.model.market import Kind

if TYPE_CHECKING:
    import argparse

    from yieldbot.allocator.across import Across
    from yieldbot.app.documents import Doc
    from yieldbot.app.whatif import WhatIf
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.decision.decide import Decision
    from yieldbot.history.holdings import Position, Unread
    from yieldbot.journal.fold import Record
    from yieldbot.model.amounts import Amount
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Job

Seen = tuple["Job", "Snapshot | str"]
"""A job with its snapshot, or the reason why its chain could not be served."""


KINDS = ("lending", "vault", "staking", "lp")
"""Of markets that are listed."""


def register(listed: Listed) -> None:
    for name, handler in (("markets", markets), ("positions", positions), ("plan", plan)):
        parser = listed.add_parser(name)
        add_job_flags(parser)
        parser.set_defaults(command=name, handler=handler)
        if name == "plan":
            what_if_flags(parser)
        if name == "markets":
            parser.add_argument("--amount", metavar="TOKENS", help="as if the wallet held this much in all")
            parser.add_argument("--kind", choices=KINDS, help="only markets of this kind; lp: liquidity in pools")


def what_if_flags(parser: argparse.ArgumentParser) -> None:
    """Read by ``whatif.of_words``, which is not needed for ``--help``."""
    group = parser.add_argument_group("what if (the configuration stays as it is)")
    group.add_argument("--wealth", metavar="TOKENS", help="as if we had this much in all")
    group.add_argument("--horizon", metavar="DAYS", help="weigh costs against the income of so many days")
    group.add_argument("--exclude", metavar="NAME", action="append", default=[], help="a market's name, id or protocol")
    group.add_argument("--max-share", metavar="FRACTION", help="the most of our wealth in one market, as 0.25")


def markets(args: argparse.Namespace, context: Screen) -> int:
    if args.kind == "lp":
        return liquidity.markets(args, context)
    horizon, policy = _horizon_seconds(context), context.settings.policy
    rows: list[Doc] = []
    parts: list[Any] = []
    listed: list[tuple[Any, ...]] = []
    seen = _look(args, context)
    for job, snapshot in seen:
        if isinstance(snapshot, str):
            _skip(job, snapshot, rows, parts)
            continue
        wealth = None if args.amount is None else whatif.amount_of("--amount", args.amount, job)
        decision = _decide(context, job, snapshot, wealth)
        for one, part in by_asset(job, snapshot):
            all_of_it = part.wealth(one.asset) if job.base is None else snapshot.wealth(one.asset)
            if wealth is not None and one.asset == job.asset:
                all_of_it = wealth
            shown = part if args.kind is None else _of_kind(part, args.kind)
            listed.append((one, shown, decision.assessments, decision.allocation, all_of_it))
            rows.append(
                docs.job_head(one, shown)
                | docs.markets(shown, decision.assessments, decision.allocation, one, horizon, policy, all_of_it)
            )
    if listed:
        parts.insert(0, lambda: _listings().markets([_listings().Listed(*one) for one in listed], horizon, policy))
    context.show(docs.document("markets", horizon_seconds=horizon, jobs=rows), *parts)
    return _code(seen)


def _of_kind(snapshot: Snapshot, kind: str) -> Snapshot:
    """Its markets of one kind, and the wallet."""
    shown = {i: s for i, s in snapshot.states.items() if s.market.kind in (Kind(kind), Kind.IDLE)}
    return replace(snapshot, states=shown)


def positions(args: argparse.Namespace, context: Screen) -> int:
    horizon, policy = _horizon_seconds(context), context.settings.policy
    rows: list[Doc] = []
    parts: list[Any] = []
    shown: list[tuple[Job, Snapshot, tuple[Position, ...]]] = []
    seen: list[Seen] = []
    for job, looked in _look(args, context):
        seen += [(job, looked)] if isinstance(looked, str) else by_asset(job, looked)
    unread = _unread(context, seen)
    books = pnl.ledger(context, _records(context), seen)
    earned = pnl.earned(books, seen)
    for (job, snapshot), held, lost, gains in zip(seen, _positions(context, seen), unread, earned, strict=True):
        if isinstance(snapshot, str):
            _skip(job, snapshot, rows, parts)
            continue
        held = pnl.agreed(held, gains)
        found = reports.positions(snapshot, held, horizon, policy, gains) | {"quarantined": docs.unread(lost)}
        rows.append(docs.job_head(job, snapshot) | found)
        shown.append((job, snapshot, held))
        parts.extend(_lines(lost))
    if shown:
        parts.insert(0, lambda: _listings().positions(shown, horizon, policy))
        entered = [(job, gains) for (job, _), gains in zip(seen, earned, strict=True) if gains]
        parts[1:1] = [lambda: pnl.table(entered)] if entered else []
    pools, tables, lp_code = liquidity.positions(context, seen, books)
    document = docs.document("positions", horizon_seconds=horizon, jobs=rows, liquidity=pools)
    context.show(document, *parts, *tables)
    return _code(seen, unread) or lp_code


def plan(args: argparse.Namespace, context: Screen) -> int:
    asked = whatif.of_words(args.wealth, args.horizon, args.exclude, args.max_share)
    rows: list[Doc] = []
    parts: list[Any] = [asked.words] if asked else []
    seen = _look(args, context)
    if not _code(seen):  # a chain that was skipped may have the markets that are named
        asked.check_names([snapshot for _, snapshot in seen if not isinstance(snapshot, str)])
    unread = _unread(context, seen)
    for (job, snapshot), lost in zip(seen, unread, strict=True):
        if isinstance(snapshot, str):
            _skip(job, snapshot, rows, parts)
            continue
        found = _decide(context, job, snapshot, asked.amount(job), asked, lost).outcome
        told = {"quarantined": docs.unread(lost), "ways_out": docs.ways_out(snapshot), "plan": docs.plan(found)}
        rows.append(docs.job_head(job, snapshot) | told)
        parts.extend(_lines(lost))
        parts.extend(_no_way_out(snapshot))
        parts.append(lambda job=job, snapshot=snapshot, found=found: _render().explained(job, snapshot, found))
    between = _across(context, seen, asked)
    chains = {job.chain.chain: job.chain.name for job, _ in seen}
    parts.append(lambda: _listings().bridging(between, chains))
    document = docs.document("plan", what_if=asked.document(), jobs=rows, across_chains=docs.across(between))
    context.show(document, *(parts if between else parts[:-1]))
    return _code(seen, unread)


def by_asset(job: Job, snapshot: Snapshot) -> list[tuple[Job, Snapshot]]:
    """A job over several assets as one for each of them, as they are listed."""
    if job.base is None:
        return [(job, snapshot)]
    return [(replace(job, asset=token, others=()), snapshot.of_asset(token)) for token in job.assets]


def _look(args: argparse.Namespace, context: Screen) -> list[Seen]:
    """Every job's snapshot, all chains at once."""
    jobs = jobs_of(filter_of(args), context)

    async def every() -> list[Seen]:
        return list(await asyncio.gather(*(_seen(job, context) for job in jobs)))

    seen = asyncio.run(every())
    read = [(job, snapshot) for job, snapshot in seen if not isinstance(snapshot, str)]
    for line in unbound(context.settings.policy, context.settings.jobs, read):
        context.say(line)
    return seen


async def _seen(job: Job, context: Screen) -> Seen:
    try:
        async with watch(job) as live:
            await live.verify_chain()
            records = _records(context)
            snapshot = await live.with_exits(await live.observe(records), records, context.settings.policy)
            for host, why in live.left_out:
                context.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
    except TransientError as passing:
        events.skipped(job, str(passing))
        return job, str(passing)
    context.detail(f"{job.chain.name}: {len(snapshot.states)} markets in {live.round_trips} round trips")
    events.observed(job, snapshot)
    for bad in snapshot.quarantined:
        events.quarantined(job, bad)
    return job, snapshot


def _decide(
    context: Screen,
    job: Job,
    snapshot: Snapshot,
    wealth: Amount | None = None,
    asked: WhatIf | None = None,
    unread: Sequence[Unread] = (),
) -> Decision:
    policy, now = context.settings.policy, int(time.time())
    chosen = asked.policy(policy) if asked else policy
    return decide(snapshot, chosen, job, now, wealth, unread, _records(context))


def _across(context: Screen, seen: Sequence[Seen], asked: WhatIf) -> tuple[Across, ...]:
    """What bridging would gain, of what could be read; nothing for an amount that we do not have."""
    if asked.wealth is not None:
        return ()
    return across([s for _, s in seen if not isinstance(s, str)], asked.policy(context.settings.policy))


def _records(context: Screen) -> tuple[Record, ...]:
    """The journal's rows, none while there is no journal; none is created."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return ()
    with Journal.read(file) as journal:
        return journal.history()


def _unread(context: Screen, seen: Sequence[Seen]) -> list[tuple[Unread, ...]]:
    """Of each job what could not be observed, with what the journal last knew that we hold there."""
    records, policy = _records(context), context.settings.policy
    return [
        ()
        if isinstance(s, str)
        else tuple(lost for one, part in by_asset(job, s) for lost in forecast.unread(records, part, one.asset, policy))
        for job, s in seen
    ]


def _no_way_out(snapshot: Snapshot) -> list[Any]:
    """Markets into which nothing goes, or out of which nothing comes, for what the journal knows of their way out."""
    shut = [state for state in snapshot.states.values() if state.no_way_out]
    lines = [f"{state.market.name} ({state.market.id}) has no way out: {state.no_way_out}" for state in shut]
    lines += _render().stuck(snapshot)
    return [lambda: "\n".join(lines)] if lines else []


def _lines(lost: Sequence[Unread]) -> list[Any]:
    """Parts that show what could not be observed; none where everything was."""
    if not lost:
        return []

    def shown() -> Any:
        return Group(*_render().unread(lost))

    return [shown]


def _positions(context: Screen, seen: Sequence[Seen]) -> list[tuple[Position, ...]]:
    """The positions of each job. Without a journal they are shown as held, with no history; none is created."""
    file = context.settings.data_dir / JOURNAL
    if file.exists():
        with Journal.read(file) as journal:
            return [() if isinstance(s, str) else recorded.positions(journal, s) for _, s in seen]
    return [
        ()
        if isinstance(snapshot, str)
        else tuple(
            forecast.Position(state, None, None, None, None)
            for state in snapshot.states.values()
            if state.held and state.market.kind is not Kind.IDLE
        )
        for _, snapshot in seen
    ]


def _skip(job: Job, reason: str, rows: list[Doc], parts: list[Any]) -> None:
    rows.append(docs.job_head(job, None, reason))
    parts.append(lambda: _render().skipped(job, reason))


def _code(seen: Sequence[Seen], unread: Sequence[Sequence[Unread]] = ()) -> int:
    """1 when a chain was skipped, or money of ours cannot be seen; what could be read is shown all the same."""
    skipped = any(isinstance(snapshot, str) for _, snapshot in seen)
    return int(skipped or any(one.held for lost in unread for one in lost))


def _horizon_seconds(context: Screen) -> float:
    return context.settings.policy.horizon_days * 86_400


def _render() -> Any:
    return render


def _listings() -> Any:
    return listings
