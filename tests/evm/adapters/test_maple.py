"""Maple's pools: what accrues by the second; requests in their queue; losses, caps and permissions."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tests.bench.accuracy import DAYS_30, Accuracy
from yieldbot.model.ids import Address
from yieldbot.model.market import ExitKind, Market, MarketState, Status
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi, selector_of
from yieldbot.sandbox.evm.node import Sandbox

NEEDS = ("maple",)
OTHER = Address("0x00000000000000000000000000000000C0FFEe01")


def called(signature: str, *values: object) -> bytes:
    types = signature.partition("(")[2][:-1]
    return selector_of(signature) + encode(types.split(",") if types else [], values)


async def pool(chain: Accuracy) -> Market:
    (found,) = [market for market in await chain.markets() if market.protocol == "maple"]
    return found


async def put(chain: Accuracy, market: Market, raw: int, who: Address | None = None) -> MarketState:
    await chain.deposit(market, raw, who or chain.owner)
    return await chain.state(market, owner=who)


async def balance(chain: Accuracy, market: Market) -> int:
    return int.from_bytes(
        await chain.node.call(market.asset.address, abi("erc20").encode("balanceOf", chain.owner)), "big"
    )


async def test_interest_accrues_to_the_unit_as_the_loan_managers_rate_says(chain: Accuracy) -> None:
    market = await pool(chain)
    before = await put(chain, market, 80_000 * market.asset.one)
    assert before.exit.kind is ExitKind.REQUEST and before.exit.hours == float("inf") and before.flags == ()
    await chain.wait(DAYS_30)
    after = await chain.state(market)
    seconds = after.block.timestamp - before.block.timestamp
    said = before.curve.apr(float(before.held), seconds) * seconds / SECONDS_PER_YEAR
    assert after.held.raw == pytest.approx(before.held.raw * (1 + said), abs=3)
    exact = await chain.node.call(market.address, called("convertToExitAssets(uint256)", after.shares))
    assert after.held.raw == int.from_bytes(exact, "big") > before.held.raw


async def test_requests_are_served_in_turn_and_paid_into_the_wallet(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, adapter, one = await pool(chain), chain.adapters["maple"], chain.job.asset.one
    queue = own_sandbox.addresses["maple_queue"]
    theirs = await put(chain, market, 50_000 * one, OTHER)
    await chain.do(adapter.request_exit(theirs, None, OTHER), OTHER)
    state = await put(chain, market, 10_000 * one)
    assert "1 requests of " in state.exit.limit
    await chain.do(adapter.request_exit(state, market.asset.amount(4_000 * one), chain.owner), chain.owner)
    waits = await chain.state(market)
    assert waits.leaving is not None and waits.leaving.cancels and waits.leaving.until is None
    assert waits.held.raw == pytest.approx(state.held.raw, abs=100)
    assert adapter.request_exit(waits, None, chain.owner) == () == adapter.collect_exit(waits, chain.owner)
    await chain.do(adapter.cancel_exit(waits, chain.owner), chain.owner)
    back = await chain.state(market)
    assert back.leaving is None and back.shares == state.shares
    await chain.do(adapter.request_exit(back, None, chain.owner), chain.owner)
    asked = await chain.state(market)
    assert asked.leaving is not None and not asked.shares and not asked.inside
    before = await balance(chain, market)
    await chain.send(queue, called("processRedemptions(uint256)", theirs.shares + asked.leaving.requested_shares // 4))
    part = await chain.state(market)
    assert part.leaving is not None
    assert (await balance(chain, market)) - before == pytest.approx(asked.held.raw / 4, abs=one)
    await chain.send(queue, called("processRedemptions(uint256)", part.leaving.requested_shares))
    left = await chain.state(market)
    assert (left.held.raw, left.leaving) == (0, None)
    assert (await balance(chain, market)) - before == pytest.approx(asked.held.raw, abs=one)


async def test_whom_maple_serves_by_hand_collects(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, adapter, queue = await pool(chain), chain.adapters["maple"], own_sandbox.addresses["maple_queue"]
    state = await put(chain, market, 2_000 * market.asset.one)
    await chain.send(queue, called("setManualWithdrawal(address,bool)", chain.owner, True))
    await chain.do(adapter.withdraw(state, None, chain.owner), chain.owner)
    await chain.send(queue, called("processRedemptions(uint256)", state.shares))
    ready = await chain.state(market)
    assert ready.leaving is not None and ready.leaving.ready_shares == state.shares and not ready.leaving.requested
    before = await balance(chain, market)
    await chain.do(adapter.collect_exit(ready, chain.owner), chain.owner)
    assert (await balance(chain, market)) - before == pytest.approx(ready.held.raw, abs=100)


async def test_losses_caps_and_permissions(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, where = await pool(chain), own_sandbox.addresses
    state = await put(chain, market, 9_000 * market.asset.one)
    await chain.send(where["maple_loans"], called("impair(uint256)", 100_000 * market.asset.one))
    lost = await chain.state(market)
    assert lost.held.raw < state.held.raw * 0.91 and any("100,000" in doubt for doubt in lost.doubts)
    assert lost.index is not None and state.index is not None and lost.index < state.index * 0.91
    await chain.send(where["maple_loans"], called("impair(uint256)", 0))
    await chain.send(where["maple_manager"], called("bar(address,bool)", chain.owner, True))
    barred = await chain.state(market)
    assert barred.status is Status.PAUSED and any("NOT_ALLOWED" in flag for flag in barred.flags)
    assert (await chain.state(market, owner=OTHER)).status is Status.ACTIVE
    await chain.send(where["maple_manager"], called("setActive(bool)", False))
    assert (await chain.state(market, owner=OTHER)).status is Status.FROZEN
