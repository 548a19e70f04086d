"""Execution against a real node: rehearsal, one leg, refusals, settlement. Contracts: OpenZeppelin's ERC-20 and ERC-4626."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))

from small_market import FUNDS_RAW, SmallMarket, build

from yieldbot.errors import InvariantError, PendingError, TransientError
from yieldbot.execution.account import Account
from yieldbot.execution.deltas import allowance, balances, change_of
from yieldbot.execution.leg import execute_leg
from yieldbot.execution.settle import settle
from yieldbot.execution.simulate import Rehearsal, rehearse
from yieldbot.journal.events import PlanStatus, PlanWritten
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Confirmed, Delta, Expired, Replaced
from yieldbot.rpc.anvil import Anvil, stop
from yieldbot.rpc.evm import EvmNode

RAW = 12_000 * 10**6


@pytest_asyncio.fixture
async def market(tmp_path: Path) -> AsyncIterator[SmallMarket]:
    anvil: Anvil | None = None
    try:
        anvil, built = await build(tmp_path)
        yield built
    finally:
        if anvil is not None:
            stop(anvil.pid)


async def held(market: SmallMarket, node: EvmNode) -> tuple[int, int]:
    found = await balances(node, Address(market.owner), (market.usdc, market.shares))
    return found[market.usdc], found[market.shares]


async def test_rehearsal_runs_every_leg_and_leaves_the_chain_alone(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            withdraw = Leg(LegKind.WITHDRAW, market.market.id, Amount(market.usdc, RAW), all=True)
            works = [market.deposit_work(RAW), market.redeem_work(withdraw, RAW, index=1)]
            head = await node.block()
            seen = await rehearse(account, works, head)
            assert isinstance(seen, Rehearsal), seen
            assert [len(leg.txs) for leg in seen.legs] == [2, 1]
            assert seen.lines[0] == "allow Drip Vault to take exactly 12,000 USDC"
            assert change_of(seen.legs[0].deltas, market.usdc) == -RAW
            assert change_of(seen.legs[0].deltas, market.shares) == RAW
            assert change_of(seen.deltas, market.usdc) == 0
            assert change_of(seen.deltas, account.native) < 0
            assert all(tx.gas_used <= tx.gas_limit for leg in seen.legs for tx in leg.txs)
            assert await node.block() == head
            assert await held(market, node) == (FUNDS_RAW, 0)


async def test_a_leg_is_executed_and_journalled(market: SmallMarket) -> None:
    async with market.node() as node:
        with market.journal() as journal:
            account = market.account(node, journal)
            plan = await market.plan(node, market.deposit_leg(RAW))
            journal.append(PlanWritten(plan))
            result = await execute_leg(account, market.approval(plan), market.deposit_work(RAW))
            assert result.done and len(result.outcomes) == 2, result
            assert await held(market, node) == (FUNDS_RAW - RAW, RAW)
            assert await allowance(node, market.usdc.address, account.owner, market.market.address) == 0
            last = result.outcomes[-1]
            assert isinstance(last, Confirmed)
            assert last.deltas[:2] == (Delta(market.usdc, -RAW), Delta(market.shares, RAW))
            assert [tx.outcome for tx in journal.transactions()] == list(result.outcomes)
            stored = journal.plan(plan.id)
            assert stored is not None and stored.status is PlanStatus.EXECUTED
            assert await settle(account) == ()
            journal.verify()
