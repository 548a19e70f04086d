"""LI.FI's answers: what is read of one, and every way in which one is not believed.

The answer is hand-made after LI.FI's public API reference, not recorded: this suite reaches no network.
"""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from yieldbot.bridges import lifi
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address, evm_chain

OWNER = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
STRANGER = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
HERE = Token(evm_chain(8453), Address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USDC", 6)
THERE = Token(evm_chain(42161), Address("0xaf88d065e77c8cC2239327C5EDb3A432268e5831"), "USDC", 6)
GIVEN = Amount(HERE, 1_000_000_000)

HAND_MADE: dict[str, Any] = {
    "id": "0d4e1f", "type": "lifi", "tool": "across", "toolDetails": {"key": "across", "name": "Across"},
    "action": {
        "fromChainId": 8453, "toChainId": 42161, "fromAmount": "1000000000", "slippage": 0.005,
        "fromToken": {"address": HERE.address.lower(), "chainId": 8453, "symbol": "USDC", "decimals": 6},
        "toToken": {"address": THERE.address, "chainId": 42161, "symbol": "USDC", "decimals": 6},
        "fromAddress": OWNER.lower(), "toAddress": OWNER.lower(),
    },
    "estimate": {
        "tool": "across", "fromAmount": "1000000000", "toAmount": "999412000", "toAmountMin": "994414940",
        "approvalAddress": "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE", "executionDuration": 4,
        "feeCosts": [{"name": "Relayer", "amountUSD": "0.25", "included": True}, {"amountUSD": "0.30"}],
        "gasCosts": [{"type": "SEND", "amountUSD": "0.02"}],
    },
    "transactionRequest": {"to": "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE", "data": "0xdeadbeef", "value": "0x0"},
}  # fmt: skip


def test_the_request_names_all_of_it() -> None:
    asked = urlsplit(lifi.request(GIVEN, THERE, OWNER, 50))
    assert (asked.scheme, asked.netloc, asked.path) == ("https", "li.quest", "/v1/quote")
    assert {key: value for key, (value,) in parse_qs(asked.query).items()} == {
        "fromChain": "8453",
        "toChain": "42161",
        "fromToken": HERE.address,
        "toToken": THERE.address,
        "fromAmount": "1000000000",
        "fromAddress": OWNER,
        "toAddress": OWNER,
        "slippage": "0.005",
    }


def test_an_answer_is_read() -> None:
    found = lifi.answered(HAND_MADE, GIVEN, THERE, OWNER)
    assert (found.tool, found.taken, found.given, found.least) == (
        "across",
        GIVEN,
        Amount(THERE, 999_412_000),
        Amount(THERE, 994_414_940),
    )
    assert (found.seconds, found.fees_usd, found.gas_usd) == (4.0, pytest.approx(0.55), 0.02)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("action",), None, "lacks 'action'"),
        (("estimate",), [], "lacks 'estimate'"),
        (("action", "fromAmount"), "1000000001", "fromAmount 1000000001"),
        (("action", "fromChainId"), 1, "fromChainId 1"),
        (("action", "toChainId"), 1, "toChainId 1"),
        (("action", "fromToken", "address"), STRANGER, "fromToken"),
        (("action", "toToken", "address"), STRANGER, "toToken"),
        (("action", "toToken"), "USDC", "lacks 'toToken'"),
        (("action", "toAddress"), STRANGER, "would pay"),
        (("estimate", "toAmount"), "-5", "no amount"),
        (("estimate", "toAmount"), 999412000, "no amount"),
        (("estimate", "toAmount"), "9" * 200, "no amount"),
        (("estimate", "toAmountMin"), "0", "least output 0"),
        (("estimate", "toAmountMin"), "999412001", "least output 999412001"),
        (("estimate", "executionDuration"), "soon", "no number"),
        (("estimate", "executionDuration"), float("nan"), "no cost and no time"),
        (("estimate", "feeCosts"), {"a": 1}, "no list of costs"),
        (("estimate", "gasCosts"), [{"amountUSD": "-1"}], "no cost"),
    ],
)
def test_an_answer_to_something_else_is_not_believed(path: tuple[str, ...], value: object, said: str) -> None:
    document = copy.deepcopy(HAND_MADE)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(MarketError, match="is not believed") as refusal:
        lifi.answered(document, GIVEN, THERE, OWNER)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "document", [None, [], "x", 5, {}, {"message": "No available quotes for the requested transfer"}]
)
def test_what_is_no_quote_is_not_believed(document: object) -> None:
    with pytest.raises(MarketError, match="is not believed"):
        lifi.answered(document, GIVEN, THERE, OWNER)


def test_a_strangers_text_is_made_fit_to_be_shown() -> None:
    document = copy.deepcopy(HAND_MADE) | {"tool": "evil\x1b[2J\n" + "x" * 500}
    found = lifi.answered(document, GIVEN, THERE, OWNER)
    assert found.tool.startswith("evil[2Jxxx") and len(found.tool) <= 40
