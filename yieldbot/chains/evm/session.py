"""An open connection to a job's EVM chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field, replace
from functools import cache, partial
from typing import Any

from yieldbot.allocator.assess import by_request
from yieldbot.allocator.claims import claim_of
from yieldbot.allocator.share_terms import limited
from yieldbot.chains import exits
from yieldbot.chains.evm import exits as evm_exits
from yieldbot.chains.evm.cash import unseen, with_cash
from yieldbot.chains.evm.controls import look
from yieldbot.chains.evm.execution.abi_calls import AbiFunction, abi_functions
from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.confirm import finality_seconds
from yieldbot.chains.evm.execution.holder import Holder, paid_out
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.execution.settle import read_outcomes, settle
from yieldbot.chains.evm.exposure import ExposureLook
from yieldbot.chains.evm.leg_cost import dearer
from yieldbot.chains.evm.liquidity.execute import execute_provided
from yieldbot.chains.evm.liquidity.work import provide_work
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.node.quorum import Quorum
from yieldbot.chains.evm.observe import observe
from yieldbot.chains.evm.signing.safe import HashSigner, propose
from yieldbot.chains.evm.swap_work import swap_work
from yieldbot.chains.leg_limits import beyond_limits, idle, leg_now, most_gas, shares_for
from yieldbot.chains.looks import looked_at
from yieldbot.chains.ports import Session, Watch
from yieldbot.errors import ConfigError, TransientError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.halt import halted
from yieldbot.execution.planned import leg_line
from yieldbot.execution.results import LegResult, Proposed
from yieldbot.execution.wayout import ExitRehearsal
from yieldbot.execution.world import Wiring, records_of
from yieldbot.journal.fold import Record, fold_requests
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.controls import Dependency, Look
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.names import named
from yieldbot.model.plan import Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.requests import with_requests
from yieldbot.model.settings import Job, SafeOwner
from yieldbot.model.tx import EvmCall, Outcome
from yieldbot.protocols import adapters, exchanges
from yieldbot.protocols.evm.base import TwoStepExits, YieldAdapter
from yieldbot.resources import folder


@dataclass(slots=True)
class JobWatch:
    """See ``chains/ports.Watch``."""

    job: Job
    """The job."""
    node: Quorum
    """The chain's endpoints."""
    adapters: Mapping[str, YieldAdapter]
    """Adapters by protocol name."""
    full: set[MarketId] = field(default_factory=set, kw_only=True)
    """Markets that were read in full, and are from then on."""

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        return self.node.left_out

    @property
    def round_trips(self) -> int:
        return self.node.round_trips

    async def verify_chain(self) -> None:
        await self.node.verify_chain()

    async def observe(self, records: Sequence[Record] = (), full: Collection[MarketId] = ()) -> Snapshot:
        requests = fold_requests(records, self.job.chain.chain, self.job.wallet.address)
        snapshot = await observe(self.node, self.job, self.adapters, requests=requests, full=self.full.union(full))
        if snapshot.glanced:
            self.full.update(snapshot.states)
        return snapshot

    async def look(
        self,
        snapshot: Snapshot,
        known: Mapping[str, Any],
        since: int | None,
        lost: Mapping[MarketId, Sequence[Dependency]],
        follow: Collection[str] = (),
    ) -> Look:
        beside = ExposureLook(self.job.chain, snapshot, known, tuple(follow))
        chain, markets = self.job.chain, looked_at(snapshot)
        backing = {key: one.backing for key, one in snapshot.states.items() if one.backing is not None}
        found = await look(self.node, chain, markets, snapshot.block, known, since, lost, beside.flows, backing)
        return beside.added(found)

    async def with_exits(self, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
        if isinstance(self.job.wallet.held, SafeOwner):
            policy = replace(policy, try_first=())  # a batch is one transaction: all of it happens, or nothing
        prints = partial(evm_exits.fingerprints, self.node, block=snapshot.block)
        return await exits.with_exits(prints, snapshot, records, policy)


@dataclass(slots=True)
class JobSession(JobWatch):
    """See ``chains/ports.Session``."""

    world: Wiring
    """The run's wiring."""
    account: Account
    """What execution needs of the wallet."""
    rehearsal: Rehearsal | None = None
    """The result of rehearsing the present plan; None: it was not rehearsed, or failed."""
    known: frozenset[int] = frozenset()
    """Indexes of the plan's legs whose market's exit is already proven and is not rehearsed again."""

    async def with_exits(self, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
        """As ``Watch.with_exits``; also sets the cash of opaque markets to what a simulated holder of our size is paid
        on a fork."""
        known = await JobWatch.with_exits(self, snapshot, records, policy)
        sizes = unseen(known, policy)
        holders = [self._holder(known.of(market_id), size) for market_id, size in sizes.items()]
        try:
            return with_cash(known, await paid_out(self.account, holders, known.block))
        except TransientError:  # without a fork it stays unknown, and no new money goes in
            return known

    def _holder(self, state: MarketState, size: Amount) -> Holder:
        adapter, owner = self.adapters[state.market.protocol], self.account.owner
        return Holder(
            state=state,
            size=size,
            observe=lambda block: adapter.observe(state.market, owner, block),
            withdraw=lambda now: adapter.withdraw(now, None, owner),
        )

    async def settle(self) -> tuple[Outcome, ...]:
        return tuple(await settle(self.account))

    async def read_outcomes(self) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
        return await read_outcomes(self.account)

    async def rehearse(self, plan: Plan, snapshot: Snapshot, skip: Collection[int] = ()) -> Rehearsal | Declined:
        self.known = await self._proven(plan.legs, snapshot)
        works = self.works(plan, snapshot, skip)
        found = await rehearse(self.account, works, snapshot.block)
        if not isinstance(found, Declined):
            policy = self.world.settings.policy
            refused = await self._too_late(plan, works, found) or dearer(plan, snapshot, found, policy)
            found = refused or found
        self.rehearsal = None if isinstance(found, Declined) else found
        return found

    async def _too_late(self, plan: Plan, works: Sequence[LegWork], found: Rehearsal) -> Declined | None:
        """Why the plan would expire in the middle of a liquidity leg, with money swapped but not put in; None if it
        would not. Each of its transactions waits until the one before it is final."""
        last = max((work.index for work in works if work.provides is not None), default=None)
        if last is None:
            return None
        count = sum(len(leg.txs) for leg in found.legs if leg.index <= last)
        needs_seconds = count * await finality_seconds(self.account)
        left_seconds = plan.expires_at - self.world.now()
        if needs_seconds <= left_seconds:
            return None
        reason = f"{count} transactions take about {needs_seconds / 60:z.0f} minutes to be final, one after the other"
        ends = f"the plan ends in {left_seconds / 60:z.0f}: raise policy.plan_ttl_seconds"
        return Declined("EXPIRED", f"leg {last + 1}: {reason}; {ends}")

    def spend_at_most(self, plan: Plan, snapshot: Snapshot) -> None:
        most = most_gas(plan, snapshot, self.world.settings.policy, 18)
        self.account = replace(self.account, max_cost_wei=most)

    async def execute(self, approval: Approval, index: int, snapshot: Snapshot) -> LegResult:
        leg = approval.plan.legs[index]
        self.known = frozenset(index for _ in await self._proven((leg,), snapshot))
        work = self._work(approval.plan, snapshot, index, idle(snapshot, leg.amount.token))
        self.world.say(leg_line(approval.plan, index, self.job.wallet.name, self.job.chain.name, work.description))
        if work.provides is not None:
            return await execute_provided(self.account, approval, work)
        result = await execute_leg(self.account, approval, work)
        if result.done and work.out is not None and leg.kind is LegKind.DEPOSIT:
            state = snapshot.of(leg.market_id)
            await self._write_proof(state, state.held + work.leg.amount)
        if result.done and leg.kind is LegKind.WITHDRAW:
            state = snapshot.of(leg.market_id)
            if named(state.market, self.world.settings.policy.try_first):
                await self._write_proof(state, work.leg.amount, on_chain=True)
        return result

    async def _proven(self, legs: Sequence[Leg], snapshot: Snapshot) -> frozenset[int]:
        prints = partial(evm_exits.fingerprints, self.node, block=snapshot.block)
        return await exits.proven_legs(prints, records_of(self.world, self.job), legs, snapshot)

    async def _write_proof(self, state: MarketState, up_to: Amount, *, on_chain: bool = False) -> None:
        """Journal that money came out of the market, under its fingerprint; does nothing if the fingerprint cannot be
        read."""
        current = (await evm_exits.fingerprints(self.node, [state], state.block)).get(state.market.id)
        if current is not None:
            proof = exits.proven(state, self.account.owner, current, up_to, on_chain=on_chain)
            self.world.journal.append(proof)

    async def refused(self, market_id: MarketId, reason: str, snapshot: Snapshot, *, on_chain: bool = False) -> None:
        state = snapshot.of(market_id)
        current = (await evm_exits.fingerprints(self.node, [state], state.block)).get(market_id)
        if current is not None:
            self.world.journal.append(exits.refused(state, self.account.owner, current, reason, on_chain=on_chain))

    async def hand_over(self, approval: Approval, snapshot: Snapshot) -> Proposed | Declined:
        """Sign the plan as one of the Safe's owners. Raises ConfigError for a wallet whose signer cannot sign for a
        Safe."""
        wallet = self.job.wallet
        signer = self.world.signer_of(wallet)
        if not isinstance(signer, HashSigner):
            raise ConfigError(
                f"wallet {wallet.name}: its owner's key cannot sign for a Safe: name one of kind keystore or kms"
            )
        assert self.rehearsal is not None  # an approval is of what was rehearsed
        ran = {leg.index for leg in self.rehearsal.legs}
        works = self.works(approval.plan, snapshot, set(range(len(approval.plan.legs))) - ran)
        return await propose(self.account, signer, approval, works, self.rehearsal)

    def block_text(self, block: BlockRef) -> str:
        return f"block {block.height:,}"

    def works(self, plan: Plan, snapshot: Snapshot, skip: Collection[int] = ()) -> list[LegWork]:
        """Every leg with its calls, from the newest state, but for those in ``skip``."""
        return [self._work(plan, snapshot, index) for index in range(len(plan.legs)) if index not in skip]

    def _work(self, plan: Plan, snapshot: Snapshot, index: int, most: Amount | None = None) -> LegWork:
        """A leg with its calls, from the newest state. most: the wallet's balance of what goes in; None: not
        limited."""
        leg = leg_now(plan, index, most, snapshot.states.get(plan.legs[index].market_id))
        bounds = self.job.bounds(leg.amount.token) if leg.kind is LegKind.SWAP else None
        if bounds is not None:
            return swap_work(plan, index, leg, snapshot, bounds, self.world.now())
        if leg.kind is LegKind.CLAIM:
            return self._claim(leg, index, snapshot, plan.owner)
        state = snapshot.of(leg.market_id)
        if state.liquidity_market is not None and self.job.base is not None:
            return provide_work(plan, index, leg, snapshot, self.job.base, self.world.now())
        adapter = self.adapters[state.market.protocol]
        calls = _calls(adapter, limited(state, leg), leg, plan.owner)
        cost_bps = _entry_cost_bps(state, leg)
        requests: list[int] = []
        return LegWork(
            index=index,
            leg=leg,
            market=state.market,
            calls=calls,
            share_token=None if leg.kind is LegKind.DEPOSIT and state.enters_by_request else state.share_token,
            targets=adapter.targets(state.market),
            spenders=adapter.spenders(state.market),
            observe=lambda block: adapter.observe(with_requests(state.market, requests), plan.owner, block),
            requests=requests,
            most_shares=shares_for(state, leg),
            out=None
            if index in self.known
            else ExitRehearsal(
                state=state,
                withdraw=lambda now, amount: adapter.withdraw(now, amount, plan.owner),
                served=by_request(state, self.world.settings.policy),
                fees_bps=cost_bps,
            ),
            entry_cost_bps=cost_bps,
            again=lambda now, idle: self._work(plan, _with(snapshot, now), index, idle),
        )

    def _claim(self, leg: Leg, index: int, snapshot: Snapshot, owner: Address) -> LegWork:
        """A claim with its calls, which allow nothing to leave the wallet."""
        found = claim_of(snapshot, leg.market_id)
        assert found is not None  # ``still_holds`` has checked it
        state, reward = found
        adapter = self.adapters[state.market.protocol]
        return LegWork(
            index=index,
            leg=leg,
            market=replace(state.market, id=leg.market_id, asset=leg.amount.token),
            calls=tuple(replace(call, least=leg.gets) for call in adapter.claim(state, reward, owner)),
            share_token=None,
            targets=adapter.claim_targets(state.market, reward),
            spenders=(),
            known=frozenset({reward.token.address}),
        )


def _calls(adapter: YieldAdapter, state: MarketState, leg: Leg, owner: Address) -> tuple[EvmCall, ...]:
    """The adapter's calls for a leg."""
    if leg.kind is LegKind.DEPOSIT:
        return adapter.deposit(state, leg.amount, owner)
    amount = None if leg.all else leg.amount
    if leg.kind is LegKind.WITHDRAW:
        return adapter.withdraw(state, amount, owner)
    assert isinstance(adapter, TwoStepExits)  # only such markets get legs of a two-step exit
    if leg.kind is LegKind.REQUEST:
        return adapter.request_exit(state, amount, owner)
    return adapter.collect_exit(state, owner) if leg.kind is LegKind.COLLECT else adapter.cancel_exit(state, owner)


def _entry_cost_bps(state: MarketState, leg: Leg) -> float:
    """What a deposit is worth less afterwards than what went in, in bp of it."""
    if state.prices is None or leg.kind is not LegKind.DEPOSIT:
        return state.entry_cost_bps
    return state.prices.cost_bps(leg.amount.raw)


def _with(snapshot: Snapshot, state: MarketState) -> Snapshot:
    return replace(snapshot, states=dict(snapshot.states) | {state.market.id: state})


@asynccontextmanager
async def open_session(world: Wiring, job: Job) -> AsyncIterator[Session]:
    """Opens the job's chain for reading and for sending transactions."""
    async with connect(job.chain) as node:
        yield JobSession(job, node, adapters(), world, account_of(world, job, node))


@asynccontextmanager
async def open_watch(job: Job) -> AsyncIterator[Watch]:
    """Opens the job's chain for reading only."""
    async with connect(job.chain) as node:
        yield JobWatch(job, node, adapters())


def account_of(world: Wiring, job: Job, node: Node) -> Account:
    """What execution needs for this job; forks start from the same node that is observed."""

    def explain(data: bytes) -> str | None:
        explainers = [a.explain_revert for a in adapters().values()] + [e.explain_revert for e in exchanges().values()]
        return next((words for one in explainers if (words := one(data))), None)

    return Account(
        node=node,
        settings=job.chain,
        owner=job.wallet.address,
        journal=world.journal,
        signer=world.signer_of(job.wallet),
        pays_gas=not isinstance(job.wallet.held, SafeOwner),
        fork=forks(node, find_anvil(world.settings.anvil), world.say),
        abi=_abis(),
        explain=explain,
        tolerance_bps=world.settings.policy.delta_tolerance_bps,
        now=world.now,
        halted=partial(halted, world.settings.data_dir),
        limits=partial(beyond_limits, world, job),
    )


@cache
def _abis() -> Mapping[bytes, tuple[AbiFunction, ...]]:
    return abi_functions(folder("abis"))
