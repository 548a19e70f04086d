"""Jupiter's answers: what is read of one, and every way in which one is not believed.

The answer is hand-made after Jupiter's public API reference, not recorded: this suite reaches no network.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from yieldbot.bridges import jupiter
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, evm_chain, svm_chain

CHAIN = svm_chain("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
SOL = Token(CHAIN, Address("So11111111111111111111111111111111111111112"), "SOL", 9)
USDC = Token(CHAIN, Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"), "USDC", 6)
GIVEN = Amount(SOL, 2 * 10**9)
HAND_MADE: dict[str, Any] = {
    "inputMint": SOL.address, "inAmount": "2000000000", "outputMint": USDC.address, "outAmount": "300100000",
    "otherAmountThreshold": "298599500", "swapMode": "ExactIn", "slippageBps": 50, "priceImpactPct": "0.0001",
    "routePlan": [{"swapInfo": {"ammKey": "x", "label": "Whirlpool"}, "percent": 60},
                  {"swapInfo": {"ammKey": "y", "label": "Whirlpool"}, "percent": 40}],
}  # fmt: skip


def test_what_is_asked_names_the_tokens_and_the_amount_and_nobody() -> None:
    asked = urlsplit(jupiter.request(GIVEN, USDC, 50.9))
    assert (asked.scheme, asked.netloc) == ("https", "lite-api.jup.ag")
    words = {"inputMint", "outputMint", "amount", "slippageBps", "swapMode"}
    query = parse_qs(asked.query)
    assert set(query) == words and query["amount"] == ["2000000000"] and query["slippageBps"] == ["50"]
    assert jupiter.serves(CHAIN) and not jupiter.serves(evm_chain(8453))


def test_an_answer_is_read() -> None:
    found = jupiter.answered(HAND_MADE, GIVEN, USDC)
    assert (found.name, found.tool, found.given.raw, found.least.raw) == ("Jupiter", "Whirlpool", 300100000, 298599500)
    assert jupiter.answered(HAND_MADE | {"routePlan": "none"}, GIVEN, USDC).tool == "?"
    long = [{"swapInfo": {"label": f"\x1b[31m{i}" * 9}} for i in range(30)]
    assert len(jupiter.answered(HAND_MADE | {"routePlan": long}, GIVEN, USDC).tool) == 40


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputMint": USDC.address}, "it is for inputMint"),
        ({"outputMint": SOL.address}, "it is for outputMint"),
        ({"inAmount": "1"}, "it is for inAmount 1, not 2000000000"),
        ({"inAmount": 2 * 10**9 + 1}, "it is for inAmount"),
        ({"outAmount": "-1"}, "is no amount: -1"),
        ({"outAmount": None}, "is no amount: None"),
        ({"outAmount": "9" * 79}, "is no amount"),
        ({"otherAmountThreshold": "300100001"}, "does not lie between"),
        ({"otherAmountThreshold": "0"}, "does not lie between"),
    ],
)
def test_an_answer_to_something_else_is_not_believed(change: dict[str, Any], why: str) -> None:
    with pytest.raises(MarketError, match=f"Jupiter's answer is not believed: .*{why}"):
        jupiter.answered(HAND_MADE | change, GIVEN, USDC)


@pytest.mark.parametrize("document", [None, [], "text", {}])
def test_what_is_no_quote_is_not_believed(document: object) -> None:
    with pytest.raises(MarketError, match="not believed"):
        jupiter.answered(document, GIVEN, USDC)
