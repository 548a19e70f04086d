"""Fraxlend's moving line against the rate contract's integers; pairs that are none, or whose model is impossible."""

from __future__ import annotations

import random

import pytest

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.units import SECONDS_PER_YEAR, WAD
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.fraxlend import curve_of

USDC = Token(ChainId("eip155:1"), Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
PAIR = Address("0x78bB3aEC3d855431bd9289fD98dA13F9ebB7ef15")
MODEL = {
    "MIN_TARGET_UTIL": 75_000,
    "MAX_TARGET_UTIL": 85_000,
    "VERTEX_UTILIZATION": 87_500,
    "MIN_FULL_UTIL_RATE": 1_582_470_460,
    "MAX_FULL_UTIL_RATE": 3_164_940_920_000,
    "ZERO_UTIL_RATE": 158_247_046,
    "RATE_HALF_LIFE": 172_800,
    "VERTEX_RATE_PERCENT": 2 * 10**17,
}


def rate(elapsed: int, used: int, full: int) -> int:
    """VariableInterestRate.getNewRate, with its rounding: the new rate a second, in 1e18."""
    scale = MODEL["RATE_HALF_LIFE"] * 10**36
    low, high, vertex = (MODEL[name] for name in ("MIN_TARGET_UTIL", "MAX_TARGET_UTIL", "VERTEX_UTILIZATION"))
    if used < low:
        full = full * scale // (scale + ((low - used) * WAD // low) ** 2 * elapsed)
    elif used > high:
        full = full * (scale + ((used - high) * WAD // (100_000 - high)) ** 2 * elapsed) // scale
    full = max(MODEL["MIN_FULL_UTIL_RATE"], min(full, MODEL["MAX_FULL_UTIL_RATE"]))
    zero = MODEL["ZERO_UTIL_RATE"]
    kink = (full - zero) * MODEL["VERTEX_RATE_PERCENT"] // WAD + zero
    if used < vertex:
        return zero + used * (kink - zero) // vertex
    return kink + (used - vertex) * (full - kink) // (100_000 - vertex)


def test_the_curve_is_the_contracts_rate_at_every_utilisation_and_time() -> None:
    draw = random.Random(7)
    for _ in range(300):
        used, seconds = draw.randrange(1, 100_001), draw.choice((1, 3600, 86_400, 30 * 86_400))
        full = draw.randrange(MODEL["MIN_FULL_UTIL_RATE"], 10**11)
        curve = curve_of(MODEL, full, 0.9, 0.0, 1.0, True)
        wanted = rate(seconds, used, full) * SECONDS_PER_YEAR / WAD
        assert curve.borrow_apr(used / 100_000, seconds) == pytest.approx(wanted, rel=1e-7)
        supplied = 100_000 / used
        assert curve.apr(supplied, seconds) == pytest.approx(wanted * used / 100_000 * 0.9, rel=1e-4)


def test_paused_interest_pays_nothing_and_impossible_models_are_refused() -> None:
    assert curve_of(MODEL, 10**10, 0.9, 100.0, 80.0, False).apr(10.0, 86_400.0) == 0.0
    with pytest.raises(MarketError, match="out of order"):
        curve_of({**MODEL, "VERTEX_UTILIZATION": 100_000}, 10**10, 0.9, 0.0, 1.0, True)


def test_what_is_no_pair_is_unfit() -> None:
    adapter = adapters()["fraxlend"]
    flow = adapter.discover(Deployment("fraxlend", USDC.chain, "Fraxlend", {"pairs": [PAIR]}, (USDC,)))
    reads = next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send([b"" for _ in reads])
    (market,) = done.value.value
    with pytest.raises(MarketError, match="Fraxlend"):
        next(adapter.observe(market, PAIR, BlockRef(USDC.chain, 1, "0x" + "00" * 32, 1)))
