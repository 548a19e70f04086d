"""``yieldbot quote`` on the sandbox: what it says is what QuoterV2 says of the same ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector as selector

from tests.unit.cli.program import yieldbot
from yieldbot.sandbox.node import Sandbox

SINGLE = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"


@pytest.mark.parametrize(("given", "wanted", "amount"), [("USDC", "WETH", "1000"), ("WETH", "USDC", "2.5")])
def test_a_quote_is_the_pools_own(given: str, wanted: str, amount: str, sandbox: Sandbox, tmp_path: Path) -> None:
    ended = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["schema"] == "yieldbot/quote/v1" and document["gap_bps"] < 0.1 and document["unread"] == []
    (part,) = document["parts"]
    assert part["pools"][0]["address"].lower() == sandbox.addresses["uniswap_pool"].lower()
    pair = [sandbox.addresses[token.lower()] for token in (given, wanted)]
    raw = int(document["taken"]["raw"])
    data = selector(SINGLE) + encode(["(address,address,uint256,uint24,uint160)"], [(*pair, raw, 500, 0)])
    asked = {"to": sandbox.addresses["uniswap_quoter"], "data": "0x" + data.hex()}
    answer = bytes.fromhex(sandbox.rpc("eth_call", asked, "latest")[2:])
    assert decode(["uint256", "uint160", "uint32", "uint256"], answer)[0] == int(document["given"]["raw"])
    assert 0 < document["below_feeds_percent"] < 2
    told = yieldbot("--config", sandbox.config, "quote", given, wanted, amount, cwd=tmp_path)
    assert "no split over these ways gives more than" in told.out


def test_what_cannot_be_quoted_is_told_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    for words, code, said in (
        (("USDC", "WETH", "90000000"), 1, "do not take so much"),
        (("USDC", "USDC", "1"), 2, "same token"),
        (("USDC", "DAI", "1"), 2, "DAI: chains/sandbox.toml has"),
        (("USDC", "WETH", "0"), 2, "more than nothing"),
        (("USDC", "WETH", "x"), 2, "AMOUNT"),
        (("USDC", "WETH", "1", "--chain", "base"), 2, "EVM chains with jobs are: sandbox"),
    ):
        ended = yieldbot("--config", sandbox.config, "quote", *words, cwd=tmp_path)
        assert ended.code == code and said in ended.line
