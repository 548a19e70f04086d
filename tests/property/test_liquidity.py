"""The yield of liquidity against simulated prices, pools and arbitrage (seeded), and what must hold of any of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.kit.draws import draws
from yieldbot.math.concentrated import MOST_TICK, sqrt_at
from yieldbot.math.estimate import LOG_TICK, NOTHING_KNOWN, Interval, chi_square, rate_of, student, volatility
from yieldbot.math.liquidity_curve import outlook
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import (
    FULL,
    PoolEstimate,
    RangeBounds,
    around,
    best_range,
    bounds_of,
    held_against,
    kept_by_arbitrage,
    net_of,
    yield_of,
)
from yieldbot.model.units import SECONDS_PER_YEAR

DAY = 1 / 365
VENUE = PoolEstimate(
    fees=Interval(80_000.0, 100_000.0, 120_000.0),
    liquidity=1e6,
    root=1.0,
    sigma=Interval(0.4, 0.5, 0.6),
    value=10_000.0,
    enter=5.0,
    rebalance=8.0,
    idle_years=DAY / 48,
    horizon_years=30 * DAY,
)


def value(price: np.ndarray, low: float, high: float) -> np.ndarray:
    """A unit of liquidity in token1, the price being 1 at first."""
    inside = np.clip(price, math.exp(low), math.exp(high))
    return (
        2 * np.sqrt(inside)
        - np.maximum(inside, 0) * math.exp(-high / 2)
        - math.exp(low / 2)
        + (price - inside) * (price < inside) * (1 / math.sqrt(math.exp(low)) - math.exp(-high / 2))
    )


def paths(draw: np.random.Generator, sigma: float, years: float, steps: int, count: int) -> np.ndarray:
    """Log prices of a driftless geometric Brownian motion."""
    dt = years / steps
    moves = draw.normal(-(sigma**2) * dt / 2, sigma * math.sqrt(dt), (count, steps))
    return np.concatenate([np.zeros((count, 1)), np.cumsum(moves, axis=1)], axis=1)


@pytest.mark.parametrize(("low", "high", "sigma"), [(-0.3, 0.3, 0.6), (-0.1, 0.25, 0.4), (-60.0, 60.0, 0.8)])
def test_lvr_is_what_the_rebalanced_portfolio_gains_over_the_position(low: float, high: float, sigma: float) -> None:
    """The portfolio holds at each step the token0 that the position holds, and trades at the market's price."""
    bounds, years = RangeBounds(low, high), 0.002
    logs = paths(np.random.default_rng(1), sigma, years, 200, 4000)
    price = np.exp(logs)
    inside = np.clip(price, math.exp(low), math.exp(high))
    token0 = 1 / np.sqrt(inside) - math.exp(-high / 2)
    gained = (token0[:, :-1] * np.diff(price, axis=1)).sum(axis=1)
    lost = value(price[:, :1], low, high)[:, 0] + gained - value(price[:, -1:], low, high)[:, 0]
    assert value(price[:, :1], low, high)[0, 0] == pytest.approx(bounds.value)
    rate = lost.mean() / bounds.value / years
    error = lost.std() / math.sqrt(len(lost)) / bounds.value / years
    assert rate == pytest.approx(bounds.lost(sigma), abs=3 * error + 0.01 * bounds.lost(sigma))
    assert error < 0.02 * rate


@pytest.mark.parametrize(("low", "high", "sigma"), [(-0.1, 0.1, 0.6), (-0.05, 0.2, 0.5), (-0.7, 0.7, 1.2)])
def test_the_time_inside_is_that_of_simulated_prices(low: float, high: float, sigma: float) -> None:
    """A price that is looked at in steps passes a bound 0.5826 sigma sqrt dt late (Broadie, Glasserman, Kou)."""
    expected, count = RangeBounds(low, high).years_inside(sigma), 4000
    dt = expected / 400
    draw, late = np.random.default_rng(2), 0.5826 * sigma * math.sqrt(dt)
    at, left, steps = np.zeros(count), np.zeros(count), 0
    alive = np.arange(count)
    while len(alive):
        steps += 1
        at[alive] += draw.normal(-(sigma**2) * dt / 2, sigma * math.sqrt(dt), len(alive))
        out = (at[alive] <= low + late) | (at[alive] >= high - late)
        left[alive[out]] = steps * dt
        alive = alive[~out]
    assert left.mean() == pytest.approx(expected, abs=3 * left.std() / math.sqrt(count) + 0.01 * expected)


@pytest.mark.parametrize("fee", [0.0005, 0.003])
def test_arbitrage_keeps_what_the_closed_form_says_and_pays_the_rest_as_fees(fee: float) -> None:
    sigma, block, count = 0.8, 12.0, 400_000
    step = sigma * math.sqrt(block / SECONDS_PER_YEAR)
    edge, off, kept, paid = -math.log1p(-fee), np.zeros(64), 0.0, 0.0
    draw = np.random.default_rng(3)
    for number in range(count // 64):
        off = off + draw.normal(0, step, 64)
        beyond = np.maximum(np.abs(off) - edge, 0.0)
        off = np.clip(off, -edge, edge)
        if number > 1000:  # by then it stands where it stands in the long run
            kept += float((beyond**2 / 2).sum())
            paid += float((edge * beyond).sum())
    whole = step**2 / 2 * 64 * (count // 64 - 1001)
    assert kept / whole == pytest.approx(kept_by_arbitrage(sigma, fee, block), rel=0.03)
    assert (kept + paid) / whole == pytest.approx(1.0, rel=0.03), "fees of arbitrage and its gain are LVR together"


def cumulatives(draw: np.random.Generator, sigma: float, seconds: float, count: int) -> list[float]:
    """What a pool's oracle records of a Brownian log price: whole ticks, twelve seconds long, summed."""
    every = 12.0
    steps = int(seconds / every) * count
    logs = np.cumsum(draw.normal(0, sigma * math.sqrt(every / SECONDS_PER_YEAR), steps))
    sums = np.concatenate([[0.0], np.cumsum(np.floor(logs / LOG_TICK) * every)])
    return [float(x) for x in sums[:: int(seconds / every)]]


def test_volatility_is_unbiased_and_its_interval_holds_as_often_as_it_says() -> None:
    draw, sigma, found = np.random.default_rng(4), 0.7, []
    for _ in range(400):
        found.append(volatility(cumulatives(draw, sigma, 1800.0, 26), 1800.0, 0.0, 0.9))
    variance = np.mean([one.mean**2 for one in found])
    assert variance == pytest.approx(sigma**2, rel=0.04)
    covered = np.mean([one.low <= sigma <= one.high for one in found])
    assert 0.88 <= covered <= 0.96


def test_a_pool_that_lags_behind_by_its_fee_is_allowed_for() -> None:
    """A fee of 1 % hides all moves within it: the interval still holds."""
    draw, sigma, fee, hits = np.random.default_rng(5), 0.3, 0.01, 0
    for _ in range(60):
        logs = np.cumsum(draw.normal(0, sigma * math.sqrt(60 / SECONDS_PER_YEAR), 30 * 24))
        pool, at = np.empty(len(logs)), 0.0
        for i, log in enumerate(logs):
            at = min(max(at, log - fee), log + fee)
            pool[i] = at
        sums = np.concatenate([[0.0], np.cumsum(pool / LOG_TICK * 60)])
        found = volatility([float(x) for x in sums[::30]], 1800.0, fee, 0.9)
        hits += found.low <= sigma <= found.high
    assert hits >= 54


def test_too_few_observations_say_nothing() -> None:
    assert volatility([0.0, 1.0, 2.0, 4.0], 60.0, 0.003, 0.9) == NOTHING_KNOWN
    assert rate_of([1.0, 2.0], [1.0, 1.0], 0.9) == NOTHING_KNOWN
    assert net_of(replace(VENUE, sigma=NOTHING_KNOWN), RangeBounds(-0.1, 0.1)).low == -math.inf
    assert net_of(replace(VENUE, sigma=NOTHING_KNOWN), FULL, full=True).low == -math.inf


@pytest.mark.parametrize("freedom", [5, 9, 12, 40, 200])
@pytest.mark.parametrize("probability", [0.01, 0.025, 0.05, 0.5, 0.95, 0.975, 0.99])
def test_quantiles_are_the_distributions(freedom: int, probability: float) -> None:
    if freedom >= 9:
        assert chi_square(probability, freedom) == pytest.approx(stats.chi2.ppf(probability, freedom), rel=0.03)
    assert student(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=0.01, abs=1e-9)


def test_a_rate_is_all_that_came_over_all_the_time_and_its_interval_holds() -> None:
    draw, hits, count = np.random.default_rng(6), 0, 1000
    for _ in range(count):
        seconds = draw.uniform(1.0, 3.0, 12)
        came = draw.gamma(seconds * 3.0, 1.0)  # 3 a second, in the mean
        found = rate_of(list(came), list(seconds), 0.9)
        assert found.mean == pytest.approx(came.sum() / seconds.sum())
        hits += found.low <= 3.0 <= found.high
    assert 0.87 <= hits / count <= 0.93


widths = st.floats(0.001, 3.0)
sigmas = st.floats(0.01, 2.0)


@settings(max_examples=draws(50, 150))
@given(widths, sigmas, st.floats(1.001, 3.0))
def test_what_must_hold_of_any_range(width: float, sigma: float, more: float) -> None:
    bounds, wider = RangeBounds(-width, width), RangeBounds(-width * more, width * more)
    assert wider.value > bounds.value and wider.lost(sigma) < bounds.lost(sigma)
    assert wider.years_inside(sigma) > bounds.years_inside(sigma)
    assert bounds.years_inside(sigma * more) < bounds.years_inside(sigma)
    at = yield_of(VENUE, bounds, 1e5, sigma).net
    assert yield_of(VENUE, bounds, 1e5, sigma * more).net < at, "volatility never helps"
    assert yield_of(VENUE, bounds, 1e5 * more, sigma).net > at, "fees always do"
    assert yield_of(replace(VENUE, liquidity=1e6 * more), bounds, 1e5, sigma).net < at, "nor do others' deposits"
    dear = replace(VENUE, rebalance=8.0 * more, enter=5.0 * more)
    assert yield_of(dear, bounds, 1e5, sigma).net < at
    found = net_of(VENUE, bounds)
    assert found.low <= found.mean <= found.high


@settings(max_examples=50)
@given(sigmas, st.floats(10.0, 1e7))
def test_the_full_range_is_the_limit_and_constant_product(sigma: float, ours: float) -> None:
    """Of a pair with liquidity L an L' more earns L' / (L + L') of its fees, and loses sigma^2 / 8 of its value."""
    venue = replace(VENUE, value=ours)
    found = yield_of(venue, FULL, 1e5, sigma, full=True)
    share = ours / 2 / (venue.liquidity + ours / 2)
    assert found.lost == pytest.approx(sigma**2 / 8) and found.fees == pytest.approx(1e5 * share / ours)
    far = yield_of(venue, RangeBounds(-80.0, 80.0), 1e5, sigma)
    assert far.fees == pytest.approx(found.fees, rel=1e-5) and far.lost == pytest.approx(found.lost, rel=1e-5)
    assert FULL.years_inside(sigma) == math.inf
    assert bounds_of(Range(-MOST_TICK, MOST_TICK), sqrt_at(0)).value == pytest.approx(2.0)


@settings(max_examples=30)
@given(st.sampled_from([1, 10, 60, 200]), st.integers(-200_000, 200_000), st.floats(100.0, 1e6), sigmas)
def test_no_width_beats_the_best_range(spacing: int, tick: int, ours: float, sigma: float) -> None:
    root = sqrt_at(tick)
    venue = replace(VENUE, value=ours, sigma=Interval(sigma * 0.8, sigma, sigma * 1.2))
    best = best_range(venue, root, tick, spacing)
    assert best.ticks.low % spacing == 0 == best.ticks.high % spacing and best.ticks.low <= tick < best.ticks.high
    for half in (spacing, 7 * spacing, 333, 2000, 30_000, 200_000):
        ticks = around(tick, half, spacing)
        other = net_of(venue, bounds_of(ticks, root))
        assert other.low <= best.net.low + 0.01 * abs(best.net.low), "within a step of the widths that are tried"
    assert net_of(venue, FULL, full=True).low <= best.net.low


def test_impermanent_loss_is_the_formulas() -> None:
    """2 sqrt r / (1 + r) - 1 for the full range at a price r times the first."""
    for ratio in (0.25, 1.0, 4.0):
        now = (1 / math.sqrt(ratio), math.sqrt(ratio))
        expected = 2 * math.sqrt(ratio) / (1 + ratio) - 1
        found = held_against(now, (1.0, 1.0), ratio)
        assert found == pytest.approx(expected)
    assert held_against((1.0, 1.0), (0.0, 0.0), 1.0) is None


@given(
    st.floats(0.0, 1e6), st.floats(0.0, 2.0), st.floats(1e-4, 3.0), st.booleans(), st.floats(1.0, 1e5), st.floats(0, 5)
)
def test_liquidity_as_a_curve_yields_what_a_venue_of_that_value_does(
    fees: float, sigma: float, half: float, full: bool, mine: float, gas: float
) -> None:
    bounds = FULL if full else RangeBounds(-half, half)
    share, tokens = 0.001, 1e-6
    whole = replace(VENUE, value=mine, rebalance=gas + share * mine, enter=0.0)
    at_value = yield_of(whole, bounds, fees, sigma, full=full)
    found = outlook(venue_with(gas, share), bounds, fees, sigma, full=full, gas=gas, tokens=tokens)
    h = 30 * 86_400.0
    turns = at_value.cost - share * (at_value.cost / (gas / mine + share)) if gas or share else 0.0
    if at_value.fees * mine >= turns * mine:
        assert found.income(mine * tokens, h) == pytest.approx(at_value.net * mine * tokens, rel=1e-9, abs=1e-9)


def venue_with(gas: float, share: float) -> PoolEstimate:
    return replace(VENUE, value=1_000.0, rebalance=gas + share * 1_000.0)
