"""Vaults whose investments are read: what stops a deposit or an exit, and what a vault says that is not so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.accuracy import DAY, DAYS_30, Accuracy
from yieldbot.errors import NodeRefused
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, Status
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi
from yieldbot.sandbox.evm.artifacts import own
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

NEEDS = ("morpho_vault_v2", "yearn_v3", "compound_v2")
M = 10**12
NOBODY = "0x" + "00" * 20


async def named(chain: Accuracy, name: str) -> Market:
    return next(market for market in await chain.markets() if market.name.endswith(name))


class Site:
    """A contract of the sandbox, and a sender that may do anything with its doubles."""

    def __init__(self, chain: Accuracy, sandbox: Sandbox) -> None:
        accounts = [Address(one) for one in sandbox.rpc("eth_accounts")]
        self.d, self.at = Deployer(chain.node, accounts), sandbox.addresses

    def contract(self, name: str, made: str) -> Contract:
        return Contract(self.at[name], own()[made].abi)

    async def send(self, name: str, made: str, function: str, *args: Any) -> None:
        await self.d.send(self.contract(name, made), function, *args)


@pytest.fixture
def site(chain: Accuracy, own_sandbox: Sandbox) -> Site:
    return Site(chain, own_sandbox)


async def test_a_vault_v2_is_bound_by_caps_gates_and_the_cash_of_one_market(chain: Accuracy, site: Site) -> None:
    async def change(function: str, *args: Any) -> None:
        await site.send("vault_v2", "VaultV2Double", function, *args)

    market = await named(chain, "v2USDC")
    await chain.deposit(market, M // 100, chain.owner)
    state = await chain.state(market)
    views = abi("erc4626")
    for name in ("maxDeposit", "maxRedeem", "maxWithdraw"):  # 0 by design: they say nothing
        assert not any(await chain.node.call(market.address, views.encode(name, chain.owner)))
    assert state.capacity is not None and state.withdrawable == state.held
    assert 1.38 * M < state.capacity.raw < 1.4 * M, "the cap of 2,000,000 less what lies there"
    assert state.liquidity.raw < 0.72 * M < state.supplied.raw, "the other market's cash is none of the vault's"
    assert "forceDeallocate" in state.exit.limit and "for 1 % of it" in state.exit.limit

    # The relative cap goes by what the vault had before the deposit.
    data = bytes.fromhex(site.at["vault_v2_adapter"][2:]).rjust(32, b"\0")
    whole = (64).to_bytes(32, "big") + data + (4).to_bytes(32, "big") + b"this".ljust(32, b"\0")
    await change("setCaps", whole, 2**127, 95 * 10**16)
    state = await chain.state(market)
    assert state.capacity is not None and abs(state.capacity.raw - 0.0495 * M) < 0.001 * M

    await change("setMaxRate", 0)  # the vault lets itself grow no more: nothing is earned, but for the yearly fee
    await chain.wait(30 * DAY)
    state = await chain.state(market)
    assert "rate-held-back" in state.flags and -0.0002 < state.curve.apr(float(state.held), DAYS_30) < 0.0

    gate = await site.d.deploy(own()["GateDouble"])
    await change("setGate", 3, gate.address)  # on sending assets
    assert (await chain.state(market)).status is Status.FROZEN
    await change("setGate", 1, gate.address)  # on sending shares: keeps depositors in
    state = await chain.state(market)
    assert state.status is Status.PAUSED and "gate-on-exits" in state.flags and not state.withdrawable
    await site.d.send(gate, "set", chain.owner, True)
    assert (await chain.state(market)).status is Status.ACTIVE

    await change("setLiquidityAdapterAndData", NOBODY, b"")  # deposits stay idle, exits are paid from what is idle
    state = await chain.state(await named(chain, "v2USDC"))
    assert state.capacity is None and state.liquidity.raw == 0.1 * M
    elsewhere = (market.address, gate.address, site.at["irm"])  # it lends in another Morpho
    await change("addAdapter", (await site.d.deploy(own()["MarketAdapterDouble"], *elsewhere)).address)
    (doubt,) = (await chain.state(await named(chain, "v2USDC"))).doubts
    assert "of no known kind" in doubt


async def test_an_adapter_of_a_vault_v2_that_says_more_than_there_is(chain: Accuracy, site: Site) -> None:
    """A stranger's adapter counts shares that Morpho does not have: what is held is Morpho's number."""
    market = await named(chain, "v2USDC")
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    key = keccak(encode(["bytes32", "uint256"], [bytes.fromhex(market.params["markets"][0]), 1]))
    at, place = site.at["vault_v2_adapter"], f"0x{key.hex()}"
    there = int(await chain.node.request("eth_getStorageAt", [at, place, "latest"]), 16)
    await chain.node.request("anvil_setStorageAt", [at, place, f"0x{2 * there:064x}"])
    await chain.wait(1)
    state = await chain.state(market)
    assert any("its markets hold" in doubt and "totalAssets says" in doubt for doubt in state.doubts)


async def test_a_yearn_vault_says_what_its_strategies_lost_and_names_the_loss_that_it_accepts(
    chain: Accuracy, site: Site
) -> None:
    async def vault(function: str, *args: Any) -> None:
        await site.send("yearn_vault", "YearnV3Double", function, *args)

    market = await named(chain, "yvUSDC")
    await chain.history()
    await chain.deposit(market, M // 2, chain.owner)
    state = await chain.state(market)
    assert state.capacity is not None and 1.4 * M < state.capacity.raw < 1.5 * M, "the deposit limit less what is there"
    assert state.cash is not None and 0.77 * M < state.cash.raw < 0.79 * M, "idle money, and a tenth of each strategy's"
    assert state.withdrawable == state.held and not state.doubts and state.opaque

    # 200,000 of it must come from the first strategy, which loses half of its cash: its share of the loss is ours.
    await site.send("yearn_first", "StrategyDouble", "lose", 25_000 * 10**6)
    await vault("update_debt", site.at["yearn_second"], 500_000 * 10**6)
    await vault("update_debt", site.at["yearn_second"], 800_000 * 10**6)
    hurt = await chain.state(market)
    (doubt,) = hurt.doubts
    assert "the vault counts" in doubt and "loss-beyond-the-accepted" in hurt.flags
    assert hurt.held < state.held and not hurt.withdrawable
    adapter = chain.adapters["yearn_v3"]
    (call,) = adapter.withdraw(hurt, None, chain.owner)
    assert "with a loss of at most 0.01 %" in call.description
    with pytest.raises(NodeRefused) as refused:
        await chain.node.call(call.to, call.data, sender=chain.owner)
    assert adapter.explain_revert(refused.value.data) == "too much loss"
    shares = abi("erc4626").encode("redeem", hurt.shares, chain.owner, chain.owner)  # without a limit any loss is taken
    paid = int.from_bytes(await chain.node.call(market.address, shares, sender=chain.owner), "big")
    assert abs(paid - hurt.held.raw) <= 2 and paid < state.held.raw - 1_000 * 10**6

    await vault("process_report", site.at["yearn_first"])  # the loss is everybody's now
    after = await chain.state(market)
    assert not after.doubts and after.withdrawable == after.held
    await vault("set_withdraw_limit_module", market.address)
    assert not (await chain.state(market)).withdrawable
    await vault("shutdown_vault")
    state = await chain.state(market)
    assert state.status is Status.FROZEN and state.capacity is not None and not state.capacity


async def test_bad_debt_of_an_isolated_pool_counts_in_its_price_and_earns_nothing(chain: Accuracy, site: Site) -> None:
    async def pool(function: str, *args: Any) -> None:
        await site.send("venus_isolated", "IsolatedVTokenDouble", function, *args)

    async def comptroller(function: str, *args: Any) -> None:
        await site.send("venus_comptroller", "IsolatedComptrollerDouble", function, *args)

    market = await named(chain, "Venus isolated (double)")
    await chain.history()
    await chain.deposit(market, M // 100, chain.owner)
    before = await chain.state(market)
    assert before.market.params["clock"] == "seconds_as_blocks" and not before.doubts
    await pool("writeOff", 100_000 * 10**6)  # a debt that nobody will pay
    await chain.wait(1)
    after = await chain.state(market)
    assert after.held >= before.held, "the price of a share does not know it"
    assert 0 < before.quoted.value - after.quoted.value < 0.13 * before.quoted.value, (
        "an eighth of the debts pays no more"
    )
    (owed, doubt) = after.doubts
    assert "bad debt" in doubt and "bad-debt" in after.flags and owed
    start = after
    await chain.wait(30 * DAY)
    end = await chain.state(market)
    grown = end.held.raw / start.held.raw - 1
    predicted = start.curve.apr(float(start.held), DAYS_30) * DAYS_30 / SECONDS_PER_YEAR
    assert abs(grown - predicted) < 1e-6
    await comptroller("pause", market.address, 0, True)
    assert (await chain.state(market)).status is Status.FROZEN
    await comptroller("pause", market.address, 1, True)
    state = await chain.state(market)
    assert state.status is Status.PAUSED and not state.withdrawable
    await comptroller("pause", market.address, 0, False)
    await comptroller("pause", market.address, 1, False)
    await comptroller("cap", market.address, 2**256 - 1)  # no cap
    assert (await chain.state(market)).capacity is None
    await comptroller("cap", market.address, 0)  # no room
    assert (await chain.state(market)).status is Status.FROZEN
