"""A job over USDC and DAI on real protocols: swapped where the other asset pays more, refused where prices say no."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.contracts import send
from tests.kit.evm.several_assets import dollars as dollars
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.chains.evm.execution import leg
from yieldbot.execution.approvals import Queue
from yieldbot.model.amounts import Amount
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox


def feed(sandbox: Sandbox, name: str, usd: float) -> None:
    data = selector("set(int256)") + encode(["int256"], [round(usd * 10**8)])
    send(sandbox, sandbox.addresses[name], data)


def push(sandbox: Sandbox, whole: int) -> None:
    """Somebody buys DAI for so much USDC in the one pool."""
    usdc, dai, router = (sandbox.addresses[name] for name in ("usdc", "dai", "uniswap_router"))
    send(sandbox, usdc, selector("approve(address,uint256)") + encode(["address", "uint256"], [router, 2**255]))
    somebody = sandbox.rpc("eth_accounts")[0]
    kinds = "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
    swap = (usdc, dai, 100, somebody, 2**40, whole * 10**6, 0, 0)
    send(sandbox, router, selector(f"exactInputSingle({kinds})") + encode([kinds], [swap]))


async def test_money_goes_where_the_other_dollar_pays_more_and_comes_back(dollars: Sandbox) -> None:
    with world(dollars) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert report.declined is None and report.decision is not None and report.after is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan) and plan.allocation.certificate.gap_bps < 0.1
        (swap,) = [leg for leg in plan.legs if leg.kind is LegKind.SWAP]
        kinds = [leg.kind for leg in plan.legs[1:]]
        assert set(kinds) <= {LegKind.DEPOSIT, LegKind.WITHDRAW}, "first deposits may be tried"
        assert len(report.outcomes) == 2 * len(plan.legs) - kinds.count(LegKind.WITHDRAW), "with their allowances"
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        (expected,) = plan.allocation.swaps
        swapped = report.outcomes[1][1]
        assert isinstance(swapped, Confirmed)
        changed = {delta.token.symbol: delta.raw for delta in swapped.deltas}
        assert changed["USDC"] == -swap.amount.raw and changed["DAI"] == expected.gets.raw, "to the unit"
        held = {s.market.name: s.held for s in report.after.markets if s.held}
        assert float(held["DAI Drip Vault dvDAI"]) == pytest.approx(50_000, rel=1e-6)  # max_share_market of the whole
        idle = {s.market.asset.symbol: s.held for s in report.after.idle}
        assert idle["DAI"].raw < 10**16 and idle["USDC"] >= Amount(job.asset, 500 * 10**6)
        assert isinstance((await cycle.run_job(w, job)).decision.outcome, Hold)
    assert yieldbot("--json", "allowances", cwd=dollars.directory).document["accounts"][0]["allowances"] == []
    rows = yieldbot("--json", "positions", cwd=dollars.directory).document["jobs"]
    assert [(row["asset"], row["base"]) for row in rows] == [("USDC", "USD"), ("DAI", "USD")]
    named = yieldbot("--json", "positions", "--asset", "DAI", cwd=dollars.directory)
    assert named.code == 0 and len(named.document["jobs"]) == 2, "a job goes by any of its assets"

    document = yieldbot("--json", "export", cwd=dollars.directory).document
    books = list(csv.DictReader(io.StringIO(document["content"], newline="")))
    given, got = (Decimal(row["amount"]) for row in books if row["kind"] == "swap")
    assert (given, got) == (-swap.amount.decimal, expected.gets.decimal), "a swap of ours is one in the books"
    assert all(check["explained"] for check in document["accounts"][0]["checks"]), document["accounts"]
    assert all(position["pnl"]["total"] is not None for row in rows for position in row["positions"])

    # Its risk is no longer thought to be paid for: the money comes out, is swapped back, and earns elsewhere.
    vault = next(s.market.id for s in report.after.markets if s.market.name == "DAI Drip Vault dvDAI")
    text = dollars.config.read_text()
    dollars.config.write_text(text.replace("erc4626 = 15", f'erc4626 = 15\n"{vault}" = 1200'))
    with world(dollars) as w:
        (job,) = w.settings.jobs
        back = await cycle.run_job(w, job)
        assert back.declined is None and back.decision is not None and back.after is not None
        plan = back.decision.outcome
        assert isinstance(plan, Plan) and not back.failed
        first, second = plan.legs[:2]
        assert (first.kind, first.market_id, first.all) == (LegKind.WITHDRAW, vault, True)
        assert second.kind is LegKind.SWAP and second.gets is not None and second.gets.token == job.asset
        wealth = back.after.wealth(job.asset)
        assert float(wealth) > 100_000 - 40 and not back.after.of(vault).held, "two swaps cost what they were said to"


async def test_a_plan_is_not_carried_out_once_the_pool_was_pushed(dollars: Sandbox) -> None:
    with world(dollars, Queue) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.decision is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan) and any(leg.kind is LegKind.SWAP for leg in plan.legs)
    push(dollars, 400_000)
    ended = yieldbot("--json", "approve", plan.id, cwd=dollars.directory)
    assert ended.code == 4 and ended.document["jobs"][0]["declined"]["code"] == "PRICE_IMPACT"
    assert int(dollars.rpc("eth_getTransactionCount", dollars.wallet, "latest"), 16) == 0
    fresh = yieldbot("--json", "plan", cwd=dollars.directory)
    assert fresh.code == 0 and not any(leg["kind"] == "swap" for leg in fresh.document["jobs"][0]["plan"]["legs"])


@pytest.mark.parametrize(("usd", "stopped", "why"), [(0.985, False, "-150.0 bp off its dollar"), (1.0, True, "s old")])
def test_a_dollar_that_is_none_or_whose_feed_is_silent_gets_no_money(
    usd: float, stopped: bool, why: str, dollars: Sandbox
) -> None:
    feed(dollars, "dai_feed", usd)
    if stopped:
        send(dollars, dollars.addresses["dai_feed"], selector("stop()"))
        dollars.warp(2)
    ended = yieldbot("--json", "plan", cwd=dollars.directory)
    assert ended.code == 0, ended.err
    plan = ended.document["jobs"][0]["plan"]
    assert plan["action"] == "move" and {leg["amount"]["symbol"] for leg in plan["legs"]} == {"USDC"}
    reasons = [row["binding"] for row in plan["allocation"]["reasons"]]
    assert sum(why in reason for reason in reasons) == 2, "both markets of DAI say so"


def test_mistakes_in_the_configuration_are_told_in_one_line(dollars: Sandbox) -> None:
    good, chain = dollars.config.read_text(), dollars.directory / "chains" / "sandbox.toml"
    text = chain.read_text()
    for changed, said in (
        (good.replace('base = "USD"', 'base = "EUR"'), "unknown base 'EUR'"),
        (good.replace('base = "USD"', 'base = "USD"\nasset = "USDC"'), "stands beside base"),
        (good.replace('base = "USD"\n', ""), "name one asset, or a base"),
        (good.replace("DAI = 0.6", "DIA = 0.6"), "policy.bases.USD.assets.DIA"),
        (good.replace("DAI = 0.6", "DAI = 1.6"), "policy.bases.USD.assets.DAI"),
        (good.replace('unit = "USD"', 'unit = "GBP"'), "policy.bases.USD.unit"),
    ):
        assert changed != good
        dollars.config.write_text(changed)
        ended = yieldbot("plan", cwd=dollars.directory)
        assert ended.code == 2 and said in ended.line, ended.line
    dollars.config.write_text(good + "liquidity = true\n")
    chain.write_text(text.replace("\nmanager = ", "\n# manager = "))
    ended = yieldbot("plan", cwd=dollars.directory)
    assert ended.code == 2 and "with manager and router: add them, or use a base without it" in ended.line
    dollars.config.write_text(good)
    chain.write_text(text.replace(f'feed = "{dollars.addresses["dai_feed"]}"\n', ""))
    ended = yieldbot("plan", cwd=dollars.directory)
    assert ended.code == 2 and "names no feed for DAI" in ended.line


async def test_a_swap_whose_allowance_takes_eleven_minutes_to_be_final_is_made(
    dollars: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Ethereum a block is safe after that long: the leg's deadline leaves so much for each of its transactions."""
    real, seen = leg.transact, []

    async def slow(*args: object, **kwargs: object) -> object:
        outcome = await real(*args, **kwargs)  # type: ignore[arg-type]
        seen.append(outcome)
        dollars.warp(650 / 86_400)
        return outcome

    monkeypatch.setattr(leg, "transact", slow)
    with world(dollars) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
    assert report.declined is None and not report.failed and len(seen) > 3
    assert report.after is not None
    assert any(s.held for s in report.after.markets if s.market.asset.symbol == "DAI")
