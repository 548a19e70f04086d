"""What two nodes of a cluster say of prices, and what a recorded mean is made of; nothing is asked of a chain."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.kit.handles import answered
from yieldbot.chains.pools import PoolReads
from yieldbot.chains.solana.prices import feed_price
from yieldbot.chains.solana.swap_pools import apart, exchange_of
from yieldbot.errors import MarketError
from yieldbot.math.whirlpool import Whirlpool, WhirlpoolVenue, sqrt_at
from yieldbot.model.amounts import Token
from yieldbot.model.exchange import Exchange, Pool, PoolState, Price
from yieldbot.model.ids import Address, svm_chain
from yieldbot.protocols.solana.raydium_clmm import OBSERVATION_BYTES, OBSERVATIONS, OBSERVATIONS_AT, mean_tick
from yieldbot.sandbox.solana.exchanges.raydium_clmm import OBSERVED_EVERY_SECONDS, observations
from yieldbot.sandbox.solana.images import named
from yieldbot.sandbox.solana.market import price_account

CHAIN = svm_chain("TestTestTestTestTestTestTestTestTestTestTest")
ONE, OTHER = (Token(CHAIN, named(symbol), symbol, 6) for symbol in ("ONE", "OTHER"))
SEEN = Pool("raydium_clmm", "Witness", Address("witness"), ONE, OTHER)
NOW = 1_790_000_000


def test_nodes_must_agree_on_every_price() -> None:
    mine = Exchange((), {ONE: Price(1.0, NOW), OTHER: Price(0.999, NOW)}, ((SEEN, 1.0005),))
    assert apart(mine, mine, 0.002) is None
    near = replace(mine, usd={**mine.usd, OTHER: Price(1.0005, NOW)})
    assert apart(mine, near, 0.002) is None
    far = replace(mine, usd={**mine.usd, OTHER: Price(1.0025, NOW)})
    assert apart(mine, far, 0.002) == "it shows another price of OTHER"
    assert apart(mine, replace(mine, oracle_prices=((SEEN, 1.003),)), 0.002) == "it shows another price of Witness"
    assert apart(mine, replace(mine, oracle_prices=()), 0.002) == "it shows other pools, or other price oracles"
    lacking = replace(mine, usd={ONE: Price(1.0, NOW)})
    assert apart(mine, lacking, 0.002) == "it shows another price of OTHER"


def test_nodes_must_agree_on_what_a_pool_gives() -> None:
    pool = Pool("orca_whirlpool", "Orca 0.01%", Address("pool"), ONE, OTHER)
    state = Whirlpool(sqrt_at(0), 0, 10**12, 100, 0, 1, {-88: 10**12, 88: -(10**12)})

    def at(tick: int) -> Exchange:
        moved = replace(state, sqrt_price_x64=sqrt_at(tick), tick=tick)
        return Exchange((PoolState(pool, WhirlpoolVenue(moved, True), WhirlpoolVenue(moved, False)),), {})

    assert apart(at(0), at(10), 0.002) is None, "10 bp"
    assert apart(at(0), at(30), 0.002) == "it shows another price of Orca 0.01%"
    assert apart(at(0), Exchange((), {}), 0.002) == "it shows other pools, or other price oracles"


def recorded(*ticks: tuple[int, int]) -> tuple[bytes, int]:
    """A pool's observations: (seconds that passed, tick meanwhile) up to the newest, the rest never written."""
    import struct

    data = bytearray(observations(named("program"), named("pool"), 0, NOW).data)
    data[OBSERVATIONS_AT : OBSERVATIONS_AT + OBSERVATIONS * OBSERVATION_BYTES] = bytes(OBSERVATIONS * OBSERVATION_BYTES)
    at, total = NOW - sum(seconds for seconds, _ in ticks), 0
    struct.pack_into("<Iq", data, OBSERVATIONS_AT, at, total)
    for i, (seconds, tick) in enumerate(ticks, 1):
        at, total = at + seconds, total + tick * seconds
        struct.pack_into("<Iq", data, OBSERVATIONS_AT + i * OBSERVATION_BYTES, at, total)
    return bytes(data), len(ticks)


def test_a_mean_is_of_the_longest_time_within_half_an_hour() -> None:
    data, newest = recorded((3600, 900), (900, 100), (600, -50), (200, 20))
    tick, seconds = mean_tick(data, newest, NOW + 30)
    assert seconds == 1700 and math.isclose(tick, (900 * 100 - 600 * 50 + 200 * 20) / 1700)
    one = observations(named("program"), named("pool"), -7, NOW).data
    assert mean_tick(one, OBSERVATIONS - 1, NOW) == (-7.0, 99 * OBSERVED_EVERY_SECONDS)


def test_a_price_that_was_pushed_a_moment_ago_moves_the_mean_by_that_moment_alone() -> None:
    calm, newest = recorded(*[(18, 0)] * 98)
    pushed, last = recorded(*[(18, 0)] * 97, (18, 5000))
    assert mean_tick(calm, newest, NOW)[0] == 0.0
    tick, seconds = mean_tick(pushed, last, NOW)
    assert tick == pytest.approx(5000 * 18 / seconds) and tick < 52


@pytest.mark.parametrize(
    ("ticks", "late", "why"),
    [
        ([(900, 1)], 601, "newest observation is of 601 s ago"),
        ([(900, 1)], -61, "newest observation is of -61 s ago"),
        ([(899, 1)], 0, "do not go back 15 minutes"),
        ([(2000, 1)], 0, "do not go back 15 minutes"),
        ([], 0, "do not go back 15 minutes"),
    ],
)
def test_what_is_too_old_or_too_short_is_no_price(ticks: list[tuple[int, int]], late: int, why: str) -> None:
    data, newest = recorded(*ticks)
    with pytest.raises(MarketError, match=why):
        mean_tick(data, newest, NOW + late)
    with pytest.raises(MarketError, match="no newest one"):
        mean_tick(data, OBSERVATIONS, NOW)


def test_a_price_account_that_somebody_holds_is_no_feed() -> None:
    """Who posted it can write another feed's price over it, signed by as many guardians."""
    feed = named("feed")

    def price(data: bytes) -> Price:
        flow = feed_price(feed, NOW)
        next(flow)
        with pytest.raises(StopIteration) as ended:
            flow.send([data])
        found: Price = ended.value.value
        return found

    assert price(price_account(feed, 1.0, NOW).data).usd == pytest.approx(1.0)
    with pytest.raises(MarketError, match="no feed's own account"):
        price(price_account(named("somebody"), 1.0, NOW).data)


def test_what_is_no_price_is_no_witness_and_two_of_one_name_are_two() -> None:
    second = replace(SEEN, address=Address("second"))
    told = exchange_of(PoolReads((), ((SEEN, answered((SEEN, 0.0))), (second, answered((second, 1.0)))), ()), {})
    assert told.oracle_prices == ((second, 1.0),) and told.unread == ("Witness: 0.0 is no price",)
    both = replace(told, oracle_prices=((SEEN, 0.5), (second, 1.0)))
    assert sorted(both.rates(OTHER, ONE).values()) == [1.0, 2.0], "one does not hide what the other says"
