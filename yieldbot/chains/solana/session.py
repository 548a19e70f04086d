"""An open connection to a job's Solana cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from yieldbot.chains import exits
from yieldbot.chains.leg_limits import beyond_limits, idle, leg_now, most_gas, shares_for
from yieldbot.chains.looks import looked_at
from yieldbot.chains.ports import Session, Watch
from yieldbot.chains.solana.controls import look
from yieldbot.chains.solana.execution.account import Account, LegWork
from yieldbot.chains.solana.execution.leg import execute_leg
from yieldbot.chains.solana.execution.rehearsal import Rehearsal
from yieldbot.chains.solana.execution.rehearse import rehearse
from yieldbot.chains.solana.execution.settle import read_outcomes, settle
from yieldbot.chains.solana.exits import fingerprints
from yieldbot.chains.solana.exposure import with_exposure, with_flows
from yieldbot.chains.solana.issuers import with_issuers
from yieldbot.chains.solana.node.connect import connect
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.chains.solana.observe import observe
from yieldbot.chains.solana.reward_ends import with_reward_ends
from yieldbot.chains.solana.swap_work import swap_work
from yieldbot.errors import ConfigError
from yieldbot.execution.approvals import Approval
from yieldbot.execution.halt import halted
from yieldbot.execution.planned import leg_line
from yieldbot.execution.results import LegResult, Proposed
from yieldbot.execution.wayout import ExitRehearsal
from yieldbot.execution.world import Wiring, records_of
from yieldbot.journal.fold import Record
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.controls import Dependency, Look
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import TOKEN_PROGRAM
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job, SvmLimits
from yieldbot.model.tx import Outcome
from yieldbot.protocols import svm_adapters, svm_exchanges
from yieldbot.protocols.solana.base import SvmAdapter, SvmSwapAdapter


@dataclass(slots=True)
class JobWatch:
    """See ``chains/ports.Watch``."""

    job: Job
    """The job."""
    nodes: Quorum
    """The cluster's nodes."""
    adapters: Mapping[str, SvmAdapter]
    """Adapters by protocol name."""

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        return self.nodes.left_out

    @property
    def round_trips(self) -> int:
        return sum(node.endpoint.round_trips for node in self.nodes.nodes)

    async def verify_chain(self) -> None:
        await self.nodes.verify_chain()

    async def observe(self, records: Sequence[Record] = (), full: Collection[MarketId] = ()) -> Snapshot:
        return await observe(self.nodes, self.job, self.adapters)

    async def look(
        self,
        snapshot: Snapshot,
        known: Mapping[str, Any],
        since: int | None,
        lost: Mapping[MarketId, Sequence[Dependency]],
        follow: Collection[str] = (),
    ) -> Look:
        limits = self.job.chain.svm or SvmLimits()
        node = self.nodes.first
        taken = await look(node, limits, looked_at(snapshot), snapshot.block, known)
        taken = await with_exposure(node, self.job.chain, snapshot, known, taken)
        taken = await with_issuers(node, self.job.chain, snapshot, taken)
        taken = await with_reward_ends(node, snapshot, taken)
        return await with_flows(node, snapshot, known, follow, taken)

    async def with_exits(self, snapshot: Snapshot, records: Sequence[Record], policy: Policy) -> Snapshot:
        return await exits.with_exits(self.prints, snapshot, records, replace(policy, try_first=()))

    async def prints(self, states: Sequence[MarketState]) -> Mapping[MarketId, str]:
        """The present fingerprints of markets."""
        return await fingerprints(self.nodes.first, states)


@dataclass(slots=True)
class JobSession(JobWatch):
    """See ``chains/ports.Session``."""

    world: Wiring
    """The run's wiring."""
    account: Account
    """What execution needs of the wallet."""
    known: frozenset[int] = frozenset()
    """Indexes of the plan's legs whose market's exit is already proven and is not rehearsed again."""

    async def settle(self) -> tuple[Outcome, ...]:
        return await settle(self.account)

    async def read_outcomes(self) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
        return await read_outcomes(self.account)

    async def rehearse(self, plan: Plan, snapshot: Snapshot, skip: Collection[int] = ()) -> Rehearsal | Declined:
        self.known = await self._proven(plan.legs, snapshot)
        works = [self._work(plan, snapshot, index) for index in range(len(plan.legs)) if index not in skip]
        return await rehearse(self.account, works, snapshot.block)

    def spend_at_most(self, plan: Plan, snapshot: Snapshot) -> None:
        most = most_gas(plan, snapshot, self.world.settings.policy, 9)
        self.account = replace(self.account, max_cost_lamports=most)

    async def execute(self, approval: Approval, index: int, snapshot: Snapshot) -> LegResult:
        leg = approval.plan.legs[index]
        self.known = frozenset(index for _ in await self._proven((leg,), snapshot))
        work = self._work(approval.plan, snapshot, index, most=idle(snapshot, leg.amount.token))
        self.world.say(leg_line(approval.plan, index, self.job.wallet.name, self.job.chain.name, work.description))
        result = await execute_leg(self.account, approval, work)
        if result.done and work.out is not None and leg.kind is LegKind.DEPOSIT:
            state = snapshot.of(leg.market_id)
            if (current := (await self.prints([state])).get(leg.market_id)) is not None:
                up_to = state.held + work.leg.amount
                self.world.journal.append(exits.proven(state, self.account.owner, current, up_to))
        return result

    async def _proven(self, legs: Sequence[Leg], snapshot: Snapshot) -> frozenset[int]:
        return await exits.proven_legs(self.prints, records_of(self.world, self.job), legs, snapshot)

    async def refused(self, market_id: MarketId, reason: str, snapshot: Snapshot, *, on_chain: bool = False) -> None:
        state = snapshot.of(market_id)
        if (current := (await self.prints([state])).get(market_id)) is not None:
            self.world.journal.append(exits.refused(state, self.account.owner, current, reason, on_chain=on_chain))

    async def hand_over(self, approval: Approval, snapshot: Snapshot) -> Proposed | Declined:
        raise ConfigError(f"wallet {self.job.wallet.name}: a Safe is a contract of EVM chains")

    def block_text(self, block: BlockRef) -> str:
        return f"slot {block.height:,}"

    def _work(self, plan: Plan, snapshot: Snapshot, index: int, most: Amount | None = None) -> LegWork:
        """A leg with its instructions, from the newest state. most: the wallet's balance of what goes in; None: not
        limited."""
        leg = leg_now(plan, index, most, snapshot.states.get(plan.legs[index].market_id))
        bounds = self.job.bounds(leg.amount.token) if leg.kind is LegKind.SWAP else None
        if bounds is not None:
            return swap_work(plan, index, leg, snapshot, bounds, self.world.now())
        state = snapshot.of(leg.market_id)
        market = state.market
        adapter = self.adapters[market.protocol]
        calls = (
            adapter.withdraw(state, None if leg.all else leg.amount, plan.owner)
            if leg.kind is LegKind.WITHDRAW
            else adapter.deposit(state, leg.amount, plan.owner)
        )
        return LegWork(
            index=index,
            leg=leg,
            market=market,
            calls=calls,
            share_token=state.share_token,
            tags=adapter.tags(market),
            token_program=Address(market.params.get("token_program", TOKEN_PROGRAM)),
            share_program=Address(market.params.get("share_program", TOKEN_PROGRAM)),
            native=bool(market.params.get("native", False)),
            entry_cost_bps=state.entry_cost_bps,
            observe=lambda block: adapter.observe(market, plan.owner, block),
            most_shares=shares_for(state, leg),
            out=None
            if index in self.known
            else ExitRehearsal(
                state=state,
                withdraw=lambda now, amount: adapter.withdraw(now, amount, plan.owner),
                fees_bps=state.entry_cost_bps,
            ),
        )


@asynccontextmanager
async def open_session(world: Wiring, job: Job) -> AsyncIterator[Session]:
    """Opens the job's cluster for reading and for sending transactions."""
    async with connect(job.chain) as nodes:
        yield JobSession(job, nodes, svm_adapters(), world, account_of(world, job, nodes))


@asynccontextmanager
async def open_watch(job: Job) -> AsyncIterator[Watch]:
    """Opens the job's cluster for reading only."""
    async with connect(job.chain) as nodes:
        yield JobWatch(job, nodes, svm_adapters())


def account_of(world: Wiring, job: Job, nodes: Quorum) -> Account:
    """What execution needs for this job."""

    of_program: dict[Address, SvmAdapter | SvmSwapAdapter] = {
        d.params["program"]: svm_adapters()[d.protocol] for d in job.chain.deployments if "program" in d.params
    }
    of_program |= {Address(d.params["program"]): svm_exchanges()[d.protocol] for d in job.chain.exchanges}

    def explain(program: Address, code: int) -> str | None:
        adapter = of_program.get(program)
        return adapter.explain_error(program, code) if adapter else None

    return Account(
        nodes=nodes,
        settings=job.chain,
        owner=job.wallet.address,
        journal=world.journal,
        signer=world.signer_of(job.wallet),
        explain=explain,
        tolerance_bps=world.settings.policy.delta_tolerance_bps,
        now=world.now,
        halted=partial(halted, world.settings.data_dir),
        limits=partial(beyond_limits, world, job),
    )
