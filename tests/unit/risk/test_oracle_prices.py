"""The prices that markets lend by: read with what backs them, held against other sources and against their own past."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market, snapshot
from tests.unit.protocols.test_backing import DAI, USDC, WETH, Answers, at, call, listed, read, words
from yieldbot.model.exchange import Price
from yieldbot.model.ids import MarketId
from yieldbot.model.look_through import Backer, Backing, Priced
from yieldbot.model.market import Kind
from yieldbot.protocols.evm.backing import keys_of, root_of
from yieldbot.protocols.evm.backing_pools import Known, oracle_key, token_key
from yieldbot.risk.facts import Around, Facts
from yieldbot.risk.oracle_prices import ALONE_DAYS, DAY, FEEDS, checked, feeds_of, stored
from yieldbot.risk.other_sides import oracle
from yieldbot.risk.scales import scales

POOL, COMET, ORACLE, RIVAL = "aave:0xA", "comet:0xB", oracle_key(at(7), WETH, USDC), oracle_key(at(8), WETH, USDC)
M = MarketId("m")


def backing(*oracles: str, through: str = POOL, share: float = 1.0) -> dict[MarketId, Backing]:
    part = Backer(backing=WETH, symbol="WETH", share=share, through=("m", through))
    return {M: Backing(market=M, parts=(part,), oracles=oracles, block=9)}


def compared(own: str, *others: tuple[str, float], price: float = 3000.0) -> float | None:
    """By how much one source is off, each source in a unit of its own."""
    prices = {own: {WETH: price, USDC: 1.0}}
    prices |= {name: {WETH: its * 5, USDC: 5.0, DAI: 5.0} for name, its in others}
    (one,) = checked(backing(own, through="x"), prices, {})[M]
    assert one.source == own and one.share == 1.0
    return one.off


def test_a_price_is_held_against_the_median_of_other_sources_in_their_own_units() -> None:
    assert compared(POOL, (COMET, 3000.0)) == pytest.approx(0.0)
    assert compared(POOL, (COMET, 3000.0), (FEEDS, 2000.0), ("aave:0xC", 3000.0)) == pytest.approx(0.0), "one is odd"
    assert compared(ORACLE, (POOL, 2900.0)) == pytest.approx(3000 / 2900 - 1)
    assert compared(POOL, (ORACLE, 1.0)) is None, "whoever makes a market chooses its oracle"
    assert compared(ORACLE, (RIVAL, 2900.0)) == pytest.approx(3000 / 2900 - 1), "but such compare with each other"
    assert compared(ORACLE, (RIVAL, 1.0), (POOL, 3000.0)) == pytest.approx(0.0)
    alone = {POOL: {WETH: 3000.0, USDC: 1.0}, COMET: {WETH: 3000.0}}
    assert checked(backing(POOL), alone, {})[M][0].off is None, "no token in common: their units are not known"
    assert checked(backing(POOL, share=0.09), {POOL: {WETH: 1.0}}, {}) == {}, "a tenth at least must rest on it"
    assert checked(backing(), {COMET: {WETH: 1.0}}, {}) == {}


def test_the_worst_of_several_oracles_of_one_collateral_counts() -> None:
    prices = {ORACLE: {WETH: 3000.0, USDC: 1.0}, RIVAL: {WETH: 3300.0, USDC: 1.0}, POOL: {WETH: 3000.0, USDC: 1.0}}
    (one,) = checked(backing(ORACLE, RIVAL, through="x"), prices, {})[M]
    assert one.source == RIVAL and one.off == pytest.approx(0.1)


def test_a_price_that_never_moves_is_a_constant_after_a_fortnight_or_a_week_beside_one_that_does() -> None:
    for days, other, constant in (
        (13, None, False),
        (14, None, True),
        (6, 1.0, False),
        (7, 1.0, True),
        (7, 0.0, False),
    ):
        past: dict[str, tuple[tuple[int, float], ...]] = {}
        for day in range(days + 1):
            prices = {ORACLE: {WETH: 3000.0, USDC: 1.0}}
            prices |= {} if other is None else {POOL: {WETH: 3000.0 * (1.0 + other * day / 100), USDC: 1.0}}
            past = dict(stored(past, prices, backing(ORACLE), 1_700_000_000 // DAY * DAY + day * DAY))
        (one,) = checked(backing(ORACLE, through="x"), prices, past)[M]
        assert (one.constant_days == days) is constant, (days, other)
    kept = stored(past, {ORACLE: {WETH: 3001.0, DAI: 5.0}}, backing(ORACLE), 1_700_000_000 // DAY * DAY + 8 * DAY)
    assert {name.rpartition(" ")[2] for name in kept} == {WETH.lower()}, "of collaterals alone"
    assert checked(backing(ORACLE), {ORACLE: {WETH: 3001.0}}, kept)[M][0].constant_days is None, "it moved"
    assert ALONE_DAYS == 14


def test_prices_are_read_with_what_backs_markets() -> None:
    """By the pools' own views, as their sources have them, for one base unit: Aave, a comptroller, a Comet, Morpho."""
    answers: Answers = {call(at(0x50), "getReservesList()"): listed(WETH, USDC)}
    data, prices = at(0x51), at(0x52)
    for one, decimals, price in ((WETH, 18, 3000 * 10**8), (USDC, 6, 10**8)):
        answers[call(data, "getReserveConfigurationData(address)", one)] = words(decimals, 0, 8000, *[0] * 7)
        answers[call(data, "getReserveData(address)", one)] = words(0, 0, 10**24, 0, 0, *[0] * 7)
        answers[call(prices, "getAssetPrice(address)", one)] = words(price)
    key, known = f"aave:{at(0x50)}", Known(providers={f"aave:{at(0x50)}": (data, prices)})
    graph, _, _ = read(answers, key, known)
    assert dict(graph.nodes[key].prices) == pytest.approx({token_key(WETH): 3000 * 1e8 / 1e18, token_key(USDC): 100.0})

    comet, feed, own = at(0x60), at(0x61), at(0x62)
    answers = {call(comet, "getReserves()"): words(0), call(comet, "totalBorrow()"): words(5)}
    answers |= {call(comet, "baseToken()"): words(USDC), call(comet, "baseScale()"): words(10**6)}
    answers |= {call(comet, "baseTokenPriceFeed()"): words(own), call(comet, "getPrice(address)", own): words(10**8)}
    answers[call(comet, "getAssetInfo(uint8)", 0)] = words(0, WETH, feed, 10**18, 0, 0, 0, 0)
    answers[call(comet, "totalsCollateral(address)", WETH)] = words(10**18, 0)
    answers[call(comet, "getPrice(address)", feed)] = words(3000 * 10**8)
    graph, _, _ = read(answers, f"comet:{comet}")
    found = dict(graph.nodes[f"comet:{comet}"].prices)
    assert found == pytest.approx({token_key(WETH): 3000 * 1e8 / 1e18, token_key(USDC): 100.0})

    comptroller, under = at(0x70), at(0x71)
    answers = {call(comptroller, "getAllMarkets()"): listed(at(0x72)), call(comptroller, "oracle()"): words(under)}
    answers[call(at(0x72), "underlying()")] = words(WETH)
    answers[call(under, "getUnderlyingPrice(address)", at(0x72))] = words(3000 * 10**18)
    graph, _, _ = read(answers, f"comptroller:{comptroller}")
    assert dict(graph.nodes[f"comptroller:{comptroller}"].prices) == pytest.approx({token_key(WETH): 3000 / 1e18})

    answers = {call(at(7), "price()"): words(3000 * 10**24)}
    graph, _, _ = read(answers, ORACLE)
    assert dict(graph.nodes[ORACLE].prices) == pytest.approx({token_key(WETH): 3e-9, token_key(USDC): 1.0})
    graph, _, _ = read({call(at(7), "price()"): words(0)}, ORACLE)
    assert graph.nodes[ORACLE].prices == ()


def test_the_oracles_of_morphos_markets_and_of_a_vaults_queue_are_read() -> None:
    blue = market("blue", kinked(1e6, 8e5), protocol="morpho_blue")
    blue = replace(blue, market=replace(blue.market, params={"oracle": at(7), "collateral": WETH}))
    asset = blue.market.asset.address
    assert root_of(blue, {}).oracles == (oracle_key(at(7), WETH, asset),)
    params = {"withdraw_queue": ("aa",), "supply_queue": (), "oracles": {"aa": at(7), "bb": at(8)},
              "collaterals": {"morpho_blue/1/0xaa": WETH, "morpho_blue/1/0xbb": DAI}}  # fmt: skip
    vault = replace(blue, market=replace(blue.market, protocol="erc4626", kind=Kind.VAULT, params=params))
    root = root_of(vault, {})
    assert root.oracles == (oracle_key(at(7), WETH, asset),) and root.oracles[0] in keys_of([root])


def test_the_grade_rises_where_a_second_source_confirms_and_falls_where_one_differs_or_nothing_moves() -> None:
    state = market("m", kinked(1e6, 8e5), borrowed=8e5)
    state = replace(state, market=replace(state.market, params={"oracle": at(7), "feeds": (at(8),)}))

    def scored(**facts: object) -> tuple[float, tuple[str, ...]]:
        one = Priced(symbol="WETH", share=1.0, source=POOL, by=COMET, **facts)  # type: ignore[arg-type]
        found = oracle(state, Facts(around=Around(size=1.0), priced=(one,)), scales())
        assert any("WETH" in row.what for row in found.evidence) or found.missing
        return found.score, found.missing

    assert oracle(state, Facts(around=Around(size=1.0)), scales()).score == 85.0
    assert scored(off=0.004) == (95.0, ())
    assert scored(off=None) == (85.0, ("a second source of the price of WETH",))
    assert [scored(off=by)[0] for by in (0.02, -0.05, 0.2)] == [70.0, 30.0, 0.0]
    assert scored(off=0.0, constant_days=20.0)[0] == 5.0


def test_the_chain_files_feeds_are_a_source() -> None:
    seen = snapshot(1.0, market("m", kinked(1e6, 8e5)))
    token = seen.assets[0]
    assert feeds_of(replace(seen, pegs={token: Price(0.999, 1)})) == {str(token.address): 0.999 / 1e6}
    assert feeds_of(replace(seen, pegs={token: None})) == {} == feeds_of(seen)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_sources_say_nothing_raises(seed: int) -> None:
    draw = random.Random(seed)
    numbers = (0.0, -1.0, 1.0, 3000.0, 1e300, 1e-300, float("inf"), float("nan"))
    prices = {
        name: {token: draw.choice(numbers) for token in (WETH, USDC, DAI) if draw.random() < 0.8}
        for name in (POOL, COMET, ORACLE, RIVAL, FEEDS)
    }
    past: dict[str, tuple[tuple[int, float], ...]] = {}
    for day in range(9):
        past = dict(stored(past, prices, backing(ORACLE), day * DAY))
    for many in checked(backing(ORACLE, RIVAL), prices, past).values():
        assert all(one.off is None or one.off >= -1.0 for one in many)
