"""Markets that answer an error code where others revert (Compound v2's form): what failed is mined and moves nothing. A
rehearsal refuses it, nothing is signed, and where it fails on chain alone the leg is not done."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.kit.evm.stage import Stage
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.config.load import load
from yieldbot.execution.approvals import Approval
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Allocation, Certificate, Leg, LegKind, Plan
from yieldbot.protocols.evm.abi import checksum
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox, sandboxed

pytestmark = pytest.mark.sandbox
RAW = 20_000 * 10**6


class Codes(Stage):
    """The wallet's account on a sandbox that has the doubles, and who may upset them."""

    sandbox: Sandbox

    async def state(self) -> MarketState:
        snapshot = await self.snapshot()
        return next(s for s in snapshot.states.values() if s.market.name == "Moonwell (double)")

    async def deployer(self) -> Deployer:
        return Deployer(self.node, [checksum(a) for a in await self.node.request("eth_accounts", [])])

    async def unlist(self, gone: bool) -> None:
        """The comptroller then answers MARKET_NOT_LISTED to minting and redeeming."""
        d = await self.deployer()
        comptroller = Contract(self.sandbox.addresses["moonwell_comptroller"], own()["ComptrollerDouble"].abi)
        await d.send(comptroller, "unlist", self.sandbox.addresses["moonwell_usdc"], gone)

    async def carried_out(self, leg: Leg) -> bool:
        """Whether a leg is done, once rehearsed, signed and sent."""
        snapshot = await self.snapshot()
        allocation = Allocation({}, 0.0, 0.0, Certificate(0.0, 0.0, 0.0), 0.0, ())
        owner, until = self.job.wallet.address, int(time.time()) + 600
        plan = Plan(f"plan-{time.time_ns()}", snapshot.block, owner, (), (leg,), allocation, 1.0, 0.0, 1, until)
        work = self.work(snapshot.of(leg.market_id), leg, 0)
        return (await execute_leg(self.account, Approval(plan, "test", plan.expires_at), work)).done

    async def refusal(self, leg: Leg) -> str:
        """Why a rehearsal refuses a leg; empty where it does not."""
        snapshot = await self.snapshot()
        found = await rehearse(self.account, [self.work(snapshot.of(leg.market_id), leg, 0)], snapshot.block)
        return "" if isinstance(found, Rehearsal) else str(found)


@pytest_asyncio.fixture
async def codes(tmp_path: Path) -> AsyncIterator[Codes]:
    async with sandboxed(tmp_path, protocols=("compound_v2",)) as sandbox:
        (job,) = load(sandbox.config).jobs
        with Journal.open(tmp_path / "journal.sqlite") as journal:
            async with sandbox.node() as node:
                stage = Codes(job, node, journal)
                stage.sandbox = sandbox
                yield stage


async def test_an_error_code_is_a_failure(codes: Codes) -> None:
    state = await codes.state()
    deposit = Leg(LegKind.DEPOSIT, state.market.id, Amount(state.market.asset, RAW))
    await codes.unlist(True)
    (call,) = codes.work(state, deposit, 0).calls
    answer = await codes.node.call(call.to, call.data, sender=codes.job.wallet.address)
    assert int.from_bytes(answer, "big") == 3, "COMPTROLLER_REJECTION, and no revert"
    assert "DELTA_NOT_PLANNED" in await codes.refusal(deposit)
    assert not await codes.carried_out(deposit)
    assert codes.account.journal.transactions() == ()
    await codes.unlist(False)
    assert await codes.carried_out(deposit)
    held = await codes.state()
    assert held.held.raw >= RAW - 2
    back = Leg(LegKind.WITHDRAW, held.market.id, held.held, all=True)
    part = replace(back, amount=Amount(held.market.asset, RAW // 2), all=False)
    sent = len(codes.account.journal.transactions())
    await codes.unlist(True)
    for leg in (back, part):
        assert "DELTA_NOT_PLANNED" in await codes.refusal(leg)
        assert not await codes.carried_out(leg)
    assert len(codes.account.journal.transactions()) == sent, "nothing was signed"
    await codes.unlist(False)
    d = await codes.deployer()
    drained = Contract(codes.sandbox.addresses["moonwell_usdc"], own()["SecondsCTokenDouble"].abi)
    await d.send(drained, "borrow", (await codes.state()).liquidity.raw - 10**6, sender=d.accounts[1])
    thin = await codes.state()
    assert thin.liquidity.raw <= 10**6 and thin.withdrawable == thin.liquidity
    assert "DELTA_NOT_PLANNED" in await codes.refusal(back), "TOKEN_INSUFFICIENT_CASH, and no revert"
