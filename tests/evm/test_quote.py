"""``yieldbot quote`` on the sandbox: what it says is what QuoterV2 says of the same ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.kit.contracts import send
from tests.kit.pools import without_exchange
from tests.kit.program import yieldbot
from yieldbot.config.load import load
from yieldbot.sandbox.evm.node import Sandbox

SINGLE = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"


@pytest.mark.parametrize(("given", "wanted", "amount"), [("USDC", "WETH", "1000"), ("WETH", "USDC", "1.5")])
def test_a_quote_is_the_pools_own(given: str, wanted: str, amount: str, sandbox: Sandbox, tmp_path: Path) -> None:
    without_exchange(sandbox, "uniswap_v4")
    ended = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["schema"] == "yieldbot/quote/v1" and document["gap_bps"] < 0.1 and document["unread"] == []
    cost = document["gas_cost"]
    assert (
        not document["exact_out"] and document["gas"] == 186_000 and cost["symbol"] == wanted and int(cost["raw"]) > 0
    )
    assert float(document["given"]["text"]) - float(cost["text"]) == pytest.approx(document["bound"], rel=1e-6)
    (part,) = document["parts"]
    assert part["pools"][0]["address"].lower() == sandbox.addresses["uniswap_pool"].lower()
    pair = [sandbox.addresses[token.lower()] for token in (given, wanted)]
    raw = int(document["taken"]["raw"])
    data = selector(SINGLE) + encode(["(address,address,uint256,uint24,uint160)"], [(*pair, raw, 500, 0)])
    asked = {"to": sandbox.addresses["uniswap_quoter"], "data": "0x" + data.hex()}
    answer = bytes.fromhex(sandbox.rpc("eth_call", asked, "latest")[2:])
    raw_given = int(document["given"]["raw"])
    assert decode(["uint256", "uint160", "uint32", "uint256"], answer)[0] == raw_given
    sources = [price["source"] for price in document["prices"]]
    assert sources == ["Uniswap v3 0.05%'s TWAP", "the feeds"] and document["declined"] is None
    assert 0 < int(document["least"]["raw"]) <= raw_given
    told = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, cwd=tmp_path)
    assert "no split over these routes gives more than" in told.out


@pytest.mark.parametrize(("given", "wanted", "out"), [("USDC", "WETH", "1"), ("WETH", "USDC", "2500")])
def test_an_exact_output_is_the_pools_own(given: str, wanted: str, out: str, sandbox: Sandbox, tmp_path: Path) -> None:
    without_exchange(sandbox, "uniswap_v4")
    ended = yieldbot("--config", sandbox.config, "quote", given, wanted, "--out", out, "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["exact_out"] and float(document["given"]["text"]) == float(out) and document["gap_bps"] < 0.1
    assert document["gas_cost"]["symbol"] == given and document["declined"] is None
    pair = [sandbox.addresses[token.lower()] for token in (given, wanted)]
    raw = int(document["given"]["raw"])
    data = selector(SINGLE.replace("Input", "Output")) + encode(
        ["(address,address,uint256,uint24,uint160)"], [(*pair, raw, 500, 0)]
    )
    asked = {"to": sandbox.addresses["uniswap_quoter"], "data": "0x" + data.hex()}
    answer = bytes.fromhex(sandbox.rpc("eth_call", asked, "latest")[2:])
    assert decode(["uint256", "uint160", "uint32", "uint256"], answer)[0] == int(document["taken"]["raw"])
    told = yieldbot("--config", sandbox.config, "quote", given, wanted, "--out", out, cwd=tmp_path)
    assert "takes" in told.out and "no split over these routes needs less than" in told.out


def test_old_feeds_and_a_lost_peg_are_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """A feed of USDC that says 98 cents, then one that has been silent for two days."""
    command = ("--config", sandbox.config, "quote", "USDC", "WETH", "1000", "--json")
    feed = sandbox.addresses["usdc_feed"]
    send(sandbox, feed, selector("set(int256)") + encode(["int256"], [98_000_000]))
    told = yieldbot(*command, cwd=tmp_path)
    assert told.code == 0 and told.document["declined"]["code"] == "DEPEGGED" and told.document["least"] is None
    assert "USDC is -200.0 bp off its dollar" in told.document["declined"]["reason"]
    send(sandbox, feed, selector("set(int256)") + encode(["int256"], [10**8]))
    send(sandbox, feed, selector("stop()"))
    sandbox.warp(2)
    refused = yieldbot(*command, cwd=tmp_path).document["declined"]
    assert refused["code"] == "PRICE_STALE" and "USDC's feed is" in refused["reason"]


def test_a_pool_that_was_pushed_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """Somebody buys much of the WETH in one block: the feeds and the mean stay where they were, the quote does not."""
    without_exchange(sandbox, "uniswap_v4")  # else the swap goes there
    command = ("--config", sandbox.config, "quote", "USDC", "WETH", "1000", "--json")
    plain = yieldbot(*command, cwd=tmp_path).document
    usdc, weth, router = (sandbox.addresses[name] for name in ("usdc", "weth", "uniswap_router"))
    (owner,) = (job.wallet.address for job in load(sandbox.config).jobs)
    raw = 90_000 * 10**6
    send(sandbox, usdc, selector("approve(address,uint256)") + encode(["address", "uint256"], [router, raw]), owner)
    grow = selector("increaseObservationCardinalityNext(uint16)") + encode(["uint16"], [10])
    send(sandbox, sandbox.addresses["uniswap_pool"], grow)  # else the pool forgets its past with the next swap
    push = (usdc, weth, 500, owner, 2**40, raw, 0, 0)
    kinds = "(address,address,uint24,address,uint256,uint256,uint256,uint160)"
    send(sandbox, router, selector(f"exactInputSingle({kinds})") + encode([kinds], [push]), owner)
    pushed = yieldbot(*command, cwd=tmp_path).document
    assert int(pushed["given"]["raw"]) < int(plain["given"]["raw"]) * 0.95
    assert pushed["declined"]["code"] == "PRICE_IMPACT" and pushed["least"] is None
    told = yieldbot(*command[:-1], cwd=tmp_path)
    assert told.code == 0 and "REFUSED PRICE_IMPACT" in told.out


def test_what_cannot_be_quoted_is_told_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    for words, code, said in (
        (("USDC", "WETH", "90000000"), 1, "do not take so much"),
        (("USDC", "USDC", "1"), 2, "same token"),
        (("USDC", "USDT", "1"), 2, "USDT: no token of sandbox: did you mean USDC?"),
        (("USDC", "WETH", "0"), 2, "must be above 0"),
        (("USDC", "WETH", "x"), 2, "AMOUNT"),
        (("USDC", "WETH"), 2, "either AMOUNT"),
        (("USDC", "WETH", "1", "--out", "1"), 2, "either AMOUNT"),
        (("USDC", "WETH", "--out", "0"), 2, "must be above 0"),
        (("USDC", "WETH", "--out", "600"), 1, "do not give so much"),
        (("USDC", "WETH", "1", "--chain", "base"), 2, "--chain base: no job is on it: known are: sandbox"),
    ):
        ended = yieldbot("--config", sandbox.config, "quote", *words, cwd=tmp_path)
        assert ended.code == code and said in ended.line
