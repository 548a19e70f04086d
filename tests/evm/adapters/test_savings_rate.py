"""Savings vaults with a stated rate: integers to the unit, growth over a month, and what owners can do to an exit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tests.bench.accuracy import DAYS_30, Accuracy
from yieldbot.chains.evm.check_tables import fault_of
from yieldbot.errors import MarketError
from yieldbot.math.savings_rate import RAY
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address
from yieldbot.model.market import Market, MarketState, Status
from yieldbot.model.units import MAX_UINT256, SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import abi, selector_of
from yieldbot.protocols.evm.backing import root_of
from yieldbot.protocols.evm.standing import stands_on
from yieldbot.sandbox.evm.node import Sandbox

NEEDS = ("savings_rate",)
SET_ORACLE = selector_of("setSUSDSData((uint96,uint120,uint40))")
HALTED = MAX_UINT256
A_MILLION = 10**6


def called(signature: str, *values: object) -> bytes:
    types = signature.partition("(")[2][:-1]
    return selector_of(signature) + encode(types.split(",") if types else [], values)


async def all_of(chain: Accuracy, sandbox: Sandbox) -> dict[str, Market]:
    """Every savings market by flavour, that of USDS among them, which is no token of the sandbox's chain file."""
    usds = Token(chain.job.chain.chain, Address(sandbox.addresses["usds"]), "USDS", 18)
    table = {"flavour": "susds", "vaults": [sandbox.addresses["susds"]]}
    rows = [one for one in chain.job.chain.deployments if one.protocol == "savings_rate"]
    rows.append(Deployment("savings_rate", chain.job.chain.chain, "Sky", table, (usds,)))
    found = await chain.node.run(
        [chain.adapters["savings_rate"].discover(one) for one in rows], await chain.node.block()
    )
    return {market.params["flavour"]: market for markets in found if isinstance(markets, tuple) for market in markets}


async def put(chain: Accuracy, market: Market, raw: int) -> MarketState:
    """Deposit ``raw`` of the market's own asset, which anybody may mint."""
    await chain.send(market.asset.address, called("mint(address,uint256)", chain.owner, raw))
    state = await chain.state(market)
    await chain.do(chain.adapters["savings_rate"].deposit(state, market.asset.amount(raw), chain.owner), chain.owner)
    return await chain.state(market)


async def test_a_month_pays_to_the_unit_what_the_state_before_says(chain: Accuracy, own_sandbox: Sandbox) -> None:
    markets = await all_of(chain, own_sandbox)
    assert set(markets) == {"susds", "sdai", "spark", "susdc", "susdc_l2"}
    put_in = {name: await put(chain, market, 40_000 * market.asset.one) for name, market in markets.items()}
    await chain.wait(DAYS_30)
    for name, market in markets.items():
        before, after = put_in[name], await chain.state(market)
        seconds = after.block.timestamp - before.block.timestamp
        said = before.curve.apr(float(before.held), seconds) * seconds / SECONDS_PER_YEAR
        assert after.held.raw == pytest.approx(before.held.raw * (1 + said), abs=2 + before.held.raw / 10**9)
        assert after.doubts == ()
        assert after.index is not None and before.index is not None
        stated = await chain.node.call(market.address, called("previewRedeem(uint256)", after.shares))
        assert after.held.raw == int.from_bytes(stated, "big")  # to the unit
        before_raw = await balance(chain, market)
        await chain.do(chain.adapters["savings_rate"].withdraw(after, None, chain.owner), chain.owner)
        paid = await balance(chain, market) - before_raw
        assert after.held.raw <= paid <= after.held.raw * (1 + 1e-6) + 1
        left = await chain.state(market)
        assert (left.shares, left.held.raw) == (0, 0)


async def balance(chain: Accuracy, market: Market) -> int:
    data = abi("erc20").encode("balanceOf", chain.owner)
    return int.from_bytes(await chain.node.call(market.asset.address, data), "big")


async def test_what_the_psm_of_ethereum_charges_and_refuses(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, psm = (await all_of(chain, own_sandbox))["susdc"], own_sandbox.addresses["lite_psm"]
    pocket = own_sandbox.addresses["lite_psm_pocket"]

    async def fee(name: bytes, raw: int) -> MarketState:
        await chain.send(psm, called("file(bytes32,uint256)", name.ljust(32, b"\0"), raw))
        return await chain.state(market)

    state = await put(chain, market, 10_000 * market.asset.one)
    free = state.curve.apr(2e4, DAYS_30)
    assert state.entry_cost_bps == 0.0
    assert state.capacity is not None and state.capacity.raw == (2 * A_MILLION - 10_000) * market.asset.one
    charged = await fee(b"tout", 10**16)  # 1 %
    assert charged.held.raw == pytest.approx(state.held.raw / 1.01, rel=1e-6)
    assert charged.entry_cost_bps == pytest.approx(10_000 * (1 - 1 / 1.01))
    assert charged.curve.apr(2e4, DAYS_30) < free < charged.curve.apr(float(charged.held), DAYS_30) + 1e-9
    assert (await fee(b"tout", HALTED)).status is Status.PAUSED
    assert (await fee(b"tout", 0)).status is Status.ACTIVE
    frozen = await fee(b"tin", HALTED)
    assert frozen.status is Status.FROZEN and frozen.capacity is not None and not frozen.capacity
    assert frozen.withdrawable == frozen.held
    await fee(b"tin", 0)
    await chain.send(pocket, called("allow(address,address,uint256)", market.asset.address, psm, 7 * market.asset.one))
    withheld = await chain.state(market)  # the pocket's USDC is there, and the PSM may not take it
    assert withheld.liquidity.raw == withheld.withdrawable.raw == 7 * market.asset.one
    assert "thin-liquidity" in withheld.flags


async def test_the_pocket_of_a_rollup_may_move_at_once(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, psm = (await all_of(chain, own_sandbox))["susdc_l2"], own_sandbox.addresses["psm3"]
    other = own_sandbox.addresses["lite_psm_pocket"]
    assert market.params["owner"] and market.params["pocket"] == market.params["psm"] == psm
    assert {one.name for one in stands_on(market, {})} >= {"vault", "PSM", "sUSDS", "SSR oracle"}
    await chain.send(other, called("allow(address,address,uint256)", market.asset.address, psm, MAX_UINT256))
    await chain.send(psm, called("setPocket(address)", other))
    block = await chain.node.block()
    adapter = chain.adapters["savings_rate"]
    (stopped,) = await chain.node.run([adapter.observe(market, chain.owner, block)], block)
    assert isinstance(stopped, MarketError) and "moved" in str(stopped)
    moved = (await all_of(chain, own_sandbox))["susdc_l2"]
    state = await put(chain, moved, 1_000 * market.asset.one)
    assert moved.params["pocket"] == other and state.withdrawable == state.held
    await chain.send(other, called("allow(address,address,uint256)", market.asset.address, psm, 0))
    assert not (await chain.state(moved)).withdrawable
    await chain.wait(15 * 86_400)
    assert any("its oracle learnt the rate" in flag for flag in (await chain.state(moved)).flags)


async def test_what_spark_takes_out_cannot_be_withdrawn(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, one = (await all_of(chain, own_sandbox))["spark"], chain.job.asset.one
    state = await put(chain, market, 5_000 * one)
    assert "thin-liquidity" not in state.flags and any("between 0.00% and 9.5" in flag for flag in state.flags)
    assert 0.3 < root_of(state, {}).held.unknown < 0.5
    await chain.send(market.address, called("take(uint256)", state.liquidity.raw - 100 * one))
    thin = await chain.state(market)
    assert thin.withdrawable.raw == 100 * one and "thin-liquidity" in thin.flags and "100%" in thin.exit.limit
    adapter = chain.adapters["savings_rate"]
    for calls in (adapter.withdraw(thin, None, chain.owner), adapter.withdraw(thin, thin.held, chain.owner)):
        assert not await chain.try_send(calls[0].to, calls[0].data, chain.owner)
    part: Sequence = adapter.withdraw(thin, thin.withdrawable, chain.owner)
    await chain.do(part, chain.owner)
    await chain.send(market.address, called("setDepositCap(uint256)", MAX_UINT256))
    assert (await chain.state(market)).capacity is None


async def test_check_names_a_vault_of_another_psm(chain: Accuracy) -> None:
    rows = [one for one in chain.job.chain.deployments if one.params.get("psm")]
    block = await chain.node.block()
    assert [await fault_of(chain.node, one, block) for one in rows] == [None, None]
    psms = [one.params["psm"] for one in rows]
    for row, other in zip(rows, reversed(psms), strict=True):
        crossed = replace(row, params={**row.params, "psm": other})
        fault = await fault_of(chain.node, crossed, block)
        assert fault is not None and fault[1] == "psm" and "is of the PSM" in fault[0]
        (found,) = await chain.node.run([chain.adapters["savings_rate"].discover(crossed)], block)
        assert isinstance(found, MarketError) or all("unfit" in market.params for market in found)


async def test_numbers_that_no_savings_rate_has_are_refused(chain: Accuracy, own_sandbox: Sandbox) -> None:
    market, oracle = (await all_of(chain, own_sandbox))["susdc_l2"], own_sandbox.addresses["ssr_oracle"]
    block = await chain.node.block()
    sane = (RAY + 10**18, RAY + 10**25, block.timestamp - 5)
    for ssr, chi, rho in (
        (RAY + 10**21, *sane[1:]),
        (sane[0], RAY // 2, sane[2]),
        (*sane[:2], block.timestamp - 2**29),
    ):
        await chain.send(oracle, SET_ORACLE + encode(["uint256"] * 3, [ssr, chi, rho]))
        now = await chain.node.block()
        (found,) = await chain.node.run([chain.adapters["savings_rate"].observe(market, chain.owner, now)], now)
        assert isinstance(found, MarketError)
