"""One cycle of the bot, from top to bottom.

settle -> observe -> assess -> allocate -> plan -> rehearse -> approve -> (per leg: observe, sign, send, confirm, check)
-> observe again. Live run, dry run and rehearsal use these same stages with another approver or another node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from yieldbot.app import alarms, telemetry
from yieldbot.app.graded import risks_of
from yieldbot.app.interrupted import settle
from yieldbot.app.judged import judged
from yieldbot.app.left_out import failing, is_trial, not_all, of_its_market, stuck
from yieldbot.app.looks import refresh
from yieldbot.app.memory import FOLDER, keep
from yieldbot.app.other_wallets import job_of, turns_of
from yieldbot.app.reading import read_enough
from yieldbot.app.step_times import rehearsing
from yieldbot.app.unsettled import none_open, stopped
from yieldbot.app.waiting import reported_before, waits_already
from yieldbot.chains import exits
from yieldbot.chains.leg_limits import beyond_limits
from yieldbot.chains.open import session
from yieldbot.chains.ports import Session
from yieldbot.config.policy_names import unmatched_names
from yieldbot.decision.aside import set_aside, without_pools
from yieldbot.decision.decide import Decision, decide, decide_exits
from yieldbot.decision.holds import still_holds
from yieldbot.decision.orders import only, with_orders
from yieldbot.decision.pending import with_others
from yieldbot.decision.why_held import explained
from yieldbot.errors import InvariantError, TransientError
from yieldbot.execution.approvals import Approval, Proposal
from yieldbot.execution.rehearsed import Rehearsed
from yieldbot.execution.world import Wiring, records_of
from yieldbot.history import holdings as forecast
from yieldbot.history import recorded
from yieldbot.history.predictions import before_plan
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import AccountStopped, PlanMarked, PlanStatus
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.pending import ALONE, Beside
from yieldbot.model.plan import Declined, Hold, Leg, NoWayOut, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job, SafeOwner
from yieldbot.model.tx import Confirmed, Outcome
from yieldbot.risk.limits import loss_of

if TYPE_CHECKING:
    from yieldbot.execution.results import Proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one cycle of one job observed and did. Stages that were not reached are None or empty."""

    job: Job
    """The job."""
    skipped: str | None = None
    """Why the chain could not be served in this cycle; None: it was."""
    left_out: tuple[tuple[str, str], ...] = ()
    """RPC endpoints whose answers were not believed, as (host, reason)."""
    settled: tuple[Outcome, ...] = ()
    """Outcomes of transactions that an earlier run had left open."""
    snapshot: Snapshot | None = None
    """The markets on which the plan was decided."""
    unread: tuple[forecast.UnreadHolding, ...] = ()
    """Markets that could not be read, with what the journal last knew of our holding there."""
    beside: Beside = ALONE
    """What the decision counted of our other wallets."""
    decision: Decision | None = None
    """The plan or hold, and the assessments behind it."""
    reported: bool = False
    """Whether an earlier run reported this already: ``waiting.reported_before``, ``job_turns.may_wait``."""
    rehearsal: Rehearsed | None = None
    """The result of running the plan's transactions on a fork."""
    declined: Declined | None = None
    """Why the plan was not carried out, or not completely."""
    outcomes: tuple[tuple[Leg, Outcome], ...] = ()
    """Each leg that was sent, with its transaction's outcome."""
    words: Mapping[str, str] = field(default_factory=dict)
    """By hash, what each of these transactions does."""
    left_undone: tuple[tuple[Leg, Declined], ...] = ()
    """Each leg of an exit that could not be carried out, with the reason; the legs after it went on."""
    after: Snapshot | None = None
    """The markets after the legs were carried out."""
    proposed: Proposed | None = None
    """The Safe transaction that now waits for the other owners."""

    @property
    def failed(self) -> bool:
        """Whether a transaction of ours was mined without success, or was replaced by another."""
        return any(not isinstance(outcome, Confirmed) for _, outcome in self.outcomes)


async def observe_job(world: Wiring, job: Job) -> Snapshot:
    """Observe one job's markets, after checking that the node serves the right chain."""
    async with session(world, job) as live:
        await live.verify_chain()
        return await live.observe(records_of(world, job))


Decide = Callable[..., Decision]
"""``decide``, or one that proposes less."""
Ordering = Callable[[Snapshot, Sequence[forecast.UnreadHolding]], "tuple[Sequence[ExitOrdered], Collection[MarketId]]"]
"""Given what was observed; returns the orders to journal and the markets to be left."""


async def run_job(world: Wiring, job: Job, ordering: Ordering | None = None, *, by: Decide | None = None) -> Report:
    """One cycle of one job. A chain that cannot be served is skipped with the reason; other errors are raised.

    ordering: journals its orders, and the cycle then only leaves the markets that it names; None: an ordinary cycle.
    by: decides what is done; None: ``decide``.
    """
    return await _served(world, job, lambda live: _cycle(world, job, live, ordering, by or decide))


async def _served(world: Wiring, job: Job, work: Callable[[Session], Awaitable[Report]]) -> Report:
    """Check the chain's id, do the work, and report endpoints that were not believed. A chain that cannot be served is
    skipped with the reason."""
    with telemetry.span("cycle", wallet=job.wallet.name, chain=job.chain.name, asset=job.asset.symbol):
        async with session(world, job) as live:
            try:
                await live.verify_chain()
                report = await work(live)
            except TransientError as passing:
                report = Report(job=job, skipped=str(passing))
            for host, why in live.left_out if report.skipped is None else ():  # else the reason names them
                world.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
            return replace(report, left_out=live.left_out)


async def _observed(
    world: Wiring, job: Job, live: Session, full: Collection[MarketId] = (), *, look: bool = False
) -> Snapshot:
    """The markets now, with what the journal knows of their exits; the state of two-step exits is journalled. look:
    look at the controllers of its markets too. full: markets that are read in full."""
    records, settings = records_of(world, job), world.settings
    with telemetry.span("observe"):
        snapshot = await live.observe(records, full)
    keep(settings.data_dir / FOLDER, [snapshot], world.say)
    if news := exits.steps(records, snapshot):
        world.journal.append(*news)
    snapshot = await live.with_exits(snapshot, records, settings.policy)
    if look:
        await refresh(live, job, snapshot, settings.data_dir, world.say, settings.follow)
    known = settings.data_dir, settings.policy, world.say, records
    found = judged(snapshot, *known, lambda entries: alarms.note(world, job, records, entries))
    return with_others(found, Beside(held=world.others.held(job)))


async def _cycle(world: Wiring, job: Job, live: Session, ordering: Ordering | None, by: Decide) -> Report:
    settled = await settle(world, job, live) if world.settles else none_open(world, job)
    world.say(f"observing {job.chain.name}")
    policy, beside = world.settings.policy, ALONE

    async def observed(full: Collection[MarketId]) -> Snapshot:
        nonlocal beside, by
        seen = await _observed(world, job, live, full, look=not ordering)
        if plain:
            beside = await world.others.before(job, seen)
            by = partial(decide, beside=beside)
        return seen

    plain = by is decide and ordering is None
    snapshot = await read_enough(
        observed, lambda seen: decide(seen, policy, job, world.now(), records=records_of(world, job), beside=beside)
    )
    for line in unmatched_names(policy, world.settings.jobs, [(job, snapshot)]):
        world.say(line)
    records = records_of(world, job)
    unread = _unread(records, snapshot, job, policy)
    _stop_at_a_loss(world, job, snapshot)
    if ordering is not None:
        orders, wanted = ordering(snapshot, unread)
        if orders:
            world.journal.append(*orders)
        records, by = records_of(world, job), decide_exits
        snapshot = only(with_orders(snapshot, records), wanted)
    decision = by(snapshot, policy, job, world.now(), unread=unread, records=records)
    report = Report(job=job, settled=settled, snapshot=snapshot, unread=unread, beside=beside, decision=decision)
    if isinstance(decision.outcome, Hold):
        world.others.decided(job, snapshot, None)
        _record(world, job, snapshot)
        if not plain:
            return report
        reason = explained(decision, with_others(snapshot, beside), policy, job, world.now(), records)
        return replace(report, decision=reason, declined=stopped(world, job, snapshot))
    waits = waits_already(world, job, snapshot, decision.outcome)
    world.others.decided(job, snapshot, waits or decision.outcome)
    if waits is not None:
        again = replace(report, decision=replace(decision, outcome=waits), reported=reported_before(world, waits))
        if (kept := await _propose(world, live, job, snapshot, waits, again)).rehearsal is not None:
            return kept
    found = await _propose(world, live, job, snapshot, decision.outcome, report)
    while found.rehearsal is None and (aside := set_aside(snapshot, found.declined)) is not None:
        # A market that fails must not keep the rest of the money where it is.
        snapshot, note = aside
        world.say(note)
        decision = by(snapshot, policy, job, world.now(), unread=unread, records=records)
        report = replace(report, decision=decision, snapshot=snapshot)
        if isinstance(decision.outcome, Hold):
            _record(world, job, snapshot)
            return replace(found, decision=decision, snapshot=snapshot)
        found = await _propose(world, live, job, snapshot, decision.outcome, report)
    assert isinstance(decision.outcome, Plan)
    if found.declined is not None and found.rehearsal is None and decision.outcome.sold and decision.outcome.why:
        # What came out of an exit and cannot be swapped must not keep the rest of the money where it is.
        rest = by(snapshot, policy, job, world.now(), unread=unread, records=records, swaps=False)
        if isinstance(rest.outcome, Hold):
            return found
        world.say(f"what came out is not swapped: {found.declined.reason}")
        return await _propose(world, live, job, snapshot, rest.outcome, replace(report, decision=rest))
    if (paused := _without_pools(snapshot, decision.outcome, found)) is None or found.declined is None:
        return found
    # A pool that will not take or give the money must not keep the rest of it where it is.
    rest = by(paused, policy, job, world.now(), unread=unread, records=records)
    if isinstance(rest.outcome, Hold):
        return found
    world.say(f"nothing is done about liquidity: {found.declined.reason}")
    return await _propose(world, live, job, paused, rest.outcome, replace(report, decision=rest))


def _without_pools(snapshot: Snapshot, plan: Plan, report: Report) -> Snapshot | None:
    """The snapshot without the pools whose liquidity the plan moves; None if it moves none, or its rehearsal passed."""
    moved = (snapshot.states.get(leg.market_id) for leg in plan.legs)
    pools = frozenset(state.market.id for state in moved if state is not None and state.liquidity_market is not None)
    return without_pools(snapshot, pools) if pools and report.rehearsal is None else None


def _stop_at_a_loss(world: Wiring, job: Job, snapshot: Snapshot) -> Declined | None:
    """Stop the account if a loss exceeds the policy's limit; returns the reason, or None."""
    loss = loss_of(world.settings.policy, records_of(world, job), snapshot)
    if loss is None:
        return None
    account = (snapshot.block.chain, snapshot.owner)
    if account not in world.journal.stopped_accounts():
        world.journal.append(AccountStopped(*account, loss))
    return Declined("LOSS", loss)


async def _propose(
    world: Wiring,
    live: Session,
    job: Job,
    snapshot: Snapshot,
    plan: Plan,
    report: Report,
    gone: Mapping[int, Declined] | None = None,
) -> Report:
    """Rehearse the plan, ask the approver and, once approved, carry it out.

    gone: for an exit that was approved as a whole, the legs (by index) that can no longer be carried out, each with the
    reason; legs that fail on the fork are added, and all of these are left out. None: a leg that fails on the fork
    refuses the whole plan.
    """
    skip = dict(gone or {})
    if (refused := beyond_limits(world, job, plan.legs)) is not None:
        return replace(report, declined=refused)
    await world.open_key(job.wallet)
    with telemetry.span("rehearse", legs=len(plan.legs)), rehearsing(world, job, plan, live.block_text(snapshot.block)):
        rehearsal = await live.rehearse(plan, snapshot, skip)
    while gone is not None and (fails := failing(plan, rehearsal, skip)) is not None:
        skip |= fails
        rehearsal = await live.rehearse(plan, snapshot, skip) if len(skip) < len(plan.legs) else skip[min(skip)]
    for index, why in skip.items():
        world.say(f"left out of {plan.id}: leg {index + 1}, {plan.legs[index].market_id}: {why.reason}")
    if isinstance(rehearsal, NoWayOut) and rehearsal.lasting:
        await live.refused(rehearsal.market_id, rehearsal.reason, snapshot)
    if isinstance(rehearsal, Declined):
        return replace(report, declined=rehearsal)
    report = replace(report, rehearsal=rehearsal)
    names = {state.market.id: state.market.name for state in snapshot.states.values()}
    approval = await world.approver.approve(Proposal(plan, rehearsal, risks_of(plan, snapshot), names))
    if isinstance(approval, Declined):
        return replace(report, declined=approval)
    if (predicted := before_plan(plan, snapshot, world.settings.policy)) is not None:
        world.journal.append(predicted)
    live.spend_at_most(plan, snapshot)
    if isinstance(job.wallet.held, SafeOwner):
        proposed = await live.hand_over(approval, snapshot)
        if isinstance(proposed, Declined):
            return replace(report, declined=proposed)
        world.journal.append(PlanMarked(plan.id, PlanStatus.HANDED_OVER, "safe", proposed.note))
        skip |= proposed.left_out
        return replace(report, proposed=proposed, left_undone=tuple((plan.legs[i], why) for i, why in skip.items()))
    return await _carry_out(world, live, job, approval, report, skip)


async def approve_queued(world: Wiring, plan_id: str) -> Report:
    """Carry out a plan that waits in the journal: observe and rehearse again, ask, sign, send.

    Raises ConfigError for an unknown id, SafetyError for a plan that has expired or no longer waits.
    """
    plan = recorded.queued_plan(world.journal, plan_id, world.now(), world.settings.policy.plan_ttl_seconds)
    job = job_of(world.settings, plan)
    beside = replace(world, others=turns_of(world, [job]))
    return await _served(beside, job, lambda live: _resume(beside, job, live, plan))


async def _resume(world: Wiring, job: Job, live: Session, plan: Plan) -> Report:
    settled = await settle(world, job, live)
    snapshot = await _observed(world, job, live, {leg.market_id for leg in plan.legs}, look=True)
    unread = _unread(records_of(world, job), snapshot, job, world.settings.policy)
    report = Report(job=job, settled=settled, snapshot=snapshot, unread=unread)
    if (unseen := forecast.unseen_money(unread)) is not None and not plan.is_exit:
        return replace(report, declined=Declined("HOLDING_UNREAD", unseen))
    loss = _stop_at_a_loss(world, job, snapshot)
    gone: dict[int, Declined] | None = None
    if plan.is_exit:  # as much as possible is still taken out
        found = [still_holds(plan, index, snapshot, world.settings.policy, job) for index in range(len(plan.legs))]
        gone = {index: why for index, why in enumerate(found) if why is not None}
        refused = None if None in found else found[0]
    else:
        refused = loss or still_holds(plan, 0, snapshot, world.settings.policy, job)
    if refused is not None:
        return replace(report, declined=refused)
    return await _propose(world, live, job, snapshot, plan, report, gone)


async def _carry_out(
    world: Wiring,
    live: Session,
    job: Job,
    approval: Approval,
    report: Report,
    skip: Mapping[int, Declined] = MappingProxyType({}),
) -> Report:
    """Leg by leg: observe again, check that the leg still makes sense, then sign and send it. If a leg of an exit fails
    because of its own market, it is skipped and the others go on; so is each leg of ``skip``, for the reason there."""
    plan = approval.plan
    outcomes: list[tuple[Leg, Outcome]] = []
    undone = [(plan.legs[index], why) for index, why in skip.items()]
    declined: Declined | None = None
    before: Snapshot | None = None
    for index, leg in enumerate(plan.legs):
        if index in skip:
            continue
        snapshot = await _observed(world, job, live)
        before = before or snapshot
        loss = _stop_at_a_loss(world, job, snapshot)
        declined = still_holds(plan, index, snapshot, world.settings.policy, job)
        if plan.is_exit and declined is not None:
            undone.append((leg, declined))
            continue
        declined = declined if plan.is_exit else loss or declined
        if declined is not None:
            break
        try:
            with telemetry.span("execute", leg=index + 1):
                result = await live.execute(approval, index, snapshot)
        except InvariantError as fault:  # balances changed otherwise than simulated: the account is stopped
            if is_trial(plan, index):
                await live.refused(leg.market_id, str(fault), snapshot, on_chain=True)
            raise
        outcomes += [(leg, outcome) for outcome in result.outcomes]
        declined = result.declined
        if isinstance(declined, NoWayOut) and declined.lasting:
            await live.refused(declined.market_id, declined.reason, snapshot)
        if is_trial(plan, index) and (why := stuck(result)) is not None:
            await live.refused(
                leg.market_id, f"{leg.amount} of what went in do not come out: {why}", snapshot, on_chain=True
            )
        if plan.is_exit and (alone := of_its_market(result)) is not None:
            undone.append((leg, alone))
            continue
        if declined is not None or any(not isinstance(outcome, Confirmed) for outcome in result.outcomes):
            break
    if undone and (declined is None or declined is undone[-1][1]):
        declined = None if outcomes else undone[0][1]
        world.journal.append(PlanMarked(plan.id, PlanStatus.FAILED, "execution", not_all(plan, undone)))
    after = await _observed(world, job, live)
    _record(world, job, after, before)
    words = world.journal.words_of(plan.id) if outcomes else {}
    report = replace(report, outcomes=tuple(outcomes), words=words, left_undone=tuple(undone))
    return replace(report, declined=declined, after=after)


def _unread(records: Sequence[Record], found: Snapshot, job: Job, policy: Policy) -> tuple[forecast.UnreadHolding, ...]:
    """Markets of the job's assets that the snapshot lacks, with our last known holdings there."""
    parts = [forecast.unread(records, found.of_asset(token), token, policy) for token in job.assets]
    return tuple(one for part in parts for one in part)


def _record(world: Wiring, job: Job, snapshot: Snapshot, before: Snapshot | None = None) -> None:
    """Journal what each position is expected to earn, by asset. before: the snapshot before a plan was carried out."""
    for token in job.assets:
        recorded.record(world.journal, snapshot.of_asset(token), world.settings.policy, token, before)
