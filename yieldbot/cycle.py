"""The whole bot, readable top to bottom.

settle -> observe -> assess -> allocate -> plan -> rehearse -> approve -> (per leg: observe, sign, send, confirm, check)
-> observe again. Live, dry run and rehearsal are wirings of these same stages: what differs is the approver that a
World holds, and the node that it points at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol

from yieldbot import forecast
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.allocator.plan import make_plan
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.account import Account, LegWork
from yieldbot.execution.approve import Approval, Approver, Proposal
from yieldbot.execution.calldata import AbiFunction, abi_functions
from yieldbot.execution.halt import halted
from yieldbot.execution.leg import execute_leg
from yieldbot.execution.safe import HashSigner, Proposed, propose
from yieldbot.execution.settle import settle
from yieldbot.execution.sign import Signer
from yieldbot.execution.simulate import Rehearsal, rehearse
from yieldbot.journal.events import AccountStopped, PlanMarked, PlanStatus
from yieldbot.journal.fold import Record
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount
from yieldbot.model.market import Kind, Snapshot, Status
from yieldbot.model.plan import Allocation, Assessment, Declined, Hold, Leg, LegKind, Plan
from yieldbot.model.policy import Job, Policy, SafeOwner, Settings, Wallet
from yieldbot.model.tx import Confirmed, Outcome
from yieldbot.observe import GWEI, observe
from yieldbot.protections import Guard, beyond, guard, lost
from yieldbot.protocols.base import YieldAdapter
from yieldbot.resources import folder
from yieldbot.rpc.anvil import find_anvil
from yieldbot.rpc.connect import connect
from yieldbot.rpc.evm import EvmNode
from yieldbot.rpc.fork import forks


class SignerOf(Protocol):
    """The signer of a wallet; its passphrase, AWS or its device is asked only when something is to be signed."""

    def __call__(self, wallet: Wallet) -> Signer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One wiring of the stages. ``now``: unix seconds. ``say``: one progress line for the person who watches.

    ``open_key``: called before a plan is rehearsed; may open the wallet's signer, so that a wrong passphrase ends the
    job (ConfigError) before anything is approved.
    """

    settings: Settings
    adapters: Mapping[str, YieldAdapter]
    journal: Journal
    approver: Approver
    signer_of: SignerOf
    now: Callable[[], int]
    say: Callable[[str], None]
    open_key: Callable[[Wallet], None] = lambda wallet: None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the pure stages made of a snapshot."""

    assessments: tuple[Assessment, ...]
    allocation: Allocation
    outcome: Plan | Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one cycle of one job saw and did, for the command line to show. Absent stages are None or empty.

    left_out: (host, why) of RPC endpoints that were not believed.
    """

    job: Job
    skipped: str | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    settled: tuple[Outcome, ...] = ()
    snapshot: Snapshot | None = None
    unread: tuple[forecast.Unread, ...] = ()
    decision: Decision | None = None
    rehearsal: Rehearsal | None = None
    declined: Declined | None = None
    outcomes: tuple[tuple[Leg, Outcome], ...] = ()
    after: Snapshot | None = None
    proposed: Proposed | None = None

    @property
    def failed(self) -> bool:
        """A transaction of ours was mined but did not succeed, or was displaced."""
        return any(not isinstance(outcome, Confirmed) for _, outcome in self.outcomes)


def decide(
    snapshot: Snapshot,
    policy: Policy,
    job: Job,
    now: int,
    wealth: Amount | None = None,
    unread: Sequence[forecast.Unread] = (),
    records: Sequence[Record] = (),
) -> Decision:
    """The pure stages: guard, assess, allocate, plan. ``wealth`` answers "what if we had this much".

    ``records``: the journal, for the limits that time sets. Hold, whatever the allocation, while money of ours lies
    where it cannot be read (shares would be of half of it), and when a protection says so.
    """

    def made(guarded: Guard) -> Decision:
        assessments = assess(snapshot, guarded.policy, wealth)
        allocation = allocate(snapshot, assessments, guarded.policy, wealth=wealth)
        if (reason := forecast.lost_sight_of(unread) or guarded.reason) is not None:
            return Decision(assessments, allocation, Hold(reason, None))
        ceiling_wei = int(job.chain.max_fee_gwei * GWEI)
        plan = make_plan(snapshot, allocation, guarded.policy, now, max_fee_wei=ceiling_wei)
        return Decision(assessments, allocation, plan)

    first = made(guard(policy, records, snapshot, job.asset, now))
    if not isinstance(plan := first.outcome, Plan):
        return first
    if beyond(policy, records, job.chain.chain, plan.legs, now) is None:
        return first
    # Money moved between markets counts too: less new money beside it.
    moved_raw = sum(leg.amount.raw for leg in plan.legs if leg.kind is LegKind.WITHDRAW)
    second = made(guard(policy, records, snapshot, job.asset, now, reserved_raw=moved_raw))
    if isinstance(plan := second.outcome, Plan):
        refused = beyond(policy, records, job.chain.chain, plan.legs, now)
        return second if refused is None else replace(second, outcome=Hold(refused.reason, second.allocation))
    return second


async def look(world: World, job: Job) -> Snapshot:
    """Observe one job, checking first that the node serves the right chain."""
    async with connect(job.chain) as node:
        await node.verify_chain()
        return await observe(node, job, world.adapters)


async def run_job(world: World, job: Job) -> Report:
    """One cycle of one job. A chain that cannot be served now is skipped with its reason; safety errors go up."""
    return await _served(world, job, lambda node: _cycle(world, job, node))


async def _served(world: World, job: Job, work: Callable[[EvmNode], Awaitable[Report]]) -> Report:
    """Work done with the job's node, once that is known to serve its chain; who was not believed is named."""
    async with connect(job.chain) as node:
        try:
            await node.verify_chain()
            report = await work(node)
        except TransientError as passing:
            report = Report(job=job, skipped=str(passing))
        for host, why in node.left_out:
            world.say(f"{job.chain.name}: RPC endpoint {host} is left out: {why}")
        return replace(report, left_out=node.left_out)


async def _cycle(world: World, job: Job, node: EvmNode) -> Report:
    account = account_of(world, job, node)
    settled = tuple(await settle(account))
    world.say(f"observing {job.chain.name}")
    snapshot = await observe(node, job, world.adapters)
    policy = world.settings.policy
    records = world.journal.history()
    unread = forecast.unread(records, snapshot, job.asset, policy)
    _stop_at_a_loss(world, job, snapshot)
    decision = decide(snapshot, policy, job, world.now(), unread=unread, records=records)
    report = Report(job=job, settled=settled, snapshot=snapshot, unread=unread, decision=decision)
    if isinstance(decision.outcome, Hold):
        forecast.record(world.journal, snapshot, policy, job.asset)
        return report
    return await _propose(world, account, job, snapshot, decision.outcome, report)


def _stop_at_a_loss(world: World, job: Job, snapshot: Snapshot) -> Declined | None:
    """A loss beyond the policy's limit stops the account, until a person clears it."""
    loss = lost(world.settings.policy, world.journal.history(), snapshot)
    if loss is None:
        return None
    account = (snapshot.block.chain, snapshot.owner)
    if account not in world.journal.stopped_accounts():
        world.journal.append(AccountStopped(*account, loss))
    return Declined("LOSS", loss)


async def _propose(world: World, account: Account, job: Job, snapshot: Snapshot, plan: Plan, report: Report) -> Report:
    """Rehearse the plan, put it to the approver and, when approved, carry it out."""
    if (refused := account.limits(plan.legs)) is not None:
        return replace(report, declined=refused)
    world.open_key(job.wallet)
    works = [_work(world, snapshot, plan, index) for index in range(len(plan.legs))]
    world.say(f"rehearsing {len(works)} legs on a fork of block {snapshot.block.height}")
    rehearsal = await rehearse(account, works, snapshot.block)
    if isinstance(rehearsal, Declined):
        return replace(report, declined=rehearsal)
    report = replace(report, rehearsal=rehearsal)
    approval = await world.approver.approve(Proposal(plan, works, rehearsal))
    if isinstance(approval, Declined):
        return replace(report, declined=approval)
    if isinstance(job.wallet.held, SafeOwner):
        return await _hand_over(world, account, works, rehearsal, approval, report)
    account = replace(account, max_cost_wei=_most_gas_wei(plan, snapshot, world.settings.policy))
    return await _carry_out(world, account, job, plan, approval, report)


async def _hand_over(
    world: World,
    account: Account,
    works: Sequence[LegWork],
    rehearsal: Rehearsal,
    approval: Approval,
    report: Report,
) -> Report:
    """A Safe's plan: signed as one of its owners and left to the others; nothing is sent.

    Raises ConfigError for a wallet whose signer cannot sign for a Safe.
    """
    wallet = report.job.wallet
    signer = world.signer_of(wallet)
    if not isinstance(signer, HashSigner):
        raise ConfigError(
            f"wallet {wallet.name}: its owner's key cannot sign for a Safe: name one of kind keystore or kms"
        )
    proposed = await propose(account, signer, approval, works, rehearsal)
    if isinstance(proposed, Declined):
        return replace(report, declined=proposed)
    world.journal.append(PlanMarked(approval.plan.id, PlanStatus.HANDED_OVER, "safe", proposed.note))
    return replace(report, proposed=proposed)


async def approve_queued(world: World, plan_id: str) -> Report:
    """Carry out a plan that waits in the journal: observe again, rehearse again, ask, sign, send.

    Raises ConfigError for an unknown id, SafetyError for a plan that has expired or no longer waits.
    """
    plan = forecast.queued_plan(world.journal, plan_id, world.now())
    job = _job_of(world.settings, plan)
    return await _served(world, job, lambda node: _resume(world, job, node, plan))


async def _resume(world: World, job: Job, node: EvmNode, plan: Plan) -> Report:
    account = account_of(world, job, node)
    settled = tuple(await settle(account))
    snapshot = await observe(node, job, world.adapters)
    unread = forecast.unread(world.journal.history(), snapshot, job.asset, world.settings.policy)
    report = Report(job=job, settled=settled, snapshot=snapshot, unread=unread)
    if (lost := forecast.lost_sight_of(unread)) is not None:
        return replace(report, declined=Declined("HOLDING_UNREAD", lost))
    loss = _stop_at_a_loss(world, job, snapshot)
    refused = loss or still_holds(plan, 0, snapshot, world.settings.policy)
    if refused is not None:
        return replace(report, declined=refused)
    return await _propose(world, account, job, snapshot, plan, report)


async def _carry_out(
    world: World, account: Account, job: Job, plan: Plan, approval: Approval, report: Report
) -> Report:
    """Leg by leg: look again, check that the leg still lies inside what was approved, then sign and send it."""
    outcomes: list[tuple[Leg, Outcome]] = []
    declined: Declined | None = None
    for index, leg in enumerate(plan.legs):
        snapshot = await observe(account.node, job, world.adapters)
        declined = still_holds(plan, index, snapshot, world.settings.policy)
        if declined is not None:
            break
        work = _work(world, snapshot, plan, index, most=_idle(snapshot))
        world.say(f"leg {index + 1} of {len(plan.legs)}: {work.calls[-1].words}")
        result = await execute_leg(account, approval, work)
        outcomes += [(leg, outcome) for outcome in result.outcomes]
        declined = result.declined
        if declined is not None or any(not isinstance(outcome, Confirmed) for outcome in result.outcomes):
            break
    after = await observe(account.node, job, world.adapters)
    forecast.record(world.journal, after, world.settings.policy, job.asset)
    return replace(report, outcomes=tuple(outcomes), declined=declined, after=after)


def _most_gas_wei(plan: Plan, snapshot: Snapshot, policy: Policy) -> int:
    """What a transaction may cost at most: the policy's share of what the whole plan gains within the horizon."""
    gain = plan.gain_per_year * policy.horizon_days * 86_400 / SECONDS_PER_YEAR
    return int(gain * policy.max_gas_share_of_gain / snapshot.fees.native_price * 10**18)


def still_holds(plan: Plan, index: int, snapshot: Snapshot, policy: Policy) -> Declined | None:
    """Whether the plan's legs from ``index`` on still make sense in a newer snapshot; the reason when they do not.

    Pure. The markets must still take and give the amounts, and the income that the plan was approved for must not have
    fallen below ``policy.min_gain_share`` of what was shown.
    """
    for leg in plan.legs[index:]:
        state = snapshot.states.get(leg.market_id)
        if state is None:
            return Declined("MARKET_UNREADABLE", f"{leg.market_id} can no longer be read")
        if leg.kind is LegKind.DEPOSIT:
            if state.status is not Status.ACTIVE:
                return Declined("MARKET_CLOSED", f"{state.market.name} is {state.status} now")
            if state.capacity is not None and state.capacity < leg.amount:
                return Declined("CAP_REACHED", f"{state.market.name} takes only {state.capacity} now")
        elif state.withdrawable < leg.amount and not leg.all:
            return Declined("LIQUIDITY_GONE", f"{state.market.name} pays out only {state.withdrawable} now")
    least = plan.gain_per_year * policy.min_gain_share if index == 0 else 0.0
    gain = _gain_per_year(plan.legs[index:], snapshot, policy)
    if gain < least:
        return Declined("GAIN_GONE", f"what is left would earn {gain:,.2f} a year more; {least:,.2f} is the least")
    return None


def _gain_per_year(legs: Sequence[Leg], snapshot: Snapshot, policy: Policy) -> float:
    """Income a year with the legs done, less that of what we hold now, in the snapshot's markets."""
    horizon_seconds = policy.horizon_days * 86_400
    gain = 0.0
    changes: dict[str, float] = {}
    for leg in legs:
        sign = 1 if leg.kind is LegKind.DEPOSIT else -1
        changes[leg.market_id] = changes.get(leg.market_id, 0.0) + sign * float(leg.amount)
    for state in snapshot.states.values():
        held = float(state.held)
        target = max(0.0, held + changes.get(state.market.id, 0.0))
        gain += target * state.curve.apr(target, horizon_seconds) - held * state.curve.apr(held, horizon_seconds)
    return gain


def _work(world: World, snapshot: Snapshot, plan: Plan, index: int, most: Amount | None = None) -> LegWork:
    """A leg with its calls, from the newest state. A deposit takes no more than ``most``, what the wallet holds now:
    protocols round withdrawals down, so that a unit or two can be missing."""
    leg = plan.legs[index]
    if leg.kind is LegKind.DEPOSIT and most is not None and most < leg.amount:
        leg = replace(leg, amount=most)
    state = snapshot.of(leg.market_id)
    adapter = world.adapters[state.market.protocol]
    calls = (
        adapter.withdraw(state, None if leg.all else leg.amount, plan.owner)
        if leg.kind is LegKind.WITHDRAW
        else adapter.deposit(state, leg.amount, plan.owner)
    )
    return LegWork(
        index=index,
        leg=leg,
        market=state.market,
        calls=calls,
        share_token=state.share_token,
        targets=adapter.targets(state.market),
        spenders=adapter.spenders(state.market),
        observe=lambda block: adapter.observe(state.market, plan.owner, block),
    )


def _idle(snapshot: Snapshot) -> Amount:
    """What lies in the wallet."""
    return next(state.held for state in snapshot.states.values() if state.market.kind is Kind.IDLE)


def account_of(world: World, job: Job, node: EvmNode) -> Account:
    """What execution needs for this job; the fork is made of the very node that we observe."""

    def explain(data: bytes) -> str | None:
        return next((words for a in world.adapters.values() if (words := a.explain_revert(data))), None)

    return Account(
        node=node,
        settings=job.chain,
        owner=job.wallet.address,
        journal=world.journal,
        signer=world.signer_of(job.wallet),
        pays_gas=not isinstance(job.wallet.held, SafeOwner),
        fork=forks(node, find_anvil(world.settings.anvil)),
        abi=_abis(),
        explain=explain,
        tolerance_bps=world.settings.policy.delta_tolerance_bps,
        now=world.now,
        halted=partial(halted, world.settings.data_dir),
        limits=lambda legs: beyond(world.settings.policy, world.journal.history(), job.chain.chain, legs, world.now()),
    )


@cache
def _abis() -> Mapping[bytes, tuple[AbiFunction, ...]]:
    return abi_functions(folder("abis"))


def _job_of(settings: Settings, plan: Plan) -> Job:
    for job in settings.jobs:
        if job.wallet.address == plan.owner and job.chain.chain == plan.block.chain:
            return job
    raise ConfigError(
        f"{settings.source}: no job for wallet {plan.owner} on {plan.block.chain}; the plan cannot be run"
    )
