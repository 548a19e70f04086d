"""The least output of a swap: two independent prices that agree, and the higher of them."""

from __future__ import annotations

import pytest

from tests.unit.allocator.market_builder import USDC, usdc
from yieldbot.allocator.fair import Fair, enough, fair
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined

WETH = Token(USDC.chain, Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"), "WETH", 18)


def test_the_higher_of_two_prices_that_agree_less_the_slippage() -> None:
    found = fair({"feeds": 1 / 3000, "mean": 1 / 3003}, usdc(3000), WETH, 50)
    assert isinstance(found, Fair) and found.rate == pytest.approx(1 / 3000)
    assert found.least.raw == pytest.approx(0.995e18, rel=1e-9)
    assert enough(Amount(WETH, found.least.raw), found.least) is None
    refused = enough(Amount(WETH, found.least.raw - 1), found.least)
    assert refused is not None and refused.code == "PRICE_IMPACT"


@pytest.mark.parametrize(
    ("prices", "code"),
    [
        ({}, "PRICE_UNKNOWN"),
        ({"feeds": 1 / 3000}, "PRICE_UNKNOWN"),
        ({"feeds": 1 / 3000, "mean": 0.0}, "PRICE_UNKNOWN"),
        ({"feeds": 1 / 3000, "mean": 1 / 3031}, "PRICES_DISAGREE"),
        ({"feeds": 1.0, "mean": 1.0, "another": 1.02}, "PRICES_DISAGREE"),
    ],
)
def test_one_price_or_prices_apart_are_refused(prices: dict[str, float], code: str) -> None:
    found = fair(prices, usdc(3000), WETH, 50)
    assert isinstance(found, Declined) and found.code == code
