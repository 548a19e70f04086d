"""The least output of a swap: two independent prices that agree, and the higher of them."""

from __future__ import annotations

import pytest

from tests.kit.market_builder import USDC, usdc
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined
from yieldbot.risk.prices import FairOutput, below_minimum, depegged, fair_output, stale

WETH = Token(USDC.chain, Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"), "WETH", 18)


def test_the_higher_of_two_prices_that_agree_less_the_slippage() -> None:
    found = fair_output({"feeds": 1 / 3000, "mean": 1 / 3003}, usdc(3000), WETH, 50)
    assert isinstance(found, FairOutput) and found.rate == pytest.approx(1 / 3000)
    assert found.least.raw == pytest.approx(0.995e18, rel=1e-9)
    assert below_minimum(Amount(WETH, found.least.raw), found.least) is None
    refused = below_minimum(Amount(WETH, found.least.raw - 1), found.least)
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
    found = fair_output(prices, usdc(3000), WETH, 50)
    assert isinstance(found, Declined) and found.code == code


def test_a_feed_that_is_too_old_is_refused() -> None:
    assert stale({}, 1_000, 60) is None
    assert stale({"USDC": 940, "WETH": 1_000}, 1_000, 60) is None
    refused = stale({"USDC": 939, "WETH": 1_000}, 1_000, 60)
    assert refused is not None and refused.code == "PRICE_STALE"
    assert "USDC's feed is 61 s old" in refused.reason and "WETH" not in refused.reason


def test_both_sides_keep_their_peg() -> None:
    pegged = {USDC.address}
    pair = (USDC, WETH)
    assert depegged(pair, {USDC: 1.0099, WETH: 3000.0}, pegged, 100) is None
    assert depegged(pair, {USDC: 0.9901, WETH: 3000.0}, pegged, 100) is None
    assert depegged(pair, {USDC: 0.5, WETH: 3000.0}, (), 100) is None
    for rate, said in ((0.9898, "-102.0 bp"), (1.0101, "+101.0 bp")):
        for usd in ({USDC: rate, WETH: 3000.0}, {WETH: 3000.0, USDC: rate}):
            refused = depegged(pair, usd, pegged, 100)
            assert refused is not None and refused.code == "DEPEGGED" and f"USDC is {said} off" in refused.reason
    unknown = depegged(pair, {WETH: 3000.0}, pegged, 100)
    assert unknown is not None and unknown.code == "PRICE_UNKNOWN"
