"""kill -9 at every boundary of every transaction of a leg, then run again: once in, nothing lost, nothing forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.kit import warm
from tests.kit.child import BOUNDARIES, RAW
from tests.kit.small_market import FUNDS_RAW, SmallMarket
from yieldbot.chains.evm.execution.balances import fetch_allowance, fetch_balances
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.model.ids import Address
from yieldbot.model.tx import Confirmed

LONGEST_RUN_SECONDS = 300.0
POINTS = [(boundary, count) for boundary in BOUNDARIES for count in (1, 2)]


async def run(market: SmallMarket, point: str = "never", count: int = 1) -> tuple[int, str]:
    """Run the child to its end; its exit status (negative: the signal) and what it said."""

    def child() -> tuple[int, str, str]:
        words = [str(market.save()), point, str(count)]
        options = {"cwd": warm.ROOT, "env": os.environ, "seconds": LONGEST_RUN_SECONDS}
        return warm.run(words, module="tests.kit.child", **options)

    status, _, said = await asyncio.to_thread(child)
    return status, said


async def assert_deposited_once(market: SmallMarket) -> None:
    """One deposit, no gap and no reuse in nonces, no allowance left, every signed transaction settled."""
    owner = Address(market.owner)
    async with market.node() as node:
        found = await fetch_balances(node, owner, (market.usdc, market.shares))
        assert found == {market.usdc: FUNDS_RAW - RAW, market.shares: RAW}
        assert await fetch_allowance(node, market.usdc.address, owner, market.market.address) == 0
        mined = await node.nonce(owner)
    with market.journal() as journal:
        transactions = journal.transactions()
        assert all(isinstance(tx.outcome, Confirmed) for tx in transactions)
        assert [tx.signed.nonce for tx in transactions] == list(range(mined))
        assert sum(tx.signed.words.startswith("deposit") for tx in transactions) == 1
        assert journal.verify() == journal.head()[0]


@pytest.mark.parametrize(("point", "count"), POINTS)
async def test_killed_and_run_again(market: SmallMarket, point: str, count: int) -> None:
    status, said = await run(market, point, count)
    assert status == -signal.SIGKILL, said
    status, said = await run(market)
    assert status == 0, said
    await assert_deposited_once(market)


async def test_killed_again_and_again(market: SmallMarket) -> None:
    for point in ("after signed", "before settled", "after sent", "before signed", "after settled"):
        await run(market, point)
    status, said = await run(market)
    assert status == 0, said
    await assert_deposited_once(market)


async def test_killed_while_it_waits_in_the_pool(market: SmallMarket) -> None:
    async with market.node() as node:
        await node.request("evm_setAutomine", [False])
        status, _ = await run(market, "after sent")
        assert status == -signal.SIGKILL
        again = asyncio.create_task(run(market))
        while not again.done():
            await asyncio.sleep(0.3)
            await node.request("evm_mine", [])
        status, said = await again
        assert status == 0, said
    await assert_deposited_once(market)


async def test_a_second_run_ends_at_once_and_touches_nothing(market: SmallMarket) -> None:
    with run_lock(Path(market.folder)):
        status, said = await run(market)
    assert status == 6
    assert "another run is in progress" in said
    with market.journal() as journal:
        assert journal.history() == ()
    status, said = await run(market)  # the lock of a run that has ended is free
    assert status == 0, said
    with market.journal() as journal:
        assert [stored.status for stored in journal.plans()] == [PlanStatus.EXECUTED]
