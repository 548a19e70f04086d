"""One leg sent on the sandbox, and the balances and allowances that it leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.kit.small_market import SmallMarket
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.leg import execute_leg
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import PendingError
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address
from yieldbot.model.plan import Plan

RAW = 12_000 * 10**6


async def held(market: SmallMarket, node: Node) -> tuple[int, int]:
    found = await fetch_balances(node, Address(market.owner), (market.usdc, market.shares))
    return found[market.usdc], found[market.shares]


async def pending_allowance(market: SmallMarket, account: Account, node: Node, journal: Journal) -> Plan:
    """Begin a leg on a node that mines nothing, until its first transaction waits in the pool."""
    await node.request("evm_setAutomine", [False])
    plan = await market.plan(node, market.deposit_leg(RAW))
    hasty = replace(account, settings=replace(account.settings, confirm_timeout_seconds=0.2))
    with pytest.raises(PendingError):
        await execute_leg(hasty, market.approval(plan), market.deposit_work(RAW))
    assert len(journal.open_transactions(account.settings.chain, account.owner)) == 1
    return plan


async def allow(market: SmallMarket, node: Node, raw: int) -> None:
    data = allowance_call(market.usdc, market.market.address, raw, "").data
    await node.request("anvil_impersonateAccount", [market.owner])
    await send(node, {"from": market.owner, "to": market.usdc_address, "data": "0x" + data.hex()})


async def send(node: Node, transaction: dict[str, str]) -> None:
    sent = await node.request("eth_sendTransaction", [transaction])
    while not await node.request("eth_getTransactionReceipt", [sent]):
        await asyncio.sleep(0.01)
