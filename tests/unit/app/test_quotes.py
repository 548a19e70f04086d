"""A swap's quote without a terminal, of pools that no node was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.kit.allocator.route import pool
from tests.kit.config.files import CHAIN, POOL, written
from yieldbot.app import quotes
from yieldbot.app.context import Context
from yieldbot.app.quotes import QuoteRequest, quote
from yieldbot.chains.quote_values import QuoteInputs
from yieldbot.errors import ConfigError, MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.ids import evm_chain

OTHER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
TWO_TOKENS = CHAIN.replace("[[protocols]]", f'[tokens.DAI]\naddress = "{OTHER}"\ndecimals = 6\n\n[[protocols]]')
EXCHANGE = f'[[exchanges]]\nprotocol = "uniswap_v2"\nname = "V2"\nfactory = "{POOL}"\n'
SWAP = QuoteRequest(given="USDC", wanted="DAI", amount="100")


@dataclass
class Pools:
    """A chain that has one pool."""

    prices: dict[str, float]

    async def quotes(self, given: Token, wanted: Token) -> QuoteInputs:
        one = pool("pair", given, wanted, (10**12, 10**12))
        return QuoteInputs(BlockRef(evm_chain(31337), 7, "0x07", 1), [one], self.prices, {}, 0.0, None, ["a reason"])


def test_the_document_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "chain_of", lambda chain: Pools({"b": 1.0, "a": 1.0}))
    found = quote(SWAP, Context(written(tmp_path, chain=TWO_TOKENS + EXCHANGE))).document.as_json()
    assert (found["schema"], found["chain_id"], found["block"]) == ("yieldbot/quote/v1", "eip155:31337", 7)
    assert found["taken"] == {"symbol": "USDC", "raw": "100000000", "text": "100.000000"}
    assert found["least"]["symbol"] == "DAI" and found["declined"] is None and found["aggregator"] is None
    assert [price["source"] for price in found["prices"]] == ["a", "b"]
    assert [[one["name"] for one in part["pools"]] for part in found["parts"]] == [["pair"]]
    assert found["unread"] == ["a reason"] and not found["exact_out"]


def test_an_exact_output_says_the_most_that_goes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes in is refused exactly where as much as that, given, would have a higher minimum out."""
    monkeypatch.setattr(quotes, "chain_of", lambda chain: Pools({"b": 1.0, "a": 1.0}))
    context = Context(written(tmp_path, chain=TWO_TOKENS + EXCHANGE))
    found = quote(replace(SWAP, amount=None, out="100"), context).document.as_json()
    assert found["least"] == found["given"] and found["declined"] is None
    assert int(found["most"]["raw"]) == int(100 / 0.995 * 10**6) > int(found["taken"]["raw"])
    assert found["most"]["symbol"] == "USDC"
    assert quote(SWAP, context).document.as_json()["most"] is None
    there = quote(replace(SWAP, amount=found["most"]["text"]), context).document.as_json()
    assert int(there["least"]["raw"]) in (100 * 10**6, 100 * 10**6 - 1), "the minimum out of the most that goes in"


def test_what_no_price_confirms_is_declined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "chain_of", lambda chain: Pools({"a": 2.0, "b": 2.0}))
    context = Context(written(tmp_path, chain=TWO_TOKENS + EXCHANGE))
    found = quote(replace(SWAP, amount=None, out="5"), context).document.as_json()
    assert found["exact_out"] and found["given"]["text"] == "5.000000"
    assert found["least"] is None and found["declined"]["code"]
    with pytest.raises(MarketError, match="on testnet"):
        quote(replace(SWAP, amount=None, out="99999999"), context)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (replace(SWAP, slippage_bps=10_000), "from 0 up to 10000"),
        (replace(SWAP, chain="other"), "--chain other: no job is on it: known are: testnet"),
        (replace(SWAP, wanted="USDC"), "the same token"),
        (replace(SWAP, wanted="NONE"), "known are: USDC, DAI"),
        (replace(SWAP, out="1"), "either AMOUNT"),
        (replace(SWAP, amount=None), "either AMOUNT"),
        (replace(SWAP, amount="0"), "must be above 0"),
        (replace(SWAP, to_chain="base"), "bridges are quoted by LI.FI alone"),
        (replace(SWAP, to_chain="nowhere", aggregator=""), "--to-chain nowhere"),
        (SWAP, r"has no \[\[exchanges\]\] table"),
    ],
)
def test_what_names_no_swap_is_refused(request_: QuoteRequest, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        quote(request_, Context(written(tmp_path, chain=TWO_TOKENS)))
