"""What pools say of a dollar: by depth, by a measure that is none itself, from TWAPs and else from quotes."""

from __future__ import annotations

import math

import pytest

from tests.kit.market_builder import CHAIN, USDC
from yieldbot.math.concentrated import WORD, V3Pool
from yieldbot.math.venues import V3Venue
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.ids import Address
from yieldbot.risk.pool_prices import PoolPrice, concentrated, of_exchange, traded, with_traded

DAI = Token(CHAIN, Address("0x" + "22" * 20), "DAI", 18)
WETH = Token(CHAIN, Address("0x" + "33" * 20), "WETH", 18)
USD = {DAI.address: Price(1.001, 1), WETH.address: Price(2_000.0, 1)}


SPACING, WIDE = 10, 6_000


def v3_state(token0: Token, token1: Token) -> PoolState:
    """A pool of the two with some liquidity around one to one."""
    tick = round(math.log(token1.one / token0.one, 1.0001))
    ends = [(tick - WIDE) // SPACING * SPACING, (tick + WIDE) // SPACING * SPACING]
    liquidity, words = 10**18, dict[int, int]()
    for at in ends:
        word, bit = divmod(at // SPACING, WORD)
        words[word] = words.get(word, 0) | 1 << bit
    state = V3Pool(
        sqrt_price_x96=int(1.0001 ** (tick / 2) * 2**96), tick=tick, liquidity=liquidity, fee_pips=100, spacing=SPACING,
        words=words, net={ends[0]: liquidity, ends[1]: -liquidity}, first_word=min(words), last_word=max(words),
    )  # fmt: skip
    pool = Pool("uniswap_v3", "pool", Address("0x" + "44" * 20), token0, token1)
    return PoolState(pool, V3Venue(state, True), V3Venue(state, False))


def one(other: Token, rate: float, depth: float) -> PoolPrice:
    return PoolPrice(other=other, rate=rate, depth=depth)


def test_depth_counts_and_not_the_number_of_pools() -> None:
    deep, dead = one(DAI, 0.97, 1e6), [one(WETH, 1 / 2000, 50.0)] * 5
    assert traded([deep, *dead], USD, ()) == pytest.approx(0.97 * 1.001)
    assert traded(dead, USD, ()) is None, "nobody brings so shallow a pool back"
    assert traded([one(DAI, 0.97, 999.0)], USD, ()) is None and traded([], USD, ()) is None
    two = [one(DAI, 0.99, 5e5), one(WETH, 0.97 / 2000, 6e5)]
    assert traded(two, USD, ()) == pytest.approx(0.97)


def test_a_dollar_that_is_off_itself_and_one_without_a_feed_measure_nothing() -> None:
    off = {DAI.address: Price(0.985, 1)}
    assert traded([one(DAI, 1.0, 1e6)], off, {DAI.address}) is None
    assert traded([one(DAI, 1.0, 1e6)], off, ()) == pytest.approx(0.985), "of what is no dollar a price is a price"
    assert traded([one(DAI, 1.0, 1e6)], {}, ()) is None
    for rate, depth in ((math.nan, 1e6), (math.inf, 1e6), (0.0, 1e6), (1.0, math.nan), (1.0, math.inf), (1.0, -5.0)):
        assert traded([one(DAI, rate, depth)], USD, ()) is None


@pytest.mark.parametrize("first", [True, False])
def test_a_concentrated_pools_depth_is_what_its_own_venue_takes(first: bool) -> None:
    """Held against the pool's exact arithmetic: how much goes in until a unit is paid a hundredth less."""
    state = v3_state(USDC, DAI) if first else v3_state(DAI, USDC)
    pool = state.pool
    mine = pool.token0 == USDC
    v3 = state.zero.pool  # type: ignore[attr-defined]
    said = concentrated(USDC, DAI, float(v3.tick), float(v3.liquidity), mine)
    venue = state.venue(USDC)
    paid = venue.quote_exact_in(USDC.one)[0]
    assert said.rate == pytest.approx(paid / DAI.one, rel=2e-3)
    assert said.depth == pytest.approx(venue.amount_until_price(paid / USDC.one * 0.99) / USDC.one, rel=0.03)


def test_a_pool_without_a_twap_is_asked_what_it_would_pay() -> None:
    state = v3_state(USDC, DAI)
    feeds = {USDC: Price(1.0, 1), DAI: Price(1.001, 1)}
    found = of_exchange(Exchange((state,), feeds), USDC)
    fee_free = state.zero if state.pool.token0 == USDC else state.one
    assert found == pytest.approx(fee_free.quote_exact_in(USDC.one)[0] / DAI.one * 1.001, rel=2e-3)
    with_twap = Exchange((state,), feeds, ((state.pool, 0.96 if state.pool.token0 == USDC else 1 / 0.96),))
    assert of_exchange(with_twap, USDC) == pytest.approx(0.96 * 1.001), (
        "what one swap moves counts only where no mean is"
    )
    pegs = with_traded({USDC: Price(0.98, 7), DAI: None}, with_twap)
    assert pegs == {USDC: Price(0.98, 7, traded=pytest.approx(0.96 * 1.001)), DAI: None}
    assert of_exchange(Exchange((), feeds, ((Pool("p", "x", Address("0x1"), WETH, DAI), 2_000.0),)), USDC) is None
