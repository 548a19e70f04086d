"""A job whose plans may provide liquidity, on real Uniswap v3: in by the low end, exact amounts, new ranges, out."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.evm.liquidity import shut_from_now_on, without_decrease
from tests.kit.evm.lp_plans import BUSY, WEIGHED, pool_of, run_job, trade
from tests.kit.evm.lp_plans import pools as pools
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.chains.evm.liquidity import execute as provide
from yieldbot.errors import TransientError
from yieldbot.execution.approvals import Queue
from yieldbot.model.address import checksummed
from yieldbot.model.liquidity import PoolPosition
from yieldbot.model.market import Status
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.deployer import Contract, Deployer
from yieldbot.sandbox.evm.node import Sandbox


def near(position: PoolPosition, approved: tuple[int, int] | None) -> bool:
    """As wide as was approved, moved by what our own swaps moved the price, with the price well inside."""
    assert position.ticks is not None and approved is not None
    (low, high), half = position.ticks, (approved[1] - approved[0]) // 2
    centred = abs(position.state.tick - (low + high) // 2) <= max(2, half // 4)
    return centred and high - low == approved[1] - approved[0] and abs(low - approved[0]) <= 31


def paper_step(sandbox: Sandbox, *words: str) -> Any:
    """The paper wallet after one more step."""
    ended = yieldbot("--json", "paper", *words, cwd=sandbox.directory)
    assert ended.code == 0, ended.err
    (one,) = ended.document["wallets"]
    return one


def paper_held(paper: Any, market_id: str) -> int:
    """Base units that leaving the paper wallet's position would bring."""
    return sum(int(one["amount"]["raw"]) for one in paper["ledger"]["positions"] if one["market_id"] == market_id)


def pool_pnl(sandbox: Sandbox) -> Any:
    """The one pool's row of profit and loss."""
    (row,) = yieldbot("--json", "positions", cwd=sandbox.directory).document["liquidity"][0]["markets"]
    assert row["pnl_unknown"] is None
    return row


def test_a_plan_provides_liquidity_lays_its_range_anew_and_leaves(pools: Sandbox) -> None:
    quiet = yieldbot("--json", "plan", cwd=pools.directory).document["jobs"][0]["plan"]
    assert not any("_lp/" in leg["market_id"] for leg in quiet["legs"]), "no fees were paid: nothing enters"
    trade(pools, *BUSY)
    paper = paper_step(pools, "--wealth", "100000", "--coin", "USDC")

    # In: exactly the amount, over the range that was approved, worth what was put in less what swaps cost.
    report = run_job(pools)
    assert report.declined is None and not report.failed and report.decision is not None
    plan, before = report.decision.outcome, pool_of(report.snapshot)
    assert isinstance(plan, Plan) and plan.allocation.certificate.gap_bps < 0.1
    (leg,) = [step for step in plan.legs if step.market_id == before.market.id]
    assert (
        leg.kind is LegKind.DEPOSIT
        and leg.ticks is not None
        and before.liquidity_market is not None
        and not before.held
    )
    entered = [outcome for step, outcome in report.outcomes if step == leg]
    assert all(isinstance(outcome, Confirmed) for outcome in entered)
    sums: dict[str, int] = {}
    for outcome in entered:
        assert isinstance(outcome, Confirmed)
        for delta in outcome.deltas:
            sums[delta.token.symbol] = sums.get(delta.token.symbol, 0) + delta.raw
    assert -leg.amount.raw <= sums["USDC"] <= -leg.amount.raw + 2 and 0 <= sums["DAI"] < 10**9
    held = pool_of(report.after)
    assert held.liquidity_market is not None and held.status is Status.ACTIVE
    (ours,) = held.liquidity_market.positions
    assert near(ours, leg.ticks)
    assert [(one["kind"], one["amount"]["raw"]) for one in paper["plan"]["legs"]] == [
        (one.kind.value, str(one.amount.raw)) for one in plan.legs
    ], "a paper wallet decides as the real one"
    assert paper_held(paper, leg.market_id) == pytest.approx(held.held.raw, rel=5e-4), (
        "nobody has brought back the price here that the real swap moved"
    )
    cost_bps = (1 - held.held.raw / leg.amount.raw) * 10_000
    assert 0 < cost_bps <= before.entry_cost_bps
    assert isinstance(run_job(pools).decision.outcome, Hold)  # type: ignore[union-attr]

    # Fees come in; predicted and earned are told beside those of other markets, and counted once.
    trade(pools, *BUSY[:20])  # as many blocks as fees are looked for in
    document = yieldbot("--json", "positions", cwd=pools.directory).document
    (row,) = [p for job in document["jobs"] for p in job["positions"] if p["id"] == leg.market_id]
    (shown,) = document["liquidity"][0]["positions"]
    assert int(row["earned"]["raw"]) > 0 and shown["in_range"]
    paper = paper_step(pools)
    assert paper_held(paper, leg.market_id) == pytest.approx(int(row["held"]["raw"]), rel=2e-3)
    guessed = paper["ledger"]["earned_by_quotes"]
    # Nobody's fees are counted in just this range: an estimate, by the time that the oracle saw in it, while each swap
    # went through all of it.
    assert guessed == paper["ledger"]["fees"] and 0.5 < guessed / shown["fees_usd"] < 1.05

    told = pool_pnl(pools)["pnl"]
    begun, worth = told["since"], sum(Decimal(side["text"]) for side in told["worth"])
    given = Decimal(sums["USDC"]).scaleb(-6) + Decimal(sums["DAI"]).scaleb(-18)
    assert Decimal(told["total"]) == round(worth + given, 10)

    # Out of range: laid anew by a plan of its own, with nothing of the wallet's.
    trade(pools, 180_000)
    paper = paper_step(pools)
    out = run_job(pools)
    assert out.declined is None and not out.failed and out.decision is not None
    plan, gone = out.decision.outcome, pool_of(out.snapshot)
    assert isinstance(plan, Plan) and gone.flags == ("out-of-range",)
    (anew,) = plan.legs
    assert anew.kind is LegKind.REBALANCE and anew.amount == gone.held and anew.ticks != leg.ticks
    fresh = pool_of(out.after)
    assert fresh.liquidity_market is not None and anew.ticks is not None
    (position,) = fresh.liquidity_market.positions
    assert near(position, anew.ticks)
    assert paper["plan"]["legs"][0]["kind"] == "rerange"
    assert paper["ledger"]["fees"] > guessed
    assert paper_held(paper, leg.market_id) == pytest.approx(fresh.held.raw, rel=1e-3)
    assert fresh.held.raw > gone.held.raw * (1 - gone.entry_cost_bps / 10_000)
    for token in out.after.assets if out.after else ():
        was, now = (
            next(s.held.raw for s in snapshot.idle if s.market.asset == token) for snapshot in (out.snapshot, out.after)
        )
        assert was <= now <= was + token.one // 1000

    # Out: its risk is no longer thought to be paid for, by far: what the fees of so few hours are in a year depends on
    # the seconds that they took, and half a position earns a higher rate. To the unit what it was said to be worth.
    pools.warp(3)
    text = pools.config.read_text()
    pools.config.write_text(text.replace(WEIGHED, f"{WEIGHED}\nuniswap_v3_lp = 9000"))
    left = run_job(pools)
    assert left.declined is None and not left.failed and left.decision is not None
    plan, last = left.decision.outcome, pool_of(left.snapshot)
    assert isinstance(plan, Plan)
    leaving = plan.legs[0]
    assert (leaving.kind, leaving.market_id, leaving.all) == (LegKind.WITHDRAW, last.market.id, True)
    brought = sum(
        delta.raw
        for step, outcome in left.outcomes
        if step == leaving and isinstance(outcome, Confirmed)
        for delta in outcome.deltas
        if delta.token == leaving.amount.token
    )
    assert abs(brought - last.held.raw) <= 1 and not pool_of(left.after).held
    accounts = yieldbot("--json", "allowances", cwd=pools.directory).document["accounts"]
    assert [account["allowances"] for account in accounts] == [[]]

    # What it earned, to the last decimal what the wallet has more or less of both dollars.
    row = pool_pnl(pools)
    flows = sum(
        Decimal(delta.raw).scaleb(-delta.token.decimals)
        for run in (report, out, left)
        for step, outcome in run.outcomes
        if step.market_id == leg.market_id and isinstance(outcome, Confirmed)
        for delta in outcome.deltas
        if delta.token.symbol in ("USDC", "DAI")
    )
    assert row["left"] and row["pnl"]["since"] == begun and Decimal(row["pnl"]["total"]) == round(flows, 10)
    assert row["pnl"]["unrealised"] == "0" and Decimal(row["pnl"]["swaps"]) < 0
    books = yieldbot("--json", "export", cwd=pools.directory).document
    assert all(check["explained"] for check in books["accounts"][0]["checks"])


def test_a_pool_that_was_pushed_meanwhile_gets_nothing(pools: Sandbox) -> None:
    trade(pools, *BUSY)

    async def queue() -> str:
        with world(pools, Queue) as w:
            report = await cycle.run_job(w, w.settings.jobs[0])
            assert report.decision is not None and isinstance(report.decision.outcome, Plan)
            assert any(leg.ticks for leg in report.decision.outcome.legs)
            return report.decision.outcome.id

    waiting = asyncio.run(queue())
    trade(pools, 1_000_000)
    ended = yieldbot("--json", "approve", waiting, cwd=pools.directory)
    assert ended.code == 4 and ended.document["jobs"][0]["declined"]["code"] in (
        "CAP_REACHED",
        "PRICE_IMPACT",
        "PRICES_DISAGREE",
    )
    assert int(pools.rpc("eth_getTransactionCount", pools.wallet, "latest"), 16) == 0
    fresh = yieldbot("--json", "plan", cwd=pools.directory).document["jobs"][0]
    assert not any("_lp/" in leg["market_id"] for leg in fresh["plan"].get("legs", ())), "its price is off the feeds"


def test_a_leg_that_stops_half_way_is_gone_on_with(pools: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    trade(pools, *BUSY)
    real, calls = provide.transact, []

    async def lost(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 3:  # both dollars lie in the wallet then: the swap was made, and nothing was put in
            raise TransientError("the node is gone")
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(provide, "transact", lost)
    first = run_job(pools)
    assert first.skipped is not None and "the node is gone" in first.skipped
    monkeypatch.undo()
    again = run_job(pools)
    assert again.declined is None and not again.failed and again.after is not None
    assert pool_of(again.after).held.raw > 0
    wealth = again.after.wealth(again.after.assets[0])
    assert 99_950 < float(wealth) < 100_050, "what was swapped is still there, and is put to work"


def test_what_others_send_meanwhile_is_none_of_the_legs(pools: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dust of both dollars comes in before each of its transactions, and money lies there that no leg may touch."""
    trade(pools, *BUSY)
    real, dai = provide.transact, pools.addresses["dai"]
    erc20 = packaged("@uniswap/v2-periphery/build/ERC20.json").abi

    async def sent(*args: object, **kwargs: object) -> object:
        async with pools.node() as node:
            accounts = await node.request("eth_accounts", [])
            d = Deployer(node, [checksummed(account) for account in accounts])
            for token, raw in ((dai, 10**18), (pools.addresses["usdc"], 7)):
                await d.send(Contract(token, erc20), "transfer", pools.wallet, raw)
        return await real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(provide, "transact", sent)
    report = run_job(pools)
    assert report.declined is None and not report.failed and report.after is not None
    assert pool_of(report.after).held.raw > 0
    (wallet,) = [state for state in report.after.idle if state.market.asset.symbol == "DAI"]
    count = sum(step.market_id == pool_of(report.after).market.id for step, _ in report.outcomes)
    assert count > 3 and wallet.held.raw >= count * 10**18, "all of what came in lies there"


def test_a_pool_that_could_not_be_left_gets_nothing_and_the_rest_goes_on(pools: Sandbox) -> None:
    trade(pools, *BUSY)
    without_decrease(pools)
    report = run_job(pools)
    pool = pool_of(report.snapshot)
    assert (
        report.declined is None and not report.failed and report.after is not None and pool.liquidity_market is not None
    )
    assert "nothing comes out" in pool.no_way_out
    into = {leg.market_id for leg, _ in report.outcomes if leg.kind is LegKind.DEPOSIT}
    assert into and pool.market.id not in into and not pool_of(report.after).held
    shown = yieldbot("--json", "plan", cwd=pools.directory).document["jobs"][0]
    (way,) = (way for way in shown["ways_out"] if way["market_id"] == pool.market.id)
    assert "nothing comes out" in way["no_way_out"], "it is written down, and stays shut"


def test_a_range_is_not_laid_anew_in_a_pool_that_could_not_be_left_afterwards(pools: Sandbox) -> None:
    """What is there comes out now; what would be put in anew would stay. It is not put in."""
    trade(pools, *BUSY)
    assert run_job(pools).declined is None
    trade(pools, 180_000)
    shut_from_now_on(pools)
    report = run_job(pools)
    pool = pool_of(report.snapshot)
    assert "nothing comes out" in pool.no_way_out and pool.held
    assert not [leg for leg, _ in report.outcomes if leg.kind is LegKind.REBALANCE], "it was rehearsed and refused"
