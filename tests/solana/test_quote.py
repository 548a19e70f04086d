"""``yieldbot quote`` on the Solana sandbox: what it says is what the pool's program then gives; and when it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evm.test_quote_aggregator import server
from tests.kit.program import yieldbot
from yieldbot.sandbox.solana.node import SvmSandbox, running

MEAN = "Price oracle (double)'s TWAP over 29 minutes"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SvmSandbox]:
    with running(tmp_path_factory.mktemp("quotes")) as found:
        yield found


@pytest.fixture
def sandbox(shared: SvmSandbox) -> Iterator[SvmSandbox]:
    yield shared
    for symbol, usd in (("usdc", 1.0), ("usdt", 1.0), ("sol", 150.0)):
        shared.rpc("svm_setPrice", shared.addresses[f"{symbol}_feed"], usd)


def quote(sandbox: SvmSandbox, tmp_path: Path, *words: str) -> Any:
    return yieldbot("--config", sandbox.config, "quote", *words, "--json", cwd=tmp_path)


@pytest.mark.parametrize(("given", "wanted", "amount"), [("USDC", "USDT", "50000"), ("SOL", "USDC", "12.5")])
def test_a_quote_is_the_pools_own(given: str, wanted: str, amount: str, sandbox: SvmSandbox, tmp_path: Path) -> None:
    ended = quote(sandbox, tmp_path, given, wanted, amount)
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["unread"] == [] and document["declined"] is None and document["gap_bps"] < 0.1
    assert [price["source"] for price in document["prices"]] == [MEAN, "the feeds"]
    (part,) = document["parts"]
    name = "usdc_usdt_pool" if given == "USDC" else "sol_usdc_pool"
    assert part["pools"][0]["address"] == sandbox.addresses[name] and part["pools"][0]["protocol"] == "orca_whirlpool"
    got, rate = int(document["given"]["raw"]), 1.0 if given == "USDC" else 150.0
    assert 0.999 < got / (float(amount) * rate * 10**6) < 1.0
    back = quote(sandbox, tmp_path, given, wanted, "--out", document["given"]["text"])
    assert back.document["exact_out"] and abs(int(back.document["taken"]["raw"]) - int(document["taken"]["raw"])) < 2e4
    told = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, cwd=tmp_path)
    assert "no split over these routes gives more than" in told.out and "Orca (double) 0.0" in told.out


def test_a_dollar_that_is_none_and_feeds_that_cannot_be_trusted_are_refused(
    sandbox: SvmSandbox, tmp_path: Path
) -> None:
    def refused(symbol: str, usd: float, unsure: float = 0.0005) -> tuple[str, str]:
        sandbox.rpc("svm_setPrice", sandbox.addresses[f"{symbol}_feed"], usd, unsure)
        document = quote(sandbox, tmp_path, "USDC", "USDT", "1000").document
        assert document["least"] is None
        return document["declined"]["code"], document["declined"]["reason"]

    code, why = refused("usdt", 0.985)
    assert code == "DEPEGGED" and "USDT is -150.0 bp off its dollar" in why
    code, why = refused("usdt", 1.0, 0.02)
    assert code == "PRICE_UNSURE" and "USDT's feed is sure within 200.0 bp" in why
    refused_sol = sandbox.rpc("svm_setPrice", sandbox.addresses["sol_feed"], 153.0)
    assert (
        refused_sol and quote(sandbox, tmp_path, "SOL", "USDC", "1").document["declined"]["code"] == "PRICES_DISAGREE"
    )
    sandbox.rpc("svm_setPrice", sandbox.addresses["usdt_feed"], 1.0)
    sandbox.rpc("svm_stopFeed", sandbox.addresses["usdt_feed"])
    sandbox.rpc("svm_warp", 2000, 800)
    document = quote(sandbox, tmp_path, "USDC", "USDT", "1000").document
    assert document["declined"]["code"] == "PRICE_STALE" and "600 s are allowed" in document["declined"]["reason"]


def test_one_price_is_not_enough(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox:
        sandbox.rpc("svm_stopFeed", sandbox.addresses["usdc_usdt_mean"])
        sandbox.rpc("svm_warp", 3000, 1200)
        document = quote(sandbox, tmp_path, "USDC", "USDT", "1000").document
        assert document["declined"]["code"] == "PRICE_UNKNOWN"
        assert any("newest observation is of 1,2" in why for why in document["unread"])


def test_a_node_that_tells_another_price_is_left_out_of_a_quote(sandbox: SvmSandbox, tmp_path: Path) -> None:
    """Three clusters of one under one name, of which one has another price of USDT; then two that differ."""
    from tests.faults.control import proxies

    with proxies(sandbox.rpc_url, 3) as ends:
        ends.set(1, kinds=["wrong_state"], rate=1.0, most=10**6, seed=1)
        three = yieldbot(
            *("--config", sandbox.config, "--json", "quote", "USDC", "USDT", "1000"),
            cwd=tmp_path,
            environment={"SOLANA_SANDBOX_RPC_URL": ",".join(ends.urls)},
        )
        assert three.code == 0 and three.document["declined"] is None, three.err
        two = yieldbot(
            *("--config", sandbox.config, "quote", "USDC", "USDT", "1000"),
            cwd=tmp_path,
            environment={"SOLANA_SANDBOX_RPC_URL": ",".join(ends.urls[:2])},
        )
        assert two.code == 1 and "nodes agree, 2 must" in two.line, two.line


def test_check_says_what_can_be_swapped_in_and_who_says_at_which_price(tmp_path: Path) -> None:
    with running(tmp_path) as sandbox:
        good = yieldbot("--config", sandbox.config, "check", cwd=tmp_path, environment={"COLUMNS": "200"})
        assert good.code == 0, good.out
        assert "Orca (double) 0.01%" in good.out and "can be swapped in" in good.out
        assert "by its TWAP over 29 minutes" in good.out and "1.18 SOL a stSOL by its own rate" in good.out
        sandbox.rpc("svm_stopFeed", sandbox.addresses["usdc_usdt_mean"])
        sandbox.rpc("svm_warp", 3000, 1200)
        chain = tmp_path / "chains" / "solana-sandbox.toml"
        chain.write_text(chain.read_text().replace(sandbox.addresses["sol_usdc_pool"], sandbox.addresses["usdc"]))
        bad = yieldbot("--config", sandbox.config, "check", cwd=tmp_path, environment={"COLUMNS": "300"})
        assert bad.code == 2 and "no swap uses its price while that lasts" in bad.out
        assert f"account {sandbox.addresses['usdc']} belongs to" in bad.out


def jupiter(asked: dict[str, str]) -> tuple[int, bytes]:
    """A hand-made answer of Jupiter's form: 150 USDC a SOL, whatever is asked."""
    out = int(asked["amount"]) * 150 // 1000
    answer = {
        "inputMint": asked["inputMint"],
        "inAmount": asked["amount"],
        "outputMint": asked["outputMint"],
        "outAmount": str(out),
        "otherAmountThreshold": str(out * 995 // 1000),
        "routePlan": [{"swapInfo": {"label": "Whirlpool"}}, {"swapInfo": {"label": "Raydium CLMM"}}],
    }
    return 200, json.dumps(answer).encode()


def test_jupiters_quote_stands_beside_ours_and_decides_nothing(sandbox: SvmSandbox, tmp_path: Path) -> None:
    """A server of ours in Jupiter's place; when it fails, ours stands alone."""
    with server(jupiter) as url:
        document = quote(sandbox, tmp_path, "SOL", "USDC", "2", "--aggregator", url).document
        other = document["aggregator"]
        assert (other["name"], other["tool"]) == ("Jupiter", "Whirlpool + Raydium CLMM")
        assert other["given"]["raw"] == "300000000" and other["least"]["raw"] == "298500000"
        assert document["given"]["raw"] != other["given"]["raw"]
        assert [price["source"] for price in document["prices"]] == [MEAN, "the feeds"]
        shown = yieldbot("--config", sandbox.config, "quote", "SOL", "USDC", "2", "--aggregator", url, cwd=tmp_path)
        assert "Jupiter: 300 USDC by Whirlpool + Raydium CLMM, 298.5 USDC at least; " in " ".join(shown.out.split())
    with server(lambda asked: (401, b"an API key is needed")) as url:
        document = quote(sandbox, tmp_path, "SOL", "USDC", "2", "--aggregator", url).document
        assert document["declined"] is None and document["parts"]
        assert "HTTP 401 an API key is needed" in document["aggregator"]["error"]


def test_what_is_not_there_is_told_in_a_line(sandbox: SvmSandbox, tmp_path: Path) -> None:
    none = quote(sandbox, tmp_path, "SOL", "USDT", "1")
    assert none.code == 1 and "no pool leads from SOL to USDT" in none.line
    asked = quote(sandbox, tmp_path, "SOL", "USDC", "--out", "1", "--aggregator")
    assert asked.code == 2 and "Jupiter is only asked for an exact input" in asked.line
    most = quote(sandbox, tmp_path, "USDC", "USDT", "900000000")
    assert most.code == 1 and "900,000,000 USDC for USDT on solana-sandbox" in most.line
