"""What lending vaults of several protocols do badly: caps, pauses, cash that is lent out, terms that were changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.accuracy import DAY, Accuracy
from tests.evm.adapters.test_doubts import altered
from tests.kit.evm.conformance import markets_of
from yieldbot.chains.evm.node.beside import logs_of
from yieldbot.errors import NodeRefused
from yieldbot.math.aave_v4 import HubCurve
from yieldbot.math.curves import LookThroughCurve
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.ids import Address
from yieldbot.model.look_through import HeldBy
from yieldbot.model.market import Market, Status
from yieldbot.model.risk import Act
from yieldbot.protocols.backing import backing_of
from yieldbot.protocols.evm.abi import abi, checksum
from yieldbot.protocols.evm.backing import keys_of, root_of
from yieldbot.protocols.evm.backing_pools import Known
from yieldbot.protocols.evm.backing_reads import Graph, read_holdings
from yieldbot.protocols.evm.flow_events import flows_of, listening
from yieldbot.protocols.evm.standing import stands_on
from yieldbot.protocols.registries import registries
from yieldbot.risk.look_through import locked_below
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract

NEEDS: tuple[str, ...] = ("aave_v4", "euler", "euler_earn", "fluid", "fraxlend", "gearbox", "silo")
USDC = 10**6


async def named(chain: Accuracy, protocol: str, name: str) -> Market:
    return next(market for market in await markets_of(chain, protocol) if market.name.endswith(name))


def contract(market: Market, kind: str) -> Contract:
    return Contract(market.address, own()[kind].abi)


async def tell(chain: Accuracy, at: Contract, function: str, *args: object) -> None:
    await chain.send(at.address, bytes.fromhex(at.data(function, *args)[2:]))


async def test_euler_exits_are_bound_by_cash_and_its_settings_are_obeyed(chain: Accuracy) -> None:
    market = await named(chain, "euler", "eUSDC-1")
    vault = contract(market, "EulerVaultDouble")
    await chain.wait(30 * DAY)
    assert (await chain.state(market)).doubts == ()  # utilisation has risen, the rate in force has not
    await chain.deposit(market, 300_000 * USDC, chain.owner)
    borrower = checksum((await chain.node.request("eth_accounts", []))[1])
    await chain.send(vault.address, bytes.fromhex(vault.data("borrow", 499_000 * USDC, borrower)[2:]), borrower)
    short = await chain.state(market)
    assert short.liquidity.raw == short.withdrawable.raw == 1_000 * USDC < short.held.raw
    assert {"thin-liquidity", "above-kink"} <= set(short.flags) and short.doubts == ()
    (call,) = chain.adapters["euler"].withdraw(short, market.asset.amount(1_001 * USDC), chain.owner)
    assert not await chain.try_send(call.to, call.data, chain.owner)
    await tell(chain, vault, "setHooked", 4)
    assert (await chain.state(market)).status is Status.PAUSED
    await tell(chain, vault, "setHooked", 0)
    hook = (market.address, abi("euler").selector("hookConfig"))
    state = await altered(chain, market, {hook: lambda raw: int(chain.owner, 16)})
    assert state.status is Status.ACTIVE  # no operation is hooked: whoever the hook is, it is not called
    rate = (market.address, abi("euler").selector("interestRate"))
    (doubt,) = (await altered(chain, market, {rate: lambda raw: raw * 2})).doubts
    assert "its rate model says" in doubt
    cash = (market.asset.address, abi("erc20").selector("balanceOf"))
    (doubt,) = (await altered(chain, market, {cash: lambda raw: raw // 2})).doubts
    assert "its account holds" in doubt
    await tell(chain, contract(market, "EulerVaultDouble"), "touch")
    other = await named(chain, "euler", "eUSDC-3")
    assert "frozen" in (await chain.state(other)).flags


async def test_euler_says_what_it_rests_on_and_who_controls_it(chain: Accuracy) -> None:
    market = await named(chain, "euler", "eUSDC-1")
    state = await chain.state(market)
    (deployment,) = (d for d in chain.job.chain.deployments if d.protocol == "euler")
    assert isinstance(deployment, Deployment)
    root = root_of(state, deployment.params)
    assert isinstance(root.held, HeldBy) and root.held.children == ((f"token:{market.address}", 1.0),)
    parts = {one.name: one.address for one in stands_on(market, deployment.params)}
    assert parts["credit vault"] == market.address and parts["rate model"] == market.params["model"]


async def test_an_adaptive_rate_model_is_asked_for_its_line(chain: Accuracy) -> None:
    market = await named(chain, "euler", "eUSDC-2")
    state = await chain.state(market)
    assert "rate-adapts" in state.flags and state.capacity is not None and 150_000 < float(state.capacity) < 200_000
    await chain.wait(30 * DAY)
    later = await chain.state(market)
    assert later.quoted.value == pytest.approx(state.quoted.value, rel=1e-2)  # nobody used the vault: its rate stays
    assert later.curve.apr(0.0, DAY) < 0.8 * state.curve.apr(0.0, DAY)  # its model has adapted meanwhile


async def test_fluids_exits_grow_with_time_and_rewards_end(chain: Accuracy) -> None:
    market = await named(chain, "fluid", "fUSDC")
    layer = Contract(Address(market.params["layer"]), own()["FluidLiquidityDouble"].abi)
    await chain.deposit(market, 3_000_000 * USDC, chain.owner)
    await chain.wait(7 * 3600)  # what a deposit adds to the limit for an hour is gone
    full = await chain.state(market)
    assert "withdrawal-limit" in full.flags and full.exit.limit == "35% of all deposits in 6 h"
    assert full.liquidity.raw == pytest.approx(1_400_000 * USDC, rel=1e-3)
    adapter = chain.adapters["fluid"]
    (call,) = adapter.withdraw(full, market.asset.amount(1_500_000 * USDC), chain.owner)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=chain.owner)
    assert "withdrawal limit" in str(adapter.explain_revert(refused.value.data))
    await chain.do(adapter.withdraw(full, market.asset.amount(1_399_000 * USDC), chain.owner), chain.owner)
    assert (await chain.state(market)).liquidity.raw < 1_500 * USDC
    await chain.wait(3 * 3600)
    half = await chain.state(market)
    assert half.liquidity.raw == pytest.approx(0.5 * 0.35 * 2_601_000 * USDC, rel=1e-2)
    rewards = Contract(Address(market.params["rewards"]), own()["FluidRewardsDouble"].abi)
    await tell(chain, rewards, "set", 50_000 * USDC, 20 * DAY, 1_000 * USDC)
    await tell(chain, contract(market, "FluidTokenDouble"), "setRewards", rewards.address)
    paid = await chain.state(market)
    assert "rewards-in-rate" in paid.flags
    held = float(paid.held)
    predicted = paid.curve.apr(held, 10.0 * DAY)
    assert predicted > half.curve.apr(held, 10.0 * DAY) + 0.2
    await chain.wait(10 * DAY)
    grown = await chain.state(market)
    earned = (grown.held.raw / paid.held.raw - 1) * 36.5
    assert earned == pytest.approx(predicted, rel=1e-3)
    await chain.wait(11 * DAY)
    assert "rewards-in-rate" not in (await chain.state(market)).flags
    await tell(chain, layer, "setPaused", market.address, market.asset.address, True)
    assert (await chain.state(market)).status is Status.PAUSED


async def test_fluids_layer_must_have_what_shares_are_worth(chain: Accuracy) -> None:
    market = await named(chain, "fluid", "fUSDC")
    supply = (market.address, abi("erc4626").selector("totalSupply"))
    (doubt,) = (await altered(chain, market, {supply: lambda raw: raw * 103 // 100})).doubts
    assert "its shares are worth" in doubt and "it has supplied" in doubt
    cash = (market.asset.address, abi("erc20").selector("balanceOf"))
    assert "suppliers are owed" in (await altered(chain, market, {cash: lambda raw: raw // 2})).doubts[0]


async def test_euler_earn_is_seen_through_to_its_credit_vaults(chain: Accuracy) -> None:
    (market,) = await markets_of(chain, "euler_earn")
    state = await chain.state(market)
    first, second = market.params["supply_queue"]
    assert isinstance(state.curve, LookThroughCurve) and state.doubts == ()
    assert [slot.pool for slot in state.curve.slots] == [f"euler/31337/{one.lower()}" for one in (first, second)]
    assert state.liquidity.raw == pytest.approx(1_400_000 * USDC, rel=1e-2)
    assert [round(held) for held in state.curve.holdings(100_000.0)] == pytest.approx([1_100_000, 1_000_000], rel=1e-3)
    vaults = {one: Contract(one, own()["EulerVaultDouble"].abi) for one in (first, second)}
    await tell(chain, vaults[first], "setHooked", 1)  # it takes nothing more: all goes to the other one
    left = await chain.state(market)
    assert left.capacity is not None and float(left.capacity) == pytest.approx(200_000, rel=1e-2)
    await tell(chain, vaults[second], "setHooked", 4)
    stuck = await chain.state(market)
    assert stuck.liquidity.raw == pytest.approx(700_000 * USDC, rel=1e-2) and "at-cap" in stuck.flags
    lost = (market.address, abi("euler_earn").selector("lostAssets"))
    (doubt,) = (await altered(chain, market, {lost: lambda raw: 5 * USDC})).doubts
    assert "of which 5 USDC are lost" in doubt
    root = root_of(state, {})
    assert {key for key, _ in root.held.children} == {f"token:{one}" for one in (first, second)}


async def test_gearbox_pays_interest_on_the_principal_and_shares_quota_revenue(chain: Accuracy) -> None:
    (market,) = await markets_of(chain, "gearbox")
    pool = contract(market, "GearboxPoolDouble")
    state = await chain.state(market)
    assert "quota-revenue" in state.flags and state.doubts == ()
    await tell(chain, pool, "setQuotaRevenue", 0)
    without = await chain.state(market)
    assert state.curve.apr(1e6, DAY) - without.curve.apr(1e6, DAY) == pytest.approx(0.006, rel=1e-3)
    await chain.deposit(market, 5_000 * USDC, chain.owner)
    await tell(chain, pool, "setWithdrawFee", 50)
    charged = await chain.state(market)
    assert charged.held.raw == pytest.approx(4_975 * USDC, rel=1e-6)
    assert "0.50% of what is withdrawn is kept" in charged.doubts
    rate = (market.address, abi("gearbox").selector("supplyRate"))
    assert "its totals make" in (await altered(chain, market, {rate: lambda raw: raw * 2})).doubts[0]
    await tell(chain, pool, "setPaused", True)
    paused = await chain.state(market)
    assert paused.status is Status.PAUSED and paused.withdrawable.raw == 0
    (call,) = chain.adapters["gearbox"].deposit(paused, market.asset.amount(USDC), chain.owner)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=chain.owner)
    assert chain.adapters["gearbox"].explain_revert(refused.value.data) == "the pool is paused"


async def test_fraxlends_rate_moves_until_the_horizon_and_its_limits_hold(chain: Accuracy) -> None:
    (market,) = await markets_of(chain, "fraxlend")
    pair = contract(market, "FraxlendPairDouble")
    lender = checksum((await chain.node.request("eth_accounts", []))[0])
    used = await chain.state(market, owner=lender)
    out = market.asset.amount(150_000 * USDC)
    await chain.do(chain.adapters["fraxlend"].withdraw(used, out, lender), lender)
    high = await chain.state(market)  # beyond its targets: what borrowers pay doubles in days
    assert high.curve.apr(0.0, 20.0 * DAY) > 2.0 * high.curve.apr(0.0, DAY) and "above-kink" in high.flags
    assert "rate-adapts" in high.flags and high.doubts == ()
    assert high.capacity is not None and 19_140_000 < float(high.capacity) < 19_150_000
    root = root_of(high, {})
    ((backer, part),) = root.held.children
    assert backer == f"token:{market.params['backer']}" and part == pytest.approx(0.94, abs=0.01)
    await tell(chain, pair, "pauseInterest", True)
    assert (await chain.state(market)).curve.apr(0.0, DAY) == 0.0
    await tell(chain, pair, "setDepositLimit", 0)
    assert (await chain.state(market)).status is Status.FROZEN
    await tell(chain, pair, "pauseWithdraw", True)
    stopped = await chain.state(market, owner=lender)
    assert stopped.status is Status.PAUSED and stopped.withdrawable.raw == 0
    (call,) = chain.adapters["fraxlend"].withdraw(stopped, None, lender)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=lender)
    assert chain.adapters["fraxlend"].explain_revert(refused.value.data) == "WithdrawPaused"


async def test_a_silos_rate_cash_and_second_readings(chain: Accuracy) -> None:
    (market,) = await markets_of(chain, "silo")
    silo = contract(market, "SiloDouble")
    accounts = await chain.node.request("eth_accounts", [])
    lender, borrower = Address(checksum(accounts[0])), Address(checksum(accounts[1]))
    state = await chain.state(market)
    assert state.doubts == () and state.capacity is None and "rate-adapts" in state.flags
    assert state.liquidity.raw == pytest.approx(200_000 * USDC, rel=1e-3)  # without what is protected
    ((backer, part),) = root_of(state, {}).held.children
    assert backer == f"token:{market.params['backer']}" and part == pytest.approx(0.8, abs=0.01)
    assert root_of(state, {}).held.used == ((backer, 0.4),)  # what is pledged is lent on by the pair's other silo
    pledged = (Address(market.params["other"]), abi("silo").selector("getDebtAssets"))
    locked = await altered(chain, market, {pledged: lambda raw: raw * 5 // 2})
    below = backing_of(root_of(locked, {}), {backer: HeldBy(symbol="PLEDGED")}, 1, 1)
    (sign,) = locked_below([replace(locked, backing=below)], AlarmLimits(), 1).values()
    assert sign.code == "COLLATERAL_LOCKED" and sign.act is Act.LEAVE
    named = {name: accounts[place] for place, name in enumerate(("hook", "factory", "other", "config"))}
    parts = {
        one.name for one in stands_on(replace(market, params=market.params | named | {"oracles": accounts[4:5]}), {})
    }
    assert {"silo", "rate model", "pair's terms", "other silo", "hook", "collateral", "factory", "oracle"} <= parts
    await chain.send(silo.address, bytes.fromhex(silo.data("borrow", 160_000 * USDC, borrower)[2:]), borrower)
    high = await chain.state(market)
    assert {"above-kink", "thin-liquidity"} <= set(high.flags)
    assert high.curve.apr(0.0, 10.0 * DAY) > 1.3 * high.curve.apr(0.0, 3600.0)  # it climbs while nobody repays
    await chain.wait(5 * DAY)
    later = await chain.state(market)
    assert (
        later.doubts == () and later.liquidity.raw < high.liquidity.raw
    )  # the interest that is kept as fees is owed too
    adapter = chain.adapters["silo"]
    (call,) = adapter.withdraw(later, market.asset.amount(high.liquidity.raw), lender)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=lender)
    assert adapter.explain_revert(refused.value.data) == "NotEnoughLiquidity"
    await chain.do(adapter.withdraw(later, market.asset.amount(later.liquidity.raw), lender), lender)
    debtor = await chain.state(market, owner=borrower)
    assert "its owner has a debt in this pair, which these shares may secure" in debtor.doubts

    rate, silo_abi = abi("silo_rate"), abi("silo")
    asked = (Address(market.params["model"]), rate.selector("getCurrentInterestRate"))
    (doubt,) = (await altered(chain, market, {asked: lambda raw: raw * 2})).doubts
    assert "its rate model says" in doubt
    stated = (market.address, silo_abi.selector("getLiquidity"))
    (doubt,) = (await altered(chain, market, {stated: lambda raw: raw + 5 * USDC})).doubts
    assert "getLiquidity says" in doubt
    cash = (market.asset.address, abi("erc20").selector("balanceOf"))
    gone = await altered(chain, market, {cash: lambda raw: raw // 2})
    assert "its account holds" in gone.doubts[0] and gone.liquidity.raw == 0
    debts = (market.address, silo_abi.selector("getDebtAssets"))
    assert any(
        "its borrowers owe" in one for one in (await altered(chain, market, {debts: lambda raw: raw * 2})).doubts
    )
    await tell(chain, silo, "setHooks", (1 << 5) | (1 << 1) | (1 << 10))
    hooked = await chain.state(market)
    assert {"hooked-deposits", "hooked-transfers"} <= set(hooked.flags)
    assert "is called on each withdrawal" in hooked.doubts[0]


async def test_a_hub_of_aave_v4_pays_what_is_predicted_with_premiums_bad_debt_and_what_was_reinvested(
    chain: Accuracy,
) -> None:
    market = await named(chain, "aave_v4", "tUSDC")
    hub = Contract(Address(market.params["hub"]), own()["AaveV4HubDouble"].abi)
    spoke = Contract(await drawing(chain, hub), own()["AaveV4SpokeDouble"].abi)
    lender = checksum((await chain.node.request("eth_accounts", []))[0])
    assert (await chain.state(market)).flags == ()
    await tell(chain, hub, "setAsset", 0, 1_000, lender)  # the reinvestment controller, and it takes something out
    await chain.send(hub.address, bytes.fromhex(hub.data("sweep", 0, 40_000 * USDC)[2:]), lender)
    await tell(chain, spoke, "borrow", 0, 155_000 * USDC, 6_000)
    await tell(chain, spoke, "loseDrawn", 0, 600 * USDC)
    await chain.wait(20 * DAY)
    state = await chain.state(market)
    assert {"above-kink", "thin-liquidity", "deficit", "reinvested"} <= set(state.flags) and state.doubts == ()
    assert state.liquidity.raw == state.exit.cash.raw == 5_000 * USDC  # type: ignore[union-attr]
    assert isinstance(state.curve, HubCurve) and state.curve.bad_debt == pytest.approx(600.0, rel=1e-3)
    assert state.curve.beside > 100.0  # premiums that are owed, less fees
    await chain.fund(chain.owner, 900_000 * USDC)
    for raw in (30_000 * USDC, 700_000 * USDC):  # above the kink, then far below it
        draw = await chain.draw(market, raw)
        assert draw is not None and abs(draw.error_bp) < 0.01
    await tell(chain, spoke, "loseDrawn", 0, 5_000 * USDC)
    state = await chain.state(market)
    (doubt,) = state.doubts
    assert "cash and debts are" in doubt
    root, block = root_of(state, {}), await chain.node.block()
    ((key, _),) = root.held.children
    (graph,) = await chain.node.run([read_holdings(keys_of([root]), Known())], block)
    assert isinstance(graph, Graph)
    rests = graph.nodes[key]  # the spoke's one collateral is WETH, which nobody has drawn
    weth = next(token.address for token in chain.job.chain.tokens.values() if token.symbol == "WETH")
    ((child, lent),) = rests.children
    assert child == f"token:{weth}" and rests.used == ((child, 0.0),) and rests.asset == root.asset
    assert lent == pytest.approx(state.borrowed.raw, rel=1e-6) and rests.idle == state.liquidity.raw  # type: ignore[union-attr]
    assert rests.unknown == 40_000 * USDC and "reinvested" in rests.why
    assert rests.lost == pytest.approx(5_600 * USDC, rel=1e-6)
    assert dict(rests.prices)[child] / dict(rests.prices)[root.asset] == pytest.approx(3_000 / 10**12)


async def test_a_hub_of_aave_v4_is_obeyed_and_not_believed(chain: Accuracy) -> None:
    market = await named(chain, "aave_v4", "tUSDC")
    hub, adapter = Contract(Address(market.params["hub"]), own()["AaveV4HubDouble"].abi), chain.adapters["aave_v4"]
    await chain.deposit(market, 10_000 * USDC, chain.owner)
    await tell(chain, hub, "setSpoke", 0, market.address, 1_050_000, 0, True, False)
    state = await chain.state(market)
    assert state.capacity is not None and 30_000 < float(state.capacity) < 40_000
    (call,) = adapter.deposit(state, market.asset.amount(41_000 * USDC), chain.owner)
    await chain.fund(chain.owner, 41_000 * USDC)
    await chain.allow(call, chain.owner)
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=chain.owner)
    assert adapter.explain_revert(refused.value.data) == "AddCapExceeded(addCap 1050000)"
    (call,) = adapter.withdraw(state, market.asset.amount(250_000 * USDC), chain.owner)
    assert not await chain.try_send(call.to, call.data, chain.owner)
    await tell(chain, hub, "setSpoke", 0, market.address, 0, 0, True, False)
    assert (await chain.state(market)).status is Status.FROZEN
    await tell(chain, hub, "setSpoke", 0, market.address, 2**40 - 1, 0, True, True)
    halted = await chain.state(market)
    assert halted.status is Status.PAUSED and halted.capacity is None
    await tell(chain, hub, "setSpoke", 0, market.address, 2**40 - 1, 0, True, False)
    read = abi("aave_v4").selector
    for changes, words in (
        ({(hub.address, read("getAddedAssets")): lambda raw: raw + 1}, "its record makes"),
        ({(hub.address, read("getAssetDrawnRate")): lambda raw: raw + 1}, "its terms make"),
        ({(market.address, abi("erc4626").selector("totalSupply")): lambda raw: raw * 2}, "the hub counts"),
        ({(market.asset.address, abi("erc20").selector("balanceOf")): lambda raw: raw // 2}, "its account holds"),
    ):
        (doubt,) = (await altered(chain, market, changes)).doubts
        assert words in doubt
    spot = listening(state)
    assert spot is not None
    await chain.deposit(market, 7_000 * USDC, chain.owner)
    await chain.do(adapter.withdraw(state, market.asset.amount(2_000 * USDC), chain.owner), chain.owner)
    words = [{"address": hub.address, "fromBlock": hex(state.block.height)}]
    flows = flows_of(logs_of(await chain.node.request("eth_getLogs", words)), [spot])
    assert [(one.amount, one.account) for one in flows] == [(7_000.0, market.address), (-2_000.0, market.address)]
    assert int.from_bytes(await chain.node.call(spot.whole.to, spot.whole.data), "big") > 900_000 * USDC
    reader, block = registries()["aave_v4"], await chain.node.block()
    registry = Registry("aave_v4", market.chain, "Aave v4", {"hub": hub.address}, Address(hub.address))
    (listed,) = await chain.node.run([reader.listing(registry)], block)
    assert listed == (Listed(market.address),)  # of all spokes of both assets
    (found,) = await chain.node.run([reader.confirm(registry, market.address)], block)
    assert isinstance(found, FoundMarket) and (found.asset, found.denied) == (market.asset.address, False)
    assert found.supplied_raw == (await chain.state(market)).supplied.raw
    parts = {one.name: one.address for one in stands_on(market, {})}
    assert parts["hub"] == hub.address and parts["tokenization spoke"] == market.address
    spoke = await drawing(chain, hub)  # which is its own oracle in the sandbox
    assert market.params["drawers"] == ((spoke, spoke),) and parts["borrowing spoke"] == spoke


async def drawing(chain: Accuracy, hub: Contract) -> Address:
    """The spoke of USDC that was listed last."""
    data = bytes.fromhex(hub.data("getSpokeAddress", 0, 2)[2:])
    return checksum("0x" + (await chain.node.call(Address(hub.address), data))[-20:].hex())
