"""Pendle's markets: what a purchase of a principal token fixes, by the market's own integers, and what is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tests.unit.protocols.test_registries import ASSET, AT, CURATOR, FIRST, OTHER, SECOND, ZERO, confirmed
from yieldbot.math.pendle import (
    ONE,
    YEAR,
    PendleError,
    PtMarket,
    after_trade,
    exp_raw,
    fixed_rate,
    ln_raw,
    most_pt_out,
    pt_for_sy,
    trade,
)
from yieldbot.model.known import MULTICALL3

NOW = 1_800_000_000
LEFT = YEAR // 2
MARKET = PtMarket(
    total_pt=4_000_000 * 10**6,
    total_sy=5_000_000 * 10**6,
    scalar_root=40 * ONE,
    expiry=NOW + LEFT,
    ln_fee_rate_root=10**15,
    reserve_fee_percent=80,
    last_ln_implied_rate=6 * 10**16,
    index=11 * ONE // 10,
)
"""6 % continuously compounded for half a year, and a fee of 0.1 % a year."""


def test_exponentials_and_logarithms_are_those_of_the_contract_s_series() -> None:
    for x in (0, 1, ONE // 7, ONE, 3 * ONE, 70 * ONE, -5 * ONE):
        assert exp_raw(x) / ONE == pytest.approx(math.exp(x / ONE), rel=1e-15)
        assert x < 0 or ln_raw(exp_raw(x)) == pytest.approx(x, abs=100)
    for a in (1, ONE // 3, ONE - 5, ONE, ONE + 7, 11 * ONE // 10, 2 * ONE, 10**45):
        assert ln_raw(a) == pytest.approx(math.log(a / ONE) * ONE, rel=1e-15, abs=40)
    assert (exp_raw(ONE), ln_raw(2 * ONE)) == (2718281828459045235, 693147180559945309)
    for bad in (lambda: exp_raw(131 * ONE), lambda: exp_raw(-42 * ONE)):
        with pytest.raises(PendleError, match="Invalid exponent"):
            bad()
    with pytest.raises(PendleError, match="out of bounds"):
        ln_raw(0)


# Held against the compiled MarketMathCore (pendle-core-v2-public@e8c2cca): (PT bought, SY paid, fee, to reserve, PT
# and SY that stay, logarithm of the implied rate).
REAL = (
    (1000000, -882664, 440, 352, 3999999000000, 5000000882312, 59999989653537190),
    (55000000000, -48560561171, 24274210, 19419368, 3945000000000, 5048541141803, 59429616628203838),
    (2000000000007, -1787078734694, 893316019, 714652814, 1999999999993, 6786364081880, 35624288611914968),
    (-1000000, 881781, 440, 352, 4000001000000, 4999999117867, 60000010345597412),
    (-333333333333, 293419971632, 146746669, 117397334, 4333333333333, 4706462631034, 63406854792731298),
)


@pytest.mark.parametrize(("pt", "sy", "fee", "reserve", "pt_left", "sy_left", "rate"), REAL)
def test_trades_are_those_of_the_real_contract(
    pt: int, sy: int, fee: int, reserve: int, pt_left: int, sy_left: int, rate: int
) -> None:
    after, done = after_trade(MARKET, pt, NOW)
    assert (done.sy, done.fee, done.to_reserve) == (sy, fee, reserve)
    assert (after.total_pt, after.total_sy, after.last_ln_implied_rate) == (pt_left, sy_left, rate)


def test_what_is_paid_buys_the_most_and_no_more() -> None:
    for sy in (10**6, 50_000 * 10**6, 1_000_000 * 10**6):
        pt = pt_for_sy(MARKET, sy, NOW)
        assert -trade(MARKET, pt, NOW).sy <= sy < -trade(MARKET, pt + 1, NOW).sy
    most = most_pt_out(MARKET, NOW)
    assert 0 < most < MARKET.total_pt and pt_for_sy(MARKET, 10**30, NOW) == most
    assert fixed_rate(MARKET, 10**30, NOW) is None, "so much cannot be bought"


def test_a_fixed_rate_falls_with_what_is_bought_and_a_sale_costs_what_the_market_takes() -> None:
    small, large = fixed_rate(MARKET, 100 * 10**6, NOW), fixed_rate(MARKET, 500_000 * 10**6, NOW)
    assert small is not None and large is not None and small.apr > large.apr > 0.0
    marginal = (math.exp(0.06 * 0.5) - 1.0) * 2.0
    fee = (math.exp(0.001 * 0.5) - 1.0) * 2.0
    assert small.apr == pytest.approx(marginal - fee, rel=0.02)
    assert 0.0009 < small.exit_cost < 0.0011, "the fee of half a year, twice"
    free = replace(MARKET, ln_fee_rate_root=0)
    costs = [one.exit_cost for part in (10**8, 10**11, 10**12) if (one := fixed_rate(free, part, NOW)) is not None]
    assert len(costs) == 3 and 0.0 <= costs[0] < 1e-6 < costs[1] < costs[2], "a trade has one price, that at its end"


def test_a_market_refuses_as_its_contract_does() -> None:
    for changed, error in (
        ({"expiry": NOW}, "MarketExpired"),
        ({"total_sy": 0}, "MarketZeroTotalPtOrTotalAsset"),
        ({"scalar_root": 0}, "MarketRateScalarBelowZero"),
        ({"index": 0}, "index"),
    ):
        with pytest.raises(PendleError, match=error):
            trade(replace(MARKET, **changed), 10**6, NOW)  # type: ignore[arg-type]
    with pytest.raises(PendleError, match="MarketInsufficientPtForTrade"):
        trade(MARKET, MARKET.total_pt, NOW)
    with pytest.raises(PendleError, match="MarketProportionTooHigh"):
        trade(MARKET, -100 * MARKET.total_pt, NOW)
    with pytest.raises(PendleError, match="MarketExchangeRateBelowOne"):
        trade(MARKET, MARKET.total_pt * 99 // 100, NOW)


def answers(market: PtMarket, *, takes: bool = True, expired: bool = False) -> Mapping[tuple[str, str], bytes]:
    state = (market.total_pt, market.total_sy, 0, ZERO, market.scalar_root, market.expiry, market.ln_fee_rate_root)
    words = ["int256"] * 3 + ["address", "int256"] + ["uint256"] * 4
    return {
        (AT, "isValidMarket(address)"): encode(["bool"], [True]),
        (FIRST, "readTokens()"): encode(["address"] * 3, [SECOND, CURATOR, OTHER]),
        (FIRST, "isExpired()"): encode(["bool"], [expired]),
        (FIRST, "readState(address)"): encode(words, [*state, market.reserve_fee_percent, market.last_ln_implied_rate]),
        (OTHER, "pyIndexCurrent()"): encode(["uint256"], [market.index]),
        (MULTICALL3, "getCurrentBlockTimestamp()"): encode(["uint256"], [NOW]),
        (SECOND, "assetInfo()"): encode(["uint8", "address", "uint8"], [0, ASSET, 6]),
        (SECOND, "isValidTokenIn(address)"): encode(["bool"], [takes]),
        (SECOND, "isValidTokenOut(address)"): encode(["bool"], [True]),
        (CURATOR, "totalSupply()"): encode(["uint256"], [5]),
    }


def test_a_found_market_shows_what_a_purchase_fixes_and_what_its_yield_token_does_not_take() -> None:
    found = confirmed("pendle", FIRST, answers(MARKET))
    fixed = fixed_rate(MARKET, MARKET.total_sy // 100, NOW)
    assert fixed is not None and (found.fixed_rate, found.exit_cost) == (fixed.apr, fixed.exit_cost)
    assert (found.expiry, found.limits, found.fault) == (MARKET.expiry, (), "")
    (limit,) = confirmed("pendle", FIRST, answers(MARKET, takes=False)).limits
    assert "does not take the asset" in limit


@pytest.mark.parametrize(
    "market",
    [
        replace(MARKET, expiry=NOW + 3600),
        replace(MARKET, expiry=NOW - 1),
        replace(MARKET, index=0),
        replace(MARKET, total_sy=0),
        replace(MARKET, last_ln_implied_rate=2**256 - 1),
        replace(MARKET, last_ln_implied_rate=60 * ONE),
        replace(MARKET, total_pt=2**255 - 1),
        replace(MARKET, scalar_root=1),
    ],
)
def test_no_absurd_rate_is_shown(market: PtMarket) -> None:
    assert confirmed("pendle", FIRST, answers(market)).fixed_rate is None


def test_an_expired_market_and_one_without_answers_show_no_rate() -> None:
    old = confirmed("pendle", FIRST, answers(MARKET, expired=True))
    assert (old.fixed_rate, old.expiry, old.fault) == (None, None, "it has expired")
    bare = {key: data for key, data in answers(MARKET).items() if key[1] not in ("readState(address)",)}
    assert confirmed("pendle", FIRST, bare).fixed_rate is None
