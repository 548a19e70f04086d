"""Ethena's sUSDe: what vests, to the unit; the cooldown; what comes after the vesting; restricted accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tests.bench.accuracy import Accuracy
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.market import ExitKind, Market, MarketState, Status
from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi, selector_of
from yieldbot.sandbox.evm.node import Sandbox

NEEDS = ("ethena",)
HOURS_8, DAY, COOLDOWN = 8 * 3600, 86_400, 7 * 86_400


def called(signature: str, *values: object) -> bytes:
    types = signature.partition("(")[2][:-1]
    return selector_of(signature) + encode(types.split(",") if types else [], values)


async def cooled(chain: Accuracy, sandbox: Sandbox, lookback: int = 0) -> Market:
    """The market with a cooldown, which no table of the sandbox names."""
    table = {"staking": sandbox.addresses["susde_cooldown"], "lookback_blocks": lookback}
    row = Deployment("ethena", chain.job.chain.chain, "Ethena", table, (chain.job.asset,))
    (found,) = await chain.node.run([chain.adapters["ethena"].discover(row)], await chain.node.block())
    assert isinstance(found, tuple)
    return found[0]


async def pay(chain: Accuracy, market: Market, raw: int) -> None:
    """Rewards that vest from now on."""
    await chain.fund(chain.owner, raw)
    await chain.send(market.asset.address, called("approve(address,uint256)", market.address, MAX_UINT256))
    await chain.send(market.address, called("transferInRewards(uint256)", raw))


async def stake(chain: Accuracy, market: Market, raw: int) -> MarketState:
    await chain.fund(chain.owner, raw)
    state = await chain.state(market)
    await chain.do(chain.adapters["ethena"].deposit(state, market.asset.amount(raw), chain.owner), chain.owner)
    return await chain.state(market)


async def number(chain: Accuracy, market: Market, data: bytes) -> int:
    return int.from_bytes(await chain.node.call(market.address, data), "big")


async def test_what_vests_is_known_to_the_unit_and_what_follows_is_not_promised(
    chain: Accuracy, own_sandbox: Sandbox
) -> None:
    market = await cooled(chain, own_sandbox)
    silent = await chain.state(market)
    assert silent.quoted.value == 0.0 and "nothing-vests" in silent.flags and "later-income-unknown" in silent.flags
    await stake(chain, market, 250_000 * market.asset.one)
    await pay(chain, market, 137_654_321)
    begun = await chain.state(market)
    assert begun.share_token is not None and begun.share_token.decimals == market.asset.decimals
    for seconds in (1, 3599, 7777, 14_400):
        await chain.wait(seconds)
        now = await chain.state(market)
        assert now.held.raw == await number(chain, market, called("convertToAssets(uint256)", now.shares))
        assert now.supplied.raw == await number(chain, market, called("totalAssets()"))
        passed = now.block.timestamp - begun.block.timestamp
        said = begun.curve.apr(float(begun.held), passed) * passed / SECONDS_PER_YEAR
        assert now.held.raw == pytest.approx(begun.held.raw * (1 + said), abs=3)
        assert now.doubts == () and "nothing-vests" not in now.flags
    assert begun.quoted.value > 0.1
    week = begun.curve.apr(float(begun.held), 7 * DAY)  # nobody has promised more than what is vesting
    assert week == pytest.approx(137.654321 / 1_250_000 / 7 * 365, rel=1e-3)
    await chain.wait(7 * DAY)
    over = await chain.state(market)
    assert over.held.raw == pytest.approx(begun.held.raw * (1 + week * 7 / 365), abs=3)
    assert over.quoted.value == 0.0


async def test_the_income_of_the_last_blocks_is_expected_to_go_on(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market = await cooled(chain, own_sandbox, lookback=24)
    one = market.asset.one
    for _ in range(4):  # eight hours, block by block of an hour
        await pay(chain, market, 90 * one)
        await chain.node.request("anvil_mine", [hex(9), hex(3600)])
    gap = await chain.state(market)  # all has vested
    yearly = 90 * 3 * 365 / 1_000_000
    assert 0.8 * yearly < gap.quoted.value < 1.02 * yearly and "nothing-vests" in gap.flags
    assert gap.curve.apr(0.0, 30 * DAY) == pytest.approx(gap.quoted.value, rel=1e-6)
    await pay(chain, market, 9_000 * one)  # a gift of a hundred times as much counts while it vests, and no longer
    rich = await chain.state(market)
    assert rich.quoted.value > 50 * yearly
    later = rich.curve.apr(0.0, 1000 * DAY)
    assert later < 1.2 * yearly
    await chain.wait(HOURS_8)
    await pay(chain, market, one)  # and a small one is not topped up by what was paid before
    poor = await chain.state(market)
    assert poor.quoted.value < 0.02 * yearly and poor.curve.apr(0.0, 30 * DAY) <= poor.quoted.value * 1.0001


async def test_a_cooldown_is_started_waited_for_and_collected(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, adapter = await cooled(chain, own_sandbox), chain.adapters["ethena"]
    state = await stake(chain, market, 5_000 * market.asset.one)
    assert (state.exit.kind, state.exit.seconds) == (ExitKind.COOLDOWN, COOLDOWN) and not state.withdrawable
    for call in (selector_of("redeem(uint256,address,address)"), selector_of("withdraw(uint256,address,address)")):
        assert not await chain.try_send(
            market.address, call + encode(["uint256", "address", "address"], [1, chain.owner, chain.owner]), chain.owner
        )
    await chain.do(adapter.request_exit(state, market.asset.amount(2_000 * market.asset.one), chain.owner), chain.owner)
    waits = await chain.state(market)
    assert waits.leaving is not None and waits.leaving.until == waits.block.timestamp + COOLDOWN
    assert waits.held.raw == pytest.approx(state.held.raw, abs=2) and not waits.leaving.ready
    assert adapter.collect_exit(waits, chain.owner) == () == adapter.cancel_exit(waits, chain.owner)
    (early,) = adapter.collect_exit(
        replace(waits, leaving=replace(waits.leaving, ready=waits.leaving.requested)), chain.owner
    )
    assert not await chain.try_send(early.to, early.data, chain.owner)
    await chain.wait(3 * DAY)
    await chain.do(adapter.request_exit(waits, None, chain.owner), chain.owner)  # the rest: all of it waits anew
    again = await chain.state(market)
    assert again.leaving is not None and again.leaving.until == again.block.timestamp + COOLDOWN and not again.inside
    await chain.send(market.address, called("setCooldownDuration(uint24)", 0))
    freed = await chain.state(market)
    assert freed.exit.kind is ExitKind.INSTANT and freed.leaving is not None and freed.leaving.ready == freed.held
    await chain.send(market.address, called("setCooldownDuration(uint24)", COOLDOWN))
    await chain.wait(COOLDOWN)
    ready = await chain.state(market)
    before = await number_of(chain, market)
    await chain.do(adapter.collect_exit(ready, chain.owner), chain.owner)
    assert await number_of(chain, market) - before == ready.held.raw == again.held.raw
    left = await chain.state(market)
    assert (left.held.raw, left.shares, left.leaving) == (0, 0, None)


async def number_of(chain: Accuracy, market: Market) -> int:
    data = abi("erc20").encode("balanceOf", chain.owner)
    return int.from_bytes(await chain.node.call(market.asset.address, data), "big")


async def test_whom_ethena_restricts_gets_no_new_money_and_nothing_out(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market = await cooled(chain, own_sandbox)
    await stake(chain, market, 100 * market.asset.one)
    await chain.send(market.address, called("addToBlacklist(address,bool)", chain.owner, False))
    soft = await chain.state(market)
    assert soft.status is Status.FROZEN and "frozen" in soft.flags
    await chain.send(market.address, called("addToBlacklist(address,bool)", chain.owner, True))
    assert (await chain.state(market)).status is Status.PAUSED
    other = Address("0x00000000000000000000000000000000C0FFEe01")
    assert (await chain.state(market, owner=other)).status is Status.ACTIVE
