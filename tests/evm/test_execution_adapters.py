"""Every active market of the sandbox: what its adapter builds is rehearsed, judged, signed, sent and confirmed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.kit.evm.stage import Stage
from yieldbot.allocator.share_terms import with_terms
from yieldbot.chains.evm.execution.balances import fetch_allowance
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.config.load import load
from yieldbot.execution.approvals import Approval
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.market import ExitKind, Kind, MarketState, Status
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.node import sandboxed
from yieldbot.sandbox.evm.protocols import found

pytestmark = pytest.mark.sandbox
RAW = 20_000 * 10**6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("sandbox")
    async with sandboxed(folder, protocols=found()) as sandbox:
        (job,) = load(sandbox.config).jobs
        with Journal.open(folder / "journal.sqlite") as journal:
            async with sandbox.node() as node:
                yield Stage(job, node, journal)


@pytest.mark.asyncio(loop_scope="module")
async def test_deposit_part_of_it_back_then_all_in_every_market(stage: Stage) -> None:
    first = await stage.snapshot()
    room = [
        state
        for state in first.states.values()
        if state.status is Status.ACTIVE
        and state.market.kind is not Kind.IDLE
        and (state.capacity is None or state.capacity.raw >= RAW)
        and state.liquidity.raw >= RAW
        and not state.enters_by_request  # in a few steps, with the policy's word: test_deposit_requests.py
    ]
    protocols = {state.market.protocol for state in room}
    assert protocols >= {"aave_v3", "compound_v3", "morpho_blue", "erc4626"}
    for state in room:
        await _there_and_back(stage, state)


async def _there_and_back(stage: Stage, state: MarketState) -> None:
    market, owner = state.market, stage.job.wallet.address
    amount = Amount(market.asset, RAW)
    legs: tuple[Leg, ...] = (
        Leg(LegKind.DEPOSIT, market.id, amount),
        Leg(LegKind.WITHDRAW, market.id, Amount(market.asset, RAW // 3)),
        Leg(LegKind.WITHDRAW, market.id, Amount(market.asset, RAW - RAW // 3 - 10), all=True),
    )
    if state.exit.kind is ExitKind.REQUEST:  # asked for; when it is paid is not ours to say
        legs = (legs[0], Leg(LegKind.REQUEST, market.id, Amount(market.asset, RAW - 10), all=True))
    block = (await stage.snapshot()).block
    allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
    plan = Plan(f"plan-{market.id}", block, owner, (), legs, allocation, 1.0, 0.0, 1, int(time.time()) + 600)
    for index, leg in enumerate(legs):
        # five days pass with no block between: the fork must accrue them as the chain will, or the account is stopped
        await stage.node.request("evm_increaseTime", [hex(5 * 86_400)])
        snapshot = await stage.snapshot()
        fresh = snapshot.of(market.id)
        if fresh.prices is not None:  # sold at what it brings after five days
            amount = fresh.held if leg.all else leg.amount
            leg = with_terms(fresh, replace(leg, amount=amount))
            plan = replace(plan, legs=(*legs[:index], leg, *legs[index + 1 :]))
        work = stage.work(fresh, leg, index)
        rehearsal = await rehearse(stage.account, [work], snapshot.block)
        assert isinstance(rehearsal, Rehearsal), (market.id, rehearsal)
        result = await execute_leg(stage.account, Approval(plan, "test", plan.expires_at), work)
        assert result.done, (market.id, leg.kind, result)
        assert rehearsal.lines == tuple(
            tx.signed.words for tx in stage.account.journal.transactions()[-len(result.outcomes) :]
        )
    after = (await stage.snapshot()).of(market.id)
    if state.exit.kind is ExitKind.REQUEST:
        assert after.leaving is not None and after.held == after.leaving.requested and not after.shares
    else:
        assert after.held.raw <= 1, (market.id, after.held)
    for spender in adapters()[market.protocol].spenders(market):
        assert await fetch_allowance(stage.node, market.asset.address, owner, spender) == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_plan_of_two_legs_rehearses_on_one_fork(stage: Stage) -> None:
    snapshot = await stage.snapshot()
    aave, vault = (
        next(s for s in snapshot.states.values() if s.market.protocol == name and s.status is Status.ACTIVE)
        for name in ("aave_v3", "erc4626")
    )
    amount = Amount(stage.job.asset, RAW)
    works = [
        stage.work(state, Leg(LegKind.DEPOSIT, state.market.id, amount), index)
        for index, state in enumerate((aave, vault))
    ]
    seen = await rehearse(stage.account, works, snapshot.block)
    assert isinstance(seen, Rehearsal), seen
    assert next(delta.raw for delta in seen.deltas if delta.token == stage.job.asset) == -2 * RAW
    assert (await stage.node.block()) == snapshot.block
