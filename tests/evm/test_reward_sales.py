"""Rewards sold over a real Uniswap v3 pool: Aave pays in WETH, which is claimed and swapped into the job's USDC."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit import incentives
from tests.kit.contracts import mined
from tests.kit.evm.world import transactions, world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.execution.approvals import Queue
from yieldbot.journal.unsold_rewards import unsold
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox


async def earning(sandbox: Sandbox, policy: str) -> None:
    async with sandbox.node() as node:
        await incentives.pay_in_weth(node, sandbox.addresses)
    file, pool = sandbox.directory / "chains" / "sandbox.toml", sandbox.addresses["aave_pool"]
    controller = f'rewards_controller = "{sandbox.addresses["aave_rewards"]}"'
    file.write_text(file.read_text().replace(f'pool = "{pool}"', f'pool = "{pool}"\n{controller}', 1))
    sandbox.config.write_text(sandbox.config.read_text().replace("[policy]", f"[policy]\n{policy}", 1))


async def test_what_was_claimed_is_sold_and_nothing_else(sandbox: Sandbox) -> None:
    await earning(sandbox, "sell_rewards = true")
    sandbox.rpc("anvil_impersonateAccount", sandbox.wallet)
    deposit = {"from": sandbox.wallet, "to": sandbox.addresses["weth"], "data": "0xd0e30db0", "value": hex(10**17)}
    mined(sandbox, deposit)  # WETH of our own, which no claim brought
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        assert job.sale is not None
        assert paper(sandbox, "--wealth", "100000", "--coin", "USDC")["plans"] == 1
        assert (await cycle.run_job(w, job)).outcomes
        sandbox.warp(10)
        kinds, beside = [], []
        for _ in range(6):
            beside.append(paper(sandbox))
            report = await cycle.run_job(w, job)
            plan = report.decision.outcome
            assert report.declined is None
            if isinstance(plan, Hold):
                break
            kinds.append({leg.kind for leg in plan.legs})
            if kinds[-1] == {LegKind.SWAP}:
                sale = report
        assert isinstance(plan, Hold) and kinds.index({LegKind.CLAIM}) < kinds.index({LegKind.SWAP})
        plan = sale.decision.outcome
        assert isinstance(plan, Plan) and plan.asset == job.asset and plan.moves == ()
        (leg,) = plan.legs
        assert leg.gets is not None and leg.gets.token == job.asset and leg.gets.raw > 10 * 10**6
        *_, (_, swapped) = sale.outcomes
        assert isinstance(swapped, Confirmed)
        changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
        assert changed["WETH"] == -leg.amount.raw and changed["USDC"] >= leg.gets.raw
        (reward,) = (r for s in report.snapshot.states.values() for r in s.rewards)
        assert reward.in_wallet.raw == 10**17, "our own WETH stays"
        assert unsold(w.journal.history(), job.chain.chain, job.wallet.address) == {}
    claimed, sold = beside[kinds.index({LegKind.CLAIM})], beside[-1]
    assert claimed["unsold"] == pytest.approx(claimed["rewards"]) and claimed["sold"] == 0.0 < claimed["rewards"]
    assert sold["unsold"] == 0.0 and sold["sold"] == pytest.approx(changed["USDC"] / 10**6, rel=1e-2)
    costs = sold["gas"] + sold["swapped"] + sold["entered"]
    assert sold["value"] == pytest.approx(
        100_000 + sold["earned"] + sold["rewards"] + sold["repriced"] - costs, abs=1e-4
    )


def paper(sandbox: Sandbox, *words: str) -> Any:
    """The ledger of a paper wallet after one more step."""
    ended = yieldbot("--json", "paper", *words, cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    (one,) = ended.document["wallets"]
    return one["ledger"]


async def test_rewards_are_kept_unless_the_policy_says_so(sandbox: Sandbox) -> None:
    await earning(sandbox, "")
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        assert job.sale is None
        await cycle.run_job(w, job)
        sandbox.warp(10)
        for _ in range(4):
            report = await cycle.run_job(w, job)
            if isinstance(report.decision.outcome, Hold):
                break
        sent = transactions(sandbox)
        assert unsold(w.journal.history(), job.chain.chain, job.wallet.address)
        assert isinstance((await cycle.run_job(w, job)).decision.outcome, Hold) and transactions(sandbox) == sent


async def test_a_job_over_several_assets_sells_into_the_one_that_brings_most(sandbox: Sandbox) -> None:
    """DAI is its first asset, and no pool trades WETH for it: by prices that agree only USDC can be had."""
    await earning(sandbox, "sell_rewards = true")
    text = sandbox.config.read_text().replace('asset = "USDC"', 'base = "USD"')
    sandbox.config.write_text(text + '\n[policy.bases.USD]\nunit = "USD"\nassets = { DAI = 0.3, USDC = 1.0 }\n')
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        assert job.asset.symbol == "DAI" and job.sale is not None
        assert (await cycle.run_job(w, job)).outcomes
    sandbox.warp(10)
    for _ in range(8):  # money may be moved before the claim and after it
        with world(sandbox, Queue) as w:
            report = await cycle.run_job(w, job)
        plan, seen = report.decision.outcome, report.snapshot
        assert isinstance(plan, Plan) and report.declined.code == "QUEUED"
        if plan.sold is not None:
            break
        assert yieldbot("approve", plan.id, cwd=sandbox.directory).code == 0
    assert plan.sold is not None
    (leg,) = plan.legs
    assert leg.kind is LegKind.SWAP and leg.gets.token.symbol == "USDC" and leg.gets.raw > 10 * 10**6
    assert plan.asset == job.asset == plan.sold.token
    assert float(plan.sold) == pytest.approx(float(leg.gets), rel=1e-3)
    before = {state.market.asset.symbol: state.held.raw for state in seen.idle}
    ended = yieldbot("--json", "approve", plan.id, cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    with world(sandbox) as w:
        assert unsold(w.journal.history(), job.chain.chain, job.wallet.address) == {}
        after = await cycle.observe_job(w, job)
        held = {state.market.asset.symbol: state.held.raw for state in after.idle}
        assert held["USDC"] - before["USDC"] >= leg.gets.raw and held["DAI"] == before["DAI"]
        gained = float(after.wealth(job.asset)) - float(seen.wealth(job.asset))
        assert gained == pytest.approx(float(leg.gets), rel=0.01), "in the books of wealth once, as what it brought"
