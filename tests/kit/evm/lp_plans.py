"""A job that may provide liquidity on the sandbox, and trades that pay fees to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.model.address import checksummed
from yieldbot.model.market import Kind, MarketState, Snapshot
from yieldbot.model.units import MAX_UINT256
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

BASE = """
[policy.bases.USD]
unit = "USD"
assets = { USDC = 1.0, DAI = 1.0 }
liquidity = true

[policy.alarms]
off = ["SPIKE"]
"""
ROUTER = "@uniswap/v3-periphery/artifacts/contracts/SwapRouter.sol/SwapRouter.json"
POOL = "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json"
WEIGHED = "erc4626 = 15"
EVERY = 1800


@pytest.fixture
def pools(sandbox: Sandbox) -> Sandbox:
    """The sandbox with one job that may provide liquidity to the pool of its two stablecoins."""
    text = sandbox.config.read_text()
    assert text.count('asset = "USDC"') == 1 and text.count(WEIGHED) == 1
    sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
    return sandbox


def trade(sandbox: Sandbox, *dollars: int) -> None:
    """Swaps in the pool of both stablecoins, half an hour apart. dollars: the amount of each; positive: USDC goes in,
    negative: DAI."""

    async def run() -> None:
        async with sandbox.node() as node:
            accounts = await node.request("eth_accounts", [])
            d, at = Deployer(node, [checksummed(account) for account in accounts]), sandbox.addresses
            router = Contract(at["uniswap_router"], packaged(ROUTER).abi)
            erc20 = packaged("@uniswap/v2-periphery/build/ERC20.json").abi
            pool = Contract(at["uniswap_stable_pool"], packaged(POOL).abi)
            await d.send(pool, "increaseObservationCardinalityNext", 200)
            for token in ("usdc", "dai"):
                await d.send(Contract(at[token], erc20), "approve", router.address, MAX_UINT256)
            for whole in dollars:
                pair = (at["usdc"], at["dai"]) if whole > 0 else (at["dai"], at["usdc"])
                raw = abs(whole) * (10**6 if whole > 0 else 10**18)
                await d.send(router, "exactInputSingle", (*pair, 100, d.me, 2**40, raw, 0, 0))
                await d.warp(EVERY)

    asyncio.run(run())


BUSY = (200_000, -200_000) * 20


def pool_of(snapshot: Snapshot | None) -> MarketState:
    assert snapshot is not None
    (found,) = [state for state in snapshot.markets if state.market.kind is Kind.LIQUIDITY]
    return found


def run_job(sandbox: Sandbox) -> cycle.Report:
    async def run() -> cycle.Report:
        with world(sandbox) as w:
            return await cycle.run_job(w, w.settings.jobs[0])

    return asyncio.run(run())
