"""Durations as a person thinks of them, and names of pools that say their tokens once."""

from __future__ import annotations

import pytest

from yieldbot.model.amounts import Address, Token
from yieldbot.model.durations import days_long, duration
from yieldbot.model.exchange import Pool
from yieldbot.model.ids import ChainId
from yieldbot.model.names import pool_name


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 min"),
        (20, "under a minute"),
        (864, "14 min"),
        (7_199, "120 min"),
        (86_400, "24 h"),
        (604_800, "7 days"),
        (8329.72 * 3_600, "347 days"),
        (-864, "-14 min"),
        (400_000_000, "4,630 days"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words == days_long(seconds / 86_400)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Uniswap v3", "Uniswap v3 USDC/DAI"),
        ("Curve (double) USDC/DAI", "Curve (double) USDC/DAI"),
        ("Curve (double) DAI/USDC", "Curve (double) USDC/DAI"),
        ("Curve metapool (double) DAI/USDC+?", "Curve metapool (double) USDC/DAI"),
        ("Curve DAI/USDT", "Curve DAI/USDT USDC/DAI"),
    ],
)
def test_a_pool_names_its_tokens_once(name: str, words: str) -> None:
    usdc, dai = (Token(ChainId("eip155:1"), Address(f"0x{i}"), symbol, 6) for i, symbol in enumerate(("USDC", "DAI")))
    assert pool_name(Pool("curve", name, Address("0x9"), usdc, dai, {})) == words
