"""A job over USDC and USDT on the Solana sandbox: swapped where the other dollar pays more, and back; refused where
prices say no."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.program import yieldbot
from tests.kit.solana.several_assets import BASE
from tests.kit.solana.world import world
from yieldbot.app import cycle
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.solana.node import SvmSandbox, running


@pytest.fixture
def dollars(solana_sandbox: SvmSandbox) -> SvmSandbox:
    """The sandbox with one job over both of its dollars."""
    text = solana_sandbox.config.read_text()
    assert text.count('asset = "USDC"') == 1
    solana_sandbox.config.write_text(text.replace('asset = "USDC"', 'base = "USD"') + BASE)
    return solana_sandbox


def json(sandbox: SvmSandbox, *words: str) -> Any:
    return yieldbot("--config", sandbox.config, "--json", *words, cwd=sandbox.directory)


async def test_half_goes_where_the_other_dollar_pays_more_and_comes_back(dollars: SvmSandbox) -> None:
    with world(dollars) as w:
        (job,) = w.settings.jobs
        assert job.base is not None and job.base.max_feed_age_seconds == 600, "whatever the policy says"
        report = await cycle.run_job(w, job)
        assert (report.skipped, report.declined) == (None, None), report
        assert report.decision is not None and report.after is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan) and plan.allocation.certificate.gap_bps < 0.1
        (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * len(plan.legs)
        (expected,) = plan.allocation.swaps
        swapped = next(outcome for leg, outcome in report.outcomes if leg.kind is LegKind.SWAP)
        assert isinstance(swapped, Confirmed)
        changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
        assert (changed["USDC"], changed["USDT"]) == (-swap.amount.raw, expected.gets.raw), "to the unit"
        lent = sum(float(s.held) for s in report.after.markets if s.market.asset.symbol == "USDT")
        assert lent == pytest.approx(50_000, rel=1e-3), "half, as the base allows"
        assert isinstance((await cycle.run_job(w, job)).decision.outcome, Hold)  # type: ignore[union-attr]
        usdt = next(s.market for s in report.after.markets if s.market.asset.symbol == "USDT" and s.held)
    assert yieldbot("--json", "allowances", cwd=dollars.directory).document["accounts"][0]["allowances"] == []
    rows = json(dollars, "positions").document["jobs"]
    assert [(row["asset"], row["base"]) for row in rows] == [("USDC", "USD"), ("USDT", "USD")]

    document = json(dollars, "export").document
    books = list(csv.DictReader(io.StringIO(document["content"], newline="")))
    given, got = (Decimal(row["amount"]) for row in books if row["kind"] == "swap")
    assert (given, got) == (-swap.amount.decimal, expected.gets.decimal), "a swap of ours is one in the books"
    assert all(check["explained"] for check in document["accounts"][0]["checks"]), document["accounts"]

    # Its risk is no longer thought to be paid for: the money comes out, is swapped back, and earns elsewhere.
    text = dollars.config.read_text()
    dollars.config.write_text(text.replace("[policy.haircut_bps]", f'[policy.haircut_bps]\n"{usdt.id}" = 1500'))
    with world(dollars) as w:
        (job,) = w.settings.jobs
        back = await cycle.run_job(w, job)
        assert back.declined is None and back.decision is not None and back.after is not None
        plan = back.decision.outcome
        assert isinstance(plan, Plan) and not back.failed
        first, second = plan.legs[:2]
        assert (first.kind, first.market_id, first.all) == (LegKind.WITHDRAW, usdt.id, True)
        assert second.kind is LegKind.SWAP and second.gets is not None and second.gets.token == job.asset
        assert not back.after.of(usdt.id).held
        idle = {s.market.asset.symbol: float(s.held) for s in back.after.idle}
        assert idle["USDT"] < 1.0, "all of it came back"
        assert float(back.after.wealth(job.asset)) > 100_000 - 15, "two swaps cost what they were said to"
        assert w.journal.verify() > 0


def test_what_is_signed_is_told_before(dollars: SvmSandbox) -> None:
    told = json(dollars, "dry-run").document["jobs"][0]["rehearsal"]
    (swap,) = (leg for leg in told["legs"] if "swap " in leg["transactions"][0]["words"])
    words = swap["transactions"][0]["words"]
    assert words.startswith("open an account for USDT; swap ") and " USDT on Orca (double) 0.01%" in words
    changes = {row["symbol"]: int(row["raw"]) for row in swap["deltas"]}
    assert changes["USDC"] < 0 < changes["USDT"]


def push(sandbox: SvmSandbox, sqrt_price_x64: int) -> None:
    """The pool's price, as if somebody had swapped."""
    import base64
    import struct

    from yieldbot.math.whirlpool import tick_at

    pool = sandbox.addresses["usdc_usdt_pool"]
    held = sandbox.rpc("getAccountInfo", pool, {"encoding": "base64"})["value"]
    data = bytearray(base64.b64decode(held["data"][0]))
    data[65:81] = sqrt_price_x64.to_bytes(16, "little")
    struct.pack_into("<i", data, 81, tick_at(sqrt_price_x64))
    sandbox.rpc("svm_setAccount", pool, held["lamports"], held["owner"], base64.b64encode(data).decode())


@pytest.mark.parametrize("worse", [True, False])
async def test_a_plan_is_not_carried_out_once_the_pool_was_pushed(worse: bool, dollars: SvmSandbox) -> None:
    """60 bp against us: refused. In our favour nothing is wrong."""
    from yieldbot.math.whirlpool import sqrt_at

    queued = json(dollars, "run", "--approve", "queue")
    assert queued.code == 3
    (plan,) = (row for row in queued.document["jobs"])
    usdc_is_a = dollars.addresses["usdc"] == _mint_a(dollars)
    push(dollars, sqrt_at(-60 if worse == usdc_is_a else 60))
    ended = json(dollars, "approve", plan["plan"]["id"])
    if worse:
        assert ended.code == 4 and ended.document["jobs"][0]["declined"]["code"] == "PRICE_IMPACT"
        assert not dollars.rpc("svm_addresses"), "nothing was sent"
        fresh = json(dollars, "plan").document["jobs"][0]["plan"]
        assert not any(leg["kind"] == "swap" for leg in fresh["legs"])
    else:
        assert ended.code == 0, ended.err


def _mint_a(sandbox: SvmSandbox) -> str:
    import base64

    from yieldbot.protocols.solana.layout import layout

    data = sandbox.rpc("getAccountInfo", sandbox.addresses["usdc_usdt_pool"], {"encoding": "base64"})["value"]["data"]
    return str(layout("orca_whirlpool").decode("Whirlpool", base64.b64decode(data[0]))["token_mint_a"])


@pytest.mark.parametrize(
    ("usd", "unsure", "stopped", "why"),
    [
        (0.985, 0.0005, None, "-150.0 bp off its dollar"),
        (1.0, 0.02, None, "is sure within 200.0 bp alone"),
        (1.0, 0.0005, "usdt_feed", "600 s are allowed"),
        (1.0, 0.0005, "usdc_usdt_mean", "2 independent prices must agree"),
        (1.008, 0.0005, None, "alarm PEG: USDT is at 1.0080 and 1.0000 dollars, 0.80% off"),
    ],
)
def test_a_dollar_that_nobody_vouches_for_gets_no_money(
    usd: float, unsure: float, stopped: str | None, why: str, dollars: SvmSandbox
) -> None:
    if stopped is None:
        dollars.rpc("svm_setPrice", dollars.addresses["usdt_feed"], usd, unsure)
    else:
        dollars.rpc("svm_stopFeed", dollars.addresses[stopped])
        dollars.rpc("svm_warp", 4000, 1600)
    ended = json(dollars, "plan")
    assert ended.code == 0, ended.err
    plan = ended.document["jobs"][0]["plan"]
    assert plan["action"] == "move" and {leg["amount"]["symbol"] for leg in plan["legs"]} == {"USDC"}
    assert any(why in row["binding"] for row in plan["allocation"]["reasons"]), plan["allocation"]["reasons"]


def test_mistakes_in_the_configuration_are_told_in_one_line(dollars: SvmSandbox) -> None:
    good, chain = dollars.config.read_text(), dollars.directory / "chains" / "solana-sandbox.toml"
    text = chain.read_text()
    feed = next(line for line in text.splitlines() if dollars.addresses["usdt_feed"] in line)
    for settings, cluster, said in (
        (good, text.replace(feed, ""), "names no feed for USDT"),
        (good, text.replace('"orca_whirlpool"', '"uniswap_v3"'), "unknown exchange 'uniswap_v3'"),
        (good, text.replace('"raydium_clmm"', '"raydium"'), "unknown price oracle 'raydium'"),
        (good.replace("USDT = 0.5", "DAI = 0.5"), text, "policy.bases.USD.assets.DAI"),
        (good, text.replace(dollars.addresses["usdc_usdt_pool"], "0x12"), "'0x12' is no Solana address"),
        (good, text.replace(dollars.addresses["usdc_usdt_pool"], "pool"), "exchanges[1].pools[1]: 'pool' is no Solana"),
    ):
        assert (settings, cluster) != (good, text)
        dollars.config.write_text(settings)
        chain.write_text(cluster)
        ended = yieldbot("--config", dollars.config, "plan", cwd=dollars.directory)
        assert ended.code == 2 and said in ended.line, ended.line


STAKED = """
[policy.bases.SOL]
unit = "SOL"
assets = { SOL = 1.0, stSOL = 0.6 }
"""


async def test_sol_goes_into_staked_sol_at_its_pools_own_rate_and_comes_back(tmp_path: Path) -> None:
    """What a staked token is worth is what its stake pool says, which the feed must agree with; never 1."""
    from tests.kit.solana.world import for_sol

    with running(tmp_path) as sandbox:
        text = for_sol(sandbox).replace('asset = "SOL"', 'base = "SOL"') + STAKED
        sandbox.config.write_text(text)
        said = json(sandbox, "quote", "stSOL", "SOL", "5").document
        assert [price["source"] for price in said["prices"]] == ["Stake pool (double)'s own rate", "the feeds"]
        assert all(price["rate"] == pytest.approx(1.18, rel=1e-6) for price in said["prices"])
        with world(sandbox) as w:
            (job,) = w.settings.jobs
            report = await cycle.run_job(w, job)
            assert (report.skipped, report.declined) == (None, None), report
            assert report.decision is not None and report.after is not None and report.snapshot is not None
            twice = [bad for bad in report.snapshot.quarantined if bad.market.protocol == "spl_stake_pool"]
            assert [bad.reason for bad in twice] == ["its token, stSOL, is an asset of this job"]
            ((grows, growth),) = report.snapshot.growth.items()
            assert grows.symbol == "stSOL" and 0.055 < growth < 0.07, "the last epoch's, by its pool's account"
            plan = report.decision.outcome
            assert isinstance(plan, Plan)
            (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
            swapped = next(outcome for leg, outcome in report.outcomes if leg.kind is LegKind.SWAP)
            assert isinstance(swapped, Confirmed) and not report.failed
            changed = {delta.token.symbol: delta.raw for delta in swapped.deltas[:-1]}
            assert changed["SOL"] == -swap.amount.raw, "rent of an account of ours is still ours"
            assert changed["stSOL"] == plan.allocation.swaps[0].gets.raw
            assert 1.179 < swap.amount.raw / changed["stSOL"] < 1.182
            (market,) = [s.market for s in report.after.markets if s.market.asset.symbol == "stSOL"]
            assert float(report.after.of(market.id).held) == pytest.approx(changed["stSOL"] / 1e9, rel=1e-6)
            before = float(report.after.wealth(job.asset))
        sandbox.config.write_text(text.replace("[policy.haircut_bps]", f'[policy.haircut_bps]\n"{market.id}" = 2000'))
        with world(sandbox) as w:
            (job,) = w.settings.jobs
            back = await cycle.run_job(w, job)
            assert back.declined is None and not back.failed and back.after is not None
            kinds = [leg.kind for leg, _ in back.outcomes]
            assert kinds[:2] == [LegKind.WITHDRAW, LegKind.SWAP], kinds
            assert not back.after.of(market.id).held
            assert float(back.after.wealth(job.asset)) > before - 0.02
            lent = sum(float(s.held) for s in back.after.markets)
            assert lent > 5 + sum(float(s.held) for s in report.after.markets if s.market.asset == job.asset), "as SOL"
            idle = {s.market.asset.symbol: float(s.held) for s in back.after.idle}
            assert idle["stSOL"] > 5, "the rest grows in the wallet, by more than what lending more SOL would pay"
            assert w.journal.verify() > 0


def test_staked_sol_whose_feed_is_not_its_pools_rate_gets_no_money(tmp_path: Path) -> None:
    from tests.kit.solana.world import for_sol

    with running(tmp_path) as sandbox:
        sandbox.config.write_text(for_sol(sandbox).replace('asset = "SOL"', 'base = "SOL"') + STAKED)
        sandbox.rpc("svm_setPrice", sandbox.addresses["stsol_feed"], 150.0)
        plan = json(sandbox, "plan").document["jobs"][0]["plan"]
        assert {leg["amount"]["symbol"] for leg in plan["legs"]} == {"SOL"}
        assert any("more than 50 bp apart" in row["binding"] for row in plan["allocation"]["reasons"])
