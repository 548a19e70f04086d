"""Fluid's words: their bits, prices with supply that earns nothing, rate models of both versions."""

from __future__ import annotations

import pytest

from yieldbot.errors import MarketError
from yieldbot.math.fluid import Prices, Totals, big, earns_interest, paused, position, rate_points
from yieldbot.model.amounts import BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, ChainId
from yieldbot.protocols import adapters

NOW, DAY = 1_700_000_000, 86_400
ONE = 10**12
USDC = Token(ChainId("eip155:1"), Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
F_USDC = Address("0x9Fb7b4477576Fe5B32be4C1843aFB1e55F251B33")


def word_of(rate: int, fee: int, used: int, supply_ratio: int, borrow_ratio: int) -> Prices:
    return Prices(
        rate | fee << 16 | used << 30 | NOW << 58 | ONE << 91 | 2 * ONE << 155 | supply_ratio << 219
        | borrow_ratio << 234
    )  # fmt: skip


@pytest.mark.parametrize(
    ("supply_ratio", "borrow_ratio", "earned"),
    [
        (0, 0, 8000),
        (2500 << 1, 0, 10_000),
        (2500 << 1 | 1, 0, 40_000),
        (0, 2500 << 1, 6400),
        (1, 0, None),
        (0, 1, None),
    ],
)
def test_supply_earns_more_where_some_earns_nothing_and_less_where_some_pays_nothing(
    supply_ratio: int, borrow_ratio: int, earned: int | None
) -> None:
    prices = word_of(500, 1000, 8000, supply_ratio, borrow_ratio)
    supply, borrow = prices.at(NOW + 73 * DAY)
    assert borrow == 2 * ONE + (0 if borrow_ratio == 1 else 2 * ONE * 500 // 5 // 10_000)
    if earned is None:
        assert supply == ONE
    else:
        assert prices.earned_bps == earned
        assert supply == ONE + ONE * 500 * earned * 9000 // 5 // 10**12


def test_words_of_impossible_times_or_versions_are_refused() -> None:
    with pytest.raises(OverflowError, match="future"):
        word_of(500, 1000, 8000, 0, 0).at(NOW - 1)
    with pytest.raises(OverflowError, match="version 3"):
        rate_points(3)
    with pytest.raises(OverflowError, match="order"):
        rate_points(1 | 10_000 << 20)
    assert rate_points(1 | 100 << 4 | 8000 << 20 | 500 << 36 | 9000 << 52) == ((0, 100), (8000, 500), (10_000, 9000))
    assert len(rate_points(2 | 8000 << 20 | 500 << 36 | 9000 << 52 | 700 << 68 | 4000 << 84)) == 4


def test_a_position_and_totals() -> None:
    word = 1 | (1000 << 8 | 3) << 1 | (700 << 8 | 3) << 65 | NOW << 129 | 3500 << 162 | 21_600 << 176
    mine = position(word)
    assert (mine.amount, mine.limit, mine.must_stay(NOW + 10_800)) == (8000, 5600, 5200)
    assert earns_interest(word) and not paused(word) and paused(word | 1 << 255)
    totals = Totals((5 << 8) | (7 << 8 | 1) << 64 | (11 << 8) << 128 | (13 << 8) << 192)
    assert (totals.earning_raw(2 * ONE), totals.free_raw, totals.borrowed_raw(3 * ONE), big(1 << 8 | 4)) == (
        10,
        14,
        46,
        16,
    )


def test_what_is_no_ftoken_is_unfit() -> None:
    adapter = adapters()["fluid"]
    flow = adapter.discover(Deployment("fluid", USDC.chain, "Fluid", {"f_tokens": [F_USDC]}, (USDC,)))
    reads = next(flow)
    with pytest.raises(StopIteration) as done:
        flow.send([b"" for _ in reads])
    (market,) = done.value.value
    with pytest.raises(MarketError, match="fToken"):
        next(adapter.observe(market, F_USDC, BlockRef(USDC.chain, 1, "0x" + "00" * 32, NOW)))
