"""``exit``: takes money out of markets into the wallet, as fast as is safe; the order stands until all is out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Literal

from yieldbot.allocator.exits import to_be_left
from yieldbot.app import alike, job_reports, overview
from yieldbot.app.cycle import run_job
from yieldbot.app.exit_documents import CameOut, ExitDocument, ExitJob, ExitListDocument, ExitStopDocument, StandingExit
from yieldbot.app.exit_names import names_of
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.parts import Money
from yieldbot.app.run import Consent, cycles
from yieldbot.app.run_log import RunLog
from yieldbot.app.safe_proposals import deliver
from yieldbot.app.thinking import NOT_ANSWERED
from yieldbot.app.wiring import JOURNAL, JobFilter, Keyless, jobs_of, named_jobs
from yieldbot.decision.orders import ALL, all_of, order_of, proceeds, with_orders, without_orders
from yieldbot.errors import ConfigError, RunInProgress
from yieldbot.execution.approvals import Queue
from yieldbot.execution.lock import run_lock
from yieldbot.execution.world import records_of
from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered
from yieldbot.journal.fold import fold_orders
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.dataclass import dataclass
from yieldbot.model.names import named
from yieldbot.model.plan import OUT
from yieldbot.model.spelling import did_you_mean, intended, with_part
from yieldbot.model.tx import Confirmed

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.cycle import Ordering, Report
    from yieldbot.app.job_turns import Ended
    from yieldbot.app.results import Proposal, UnreadHolding
    from yieldbot.execution.approvals import Approver
    from yieldbot.execution.world import SignerOf, Wiring
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import Snapshot
    from yieldbot.model.policy import Policy
    from yieldbot.model.settings import Job, Wallet

BY = "terminal"
MOST_FURTHER = 2
"""Most further cycles of a run after the first: one for pools, whose exit swaps, one for swaps of the proceeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequest:
    """Leave markets."""

    market: str | None = None
    """A market's name (``model/names``), a part that only one name has, or ``all``; None: continue every exit that is
    under way."""
    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose markets are left."""
    approve: Literal["queue", "ask", "auto"] = "queue"
    """See ``RunRequest.approve``."""
    into: str | None = None
    """Symbol of the jobs' asset that the proceeds are swapped into; None: they are not swapped."""
    by: str = BY
    """Who orders it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAnswer:
    """What came out, and what is still in."""

    document: ExitDocument
    """The answer; its ``exit_code`` is the command's."""
    reports: tuple[tuple[Report, ...], ...]
    """Each job's cycles, for tables; none for a job that ended with an error."""


def leave(
    request: ExitRequest, context: Context, *, show: Callable[[Proposal], None], ask: Callable[[], bool | None]
) -> ExitAnswer:
    """Order the exit, and take out what can be taken out now, under the run lock. Nothing else is decided.

    Every later cycle goes on with what stays in. If a person says no to the plan, or nothing, an order made by this
    call is lifted again. Raises ConfigError if no market of the jobs has the name, and RunInProgress if another run is.
    """
    how = Consent(request.approve, context, show, ask, waits=False)
    return _left(request, context, how.approver, None, asks=how.asks, opens=how.opens)


def queued(request: ExitRequest, context: Context, *, settles: bool = True) -> ExitAnswer:
    """Order the exit; its plan waits for a person, whatever the policy or the request says of approval, and no key is
    read. settles: see ``Wiring``. Raises as ``leave``."""

    def approver(journal: Journal) -> Approver:
        return Queue(journal, context.program, context.settings.notice_times.link)

    return _left(request, context, approver, Keyless, settles=settles)


def _left(
    request: ExitRequest,
    context: Context,
    approver: Callable[[Journal], Approver],
    signer_of: SignerOf | None,
    *,
    asks: bool = False,
    opens: Callable[[Wallet], bool] = lambda wallet: False,
    settles: bool = True,
) -> ExitAnswer:
    jobs = jobs_of(request.jobs, context)
    _can_be_swapped(request, jobs)
    matched, seen = set[str](), dict[str, bool]()
    further: dict[int, list[Report]] = {}

    async def one(world: Wiring, job: Job) -> Report:
        made = list[ExitOrdered]()
        ordering = _ordering(request, job, world, made, matched, seen)
        try:
            report = await run_job(world, job, ordering)
        except RunInProgress as taken:  # another run has the lock when the person answers
            if not made:
                raise
            world.journal.append(*(_lifted(order, BY) for order in made))
            raise RunInProgress(f"{taken}; the order is lifted again, nothing is taken out") from None
        named = {state.market.id for state in to_be_left(report.snapshot)} if report.snapshot is not None else set()
        more = further.setdefault(id(job), [])
        while len(more) < MOST_FURTHER and (pools := _goes_on(world, [report, *more][-1], named)) is not None:
            more.append(await run_job(world, job, lambda snapshot, unread, pools=pools: ((), pools)))  # type: ignore[misc]
        if report.declined is not None and report.declined.code in ("HUMAN_REJECTED", *NOT_ANSWERED) and made:
            world.journal.append(*(_lifted(order, BY) for order in made))
            kept = world.journal.records(job.chain.chain, job.wallet.address)
            assert report.snapshot is not None  # of what the person was shown
            reason = f"{report.declined.reason}; the order is lifted again, nothing is taken out"
            report = replace(
                report,
                snapshot=with_orders(without_orders(report.snapshot), kept),
                declined=replace(report.declined, reason=reason),
            )
        return report

    ended = cycles(jobs, context, approver, signer_of, asks, opens, one, RunLog(context, "exit"), settles)
    found = tuple(each for each in ended if not isinstance(each, tuple))
    if (whole := _whole(request, ended, matched, seen)) is not None:
        context.say(f"{request.market!r} stands for {whole}")
        return _left(
            replace(request, market=whole), context, approver, signer_of, asks=asks, opens=opens, settles=settles
        )
    alike.complain(context, (each for each in ended if isinstance(each, tuple)))
    for each in found:
        if each.proposed is not None:
            deliver(context, each)
    policy = context.settings.policy
    rows = tuple(
        job_reports.failure(*each)
        if isinstance(each, tuple)
        else _row(each, further.get(id(each.job), []), policy, _orders(context, [each.job]))
        for each in ended
    )
    code = job_reports.worst([row.exit_code for row in rows])
    return ExitAnswer(
        document=ExitDocument(market=request.market, into=request.into, exit_code=code, jobs=rows),
        reports=tuple((each, *further[id(each.job)]) for each in found),
    )


def _can_be_swapped(request: ExitRequest, jobs: Sequence[Job]) -> None:
    """Raises ConfigError for an asset that no job with several assets has."""
    into = request.into
    if into is None or any(intended(into, (token.symbol for token in job.assets)) for job in jobs):
        return
    hint = did_you_mean(into, {token.symbol for job in jobs for token in job.assets})
    raise ConfigError(
        f"--to {into}: no job holds it; what comes out is only swapped within a job over several assets "
        f"([policy.bases]): {hint}"
    )


def _goes_on(world: Wiring, report: Report, named: Collection[MarketId]) -> list[MarketId] | None:
    """The pools of the named markets that a further cycle of this run is to leave; empty: only proceeds remain to be
    swapped; None: nothing more to do, or the last plan was not carried out."""
    done = report.declined is None and report.proposed is None and not report.failed and bool(report.outcomes)
    if not done or report.after is None:
        return None
    left = to_be_left(report.after)
    pools = [s.market.id for s in left if s.liquidity_market is not None and s.market.id in named]
    return pools if pools or proceeds(report.after, records_of(world, report.job)) else None


def _whole(request: ExitRequest, ended: Sequence[Ended], matched: set[str], seen: Mapping[str, bool]) -> str | None:
    """The only name of which the requested one is a part, among markets where we hold something, else among all; None:
    there is nothing to complete. Raises ConfigError if a name was given that no market has; but not if a chain was not
    served, since it may have that market."""
    found = [one for one in ended if not isinstance(one, tuple)]
    if request.market is None or matched or not found or any(one.skipped is not None for one in found):
        return None
    ours = [name for name, held in seen.items() if held]
    whole = with_part(request.market, ours) or with_part(request.market, seen)
    if whole not in (None, request.market) and len(found) == len(ended):
        return whole
    if not ours:
        hint = did_you_mean(request.market, list(seen))
        raise ConfigError(f"no market is called {request.market!r}: {hint} (we hold nothing in any)")
    raise ConfigError(
        f"no market is called {request.market!r}: of those where we hold something: "
        f"{did_you_mean(request.market, ours)} (`yieldbot markets` shows every name, `yieldbot exit all` leaves all of "
        "them)"
    )


def _ordering(
    request: ExitRequest, job: Job, world: Wiring, made: list[ExitOrdered], matched: set[str], seen: dict[str, bool]
) -> Ordering:
    """The function that makes the request's orders for one job. made: collects orders that did not stand before;
    matched: collects the markets that have the name; seen: collects the names of markets, and whether one of that name
    holds money of ours."""
    name, tokens = request.market, {token.symbol: token.address for token in job.assets}
    into = tokens.get(intended(request.into or "", tokens) or "", "")

    def ordering(
        snapshot: Snapshot, unread: Sequence[UnreadHolding]
    ) -> tuple[Sequence[ExitOrdered], Sequence[MarketId]]:
        for state in snapshot.markets:
            seen[state.market.name] = bool(state.held) or seen.get(state.market.name, False)
        seen.update((lost.name, True) for lost in unread if lost.held)
        if name is None:
            return (), [state.market.id for state in snapshot.markets]
        chain, owner, time = snapshot.block.chain, snapshot.owner, snapshot.block.timestamp
        stands = fold_orders(world.journal.records(chain, owner), chain, owner)
        if name == ALL:
            matched.add(ALL)
            ids = {all_of(token): ALL for token in job.assets}
            wanted = [state.market.id for state in snapshot.markets]
        else:
            markets = [state.market for state in snapshot.markets] + [bad.market for bad in snapshot.quarantined]
            spelled = intended(name, (market.name for market in markets)) or name
            meant = [market for market in markets if named(market, (spelled,))]
            matched.update(market.id for market in meant)
            lost = {one.market_id for one in unread if one.held}
            held = {state.market.id for state in snapshot.markets if state.held}
            ids = {market.id: market.name for market in meant if market.id in held or market.id in lost}
            wanted = [market.id for market in meant]
        orders = [
            ExitOrdered(chain=chain, owner=owner, market_id=key, name=called, by=request.by, into=into, time=time)
            for key, called in ids.items()
            if key not in stands or (into and stands[key].into != into)
        ]
        made.extend(order for order in orders if order.market_id not in stands)
        return orders, wanted

    return ordering


def _row(found: Report, more: Sequence[Report], policy: Policy, orders: Sequence[ExitOrdered]) -> ExitJob:
    row = job_reports.report(found, policy)
    fields = {name: getattr(row, name) for name in type(row).model_fields}
    rows = [row, *(job_reports.report(one, policy) for one in more)]
    fields |= {"exit_code": job_reports.worst([one.exit_code for one in rows])}
    fields |= {"still_in": rows[-1].still_in, "holdings": rows[-1].holdings}
    return ExitJob(
        **fields,
        ordered=tuple(dict.fromkeys(one.name for one in orders)),
        came_out=tuple(out for one in (found, *more) for out in came_out(one)),
        then=tuple(rows[1:]),
    )


def came_out(found: Report) -> tuple[CameOut, ...]:
    """What the transactions of a cycle took out of each market, by the balance changes on chain."""
    names = {} if found.snapshot is None else {s.market.id: s.market.name for s in found.snapshot.states.values()}
    sums = dict[str, Amount]()
    for leg, outcome in found.outcomes:
        if not isinstance(outcome, Confirmed) or leg.kind not in OUT:
            continue
        token = leg.amount.token
        raw = sum(delta.raw for delta in outcome.deltas if delta.token == token)
        if raw > 0:
            sums[leg.market_id] = sums.get(leg.market_id, Amount(token, 0)) + Amount(token, raw)
    return tuple(CameOut(market_id=key, name=names.get(key, key), amount=Money.of(sums[key])) for key in sums)  # type: ignore[call-overload]


def standing(jobs: JobFilter, context: Context) -> ExitListDocument:
    """The orders that stand, with what is still in each market by the chain. Raises ConfigError if no job matches."""
    orders = _orders(context, named_jobs(jobs, context))
    if not orders:
        return ExitListDocument(exits=())
    observed = overview.fetch_snapshots(jobs, context)
    snapshots = overview.snapshots_of(observed)
    keep(context.settings.data_dir / FOLDER, snapshots, context.complain)
    return ExitListDocument(exits=tuple(_rows(orders, snapshots, context)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStopRequest:
    """Lift orders to leave markets."""

    market: str
    """The market of the order by its name or id, or ``all``: every order."""
    jobs: JobFilter = field(default_factory=JobFilter)
    """The jobs whose accounts are concerned."""
    by: str = BY
    """Who lifts them."""


def stop(request: ExitStopRequest, context: Context) -> ExitStopDocument:
    """Lifts the orders, under the run lock: money may go in again. A request already made to a vault continues. Raises
    ConfigError if no such order stands, and RunInProgress if a run is."""
    jobs = named_jobs(request.jobs, context)
    orders = _orders(context, jobs)
    whole = with_part(request.market, (order.name for order in orders))
    meant = [order for order in orders if _means(request.market, order)]
    meant = meant or [order for order in orders if order.name == whole]
    if not meant:
        ours = [ALL if one.market_id.startswith(f"{ALL}/") else one.name for one in orders]
        raise ConfigError(f"no exit of {request.market!r} was ordered: {did_you_mean(request.market, ours)}")
    data_dir = context.settings.data_dir
    with run_lock(data_dir, "exit --stop"), Journal.open(data_dir / JOURNAL) as journal:
        journal.append(*(_lifted(order, request.by) for order in meant))
    return ExitStopDocument(lifted=tuple(_rows(meant, (), context)))


def _means(name: str, order: ExitOrdered) -> bool:
    return name == ALL or name in (order.name, order.market_id) or order.market_id.startswith(f"{name}/")


def _lifted(order: ExitOrdered, by: str) -> ExitLifted:
    return ExitLifted(chain=order.chain, owner=order.owner, market_id=order.market_id, by=by)


def _orders(context: Context, jobs: Sequence[Job]) -> list[ExitOrdered]:
    """The orders of these jobs' accounts that stand."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return []
    with Journal.read(file) as journal:
        records = journal.records()
    accounts = dict.fromkeys((job.chain.chain, job.wallet.address) for job in jobs)
    return [order for account in accounts for order in fold_orders(records, *account).values()]


def _rows(orders: Sequence[ExitOrdered], snapshots: Sequence[Snapshot], context: Context) -> Iterator[StandingExit]:
    keys = [(order.chain, order.owner, order.market_id, order.name) for order in orders]
    for order, name in zip(orders, names_of(keys, context), strict=True):
        yield _standing(order, name, snapshots)


def _standing(order: ExitOrdered, name: str, snapshots: Sequence[Snapshot]) -> StandingExit:
    """An order with what is still in its markets, from the snapshots of its account."""
    ours = [one for one in snapshots if (one.block.chain, one.owner) == (order.chain, order.owner)]
    orders = {order.market_id: order}
    states = [state for one in ours for state in one.markets if order_of(orders, state.market) is not None]
    left = [state.held for one in ours for state in to_be_left(one) if order_of(orders, state.market) is not None]
    single = states[0].held if len(states) == 1 and states[0].market.id == order.market_id else None
    return StandingExit(
        chain_id=order.chain,
        owner=order.owner,
        market_id=order.market_id,
        name=order.name,
        called=name,
        by=order.by,
        since=order.time,
        into=order.into or None,
        held=Money.or_none(single),
        state="leaving" if left else "empty" if states else "unknown",
    )
