"""Plans that provide liquidity on real Uniswap v3 while the world goes against them: slow blocks, pushed prices, a pool
that does not take the money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.evm.lp_plans import BASE, BUSY, ROUTER, WEIGHED, pool_of, pools, run_job, trade
from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.chains.evm.liquidity import execute as provide
from yieldbot.chains.open import session
from yieldbot.execution.approvals import DeclineAll
from yieldbot.model.address import checksummed
from yieldbot.model.plan import Declined, LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox

__all__ = ["BASE", "pools"]

ERC20 = "@uniswap/v2-periphery/build/ERC20.json"


async def acting(sandbox: Sandbox, act: Callable[[Deployer], Awaitable[None]]) -> None:
    async with sandbox.node() as node:
        await act(Deployer(node, [checksummed(account) for account in await node.request("eth_accounts", [])]))


async def push(sandbox: Sandbox, dollars: int) -> None:
    """A swap in the pool of both dollars, in no time; more than 0: USDC goes in, less: DAI."""

    async def swap(d: Deployer) -> None:
        at = sandbox.addresses
        pair = (at["usdc"], at["dai"]) if dollars > 0 else (at["dai"], at["usdc"])
        raw = abs(dollars) * (10**6 if dollars > 0 else 10**18)
        router = Contract(at["uniswap_router"], packaged(ROUTER).abi)
        await d.send(router, "exactInputSingle", (*pair, 100, d.me, 2**40, raw, 0, 0))

    await acting(sandbox, swap)


def dry(sandbox: Sandbox) -> cycle.Report:
    async def run() -> cycle.Report:
        with world(sandbox, DeclineAll) as w:
            return await cycle.run_job(w, w.settings.jobs[0])

    return asyncio.run(run())


def nonce(sandbox: Sandbox) -> int:
    return int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "latest"), 16)


def provides(report: cycle.Report) -> bool:
    """Whether its plan has a leg of liquidity."""
    assert report.decision is not None and isinstance(report.decision.outcome, Plan)
    return any(leg.market_id == pool_of(report.snapshot).market.id for leg in report.decision.outcome.legs)


def test_each_call_has_a_deadline_of_its_own(pools: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    trade(pools, *BUSY)
    real, calls = provide.transact, []

    async def slow(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        await acting(pools, lambda d: d.warp(150))  # seven transactions: longer than one call may take (600 s)
        return await real(*args, **kwargs)

    monkeypatch.setattr(provide, "transact", slow)
    report = run_job(pools)
    assert len(calls) > 4 and report.declined is None and not report.failed
    assert pool_of(report.after).held.raw > 0


def test_a_leg_that_would_outlive_its_plan_is_not_begun(pools: Sandbox) -> None:
    trade(pools, *BUSY)
    assert provides(dry(pools))
    chain = pools.directory / "chains" / "sandbox.toml"
    text = chain.read_text()
    assert text.count('finality = "latest"') == 1
    chain.write_text(
        text.replace('finality = "latest"', "finality = 2")
    )  # blocks of the last trades: half an hour each
    slow = dry(pools)
    assert slow.rehearsal is not None and not provides(slow), "the rest is done without the pool"
    pools.config.write_text(pools.config.read_text().replace("[policy]", "[policy]\nplan_ttl_seconds = 100000"))
    assert provides(dry(pools))


def test_nothing_is_put_in_at_a_price_that_was_pushed_after_the_swap(
    pools: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(pools, *BUSY)
    real = provide.transact

    async def pushed(*args: Any, **kwargs: Any) -> Any:
        outcome = await real(*args, **kwargs)
        if args[2].description.startswith("swap") and isinstance(outcome, Confirmed):
            await push(pools, 120_000)  # 12 bp: the new range has the price in it still
        return outcome

    monkeypatch.setattr(provide, "transact", pushed)
    report = run_job(pools)
    assert report.declined is not None and report.declined.code == "PRICE_IMPACT"
    assert pool_of(report.after).liquidity_market is not None and not pool_of(report.after).shares
    monkeypatch.undo()
    asyncio.run(push(pools, -120_000))
    assert pool_of(run_job(pools).after).held.raw > 0


def test_nothing_is_taken_out_at_a_price_that_was_pushed(pools: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    trade(pools, *BUSY)
    held = pool_of(run_job(pools).after)
    pools.config.write_text(pools.config.read_text().replace(WEIGHED, f"{WEIGHED}\nuniswap_v3_lp = 9000"))
    real, before = provide.rehearse, nonce(pools)

    async def pushed(*args: Any, **kwargs: Any) -> Any:
        found = await real(*args, **kwargs)
        await push(pools, 500_000)
        return found

    monkeypatch.setattr(provide, "rehearse", pushed)
    report = run_job(pools)
    assert report.declined is not None and report.declined.code == "PRICE_IMPACT"
    assert nonce(pools) == before and pool_of(report.after).shares == held.shares


def test_a_range_far_from_the_approved_one_is_refused_before_anything_moves(pools: Sandbox) -> None:
    trade(pools, *BUSY)
    run_job(pools)
    trade(pools, 180_000)
    report = dry(pools)
    assert report.decision is not None and report.snapshot is not None
    plan = report.decision.outcome
    assert isinstance(plan, Plan)
    (leg,) = plan.legs
    assert leg.kind is LegKind.REBALANCE and leg.ticks is not None

    async def rehearsed(moved: int) -> object:
        assert leg.ticks is not None and report.snapshot is not None
        ticks = (leg.ticks[0] + moved, leg.ticks[1] + moved)
        with world(pools) as w:
            async with session(w, w.settings.jobs[0]) as live:
                return await live.rehearse(replace(plan, legs=(replace(leg, ticks=ticks),)), report.snapshot)

    for moved in (0, 40):
        assert not isinstance(asyncio.run(rehearsed(moved)), Declined)
    for moved in (-200, 200):
        refused = asyncio.run(rehearsed(moved))
        assert isinstance(refused, Declined) and refused.code == "NOT_IN_PLAN"


def test_a_pool_that_the_plans_own_swap_moves_too_far_does_not_keep_the_rest_back(pools: Sandbox) -> None:
    trade(pools, *BUSY)

    async def rich(d: Deployer) -> None:
        await d.send(
            Contract(pools.addresses["usdc"], packaged(ERC20).abi), "transfer", pools.wallet, 2_000_000 * 10**6
        )

    asyncio.run(acting(pools, rich))
    report = dry(pools)
    assert report.rehearsal is not None and report.decision is not None
    plan = report.decision.outcome
    assert isinstance(plan, Plan) and not provides(report)
    assert any(leg.kind is LegKind.SWAP for leg in plan.legs)
