"""Curves at a forecast's level: the level is exact, the shape is the market's own, and every bound stays a bound."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.market_builder import market, usdc
from tests.kit.policies import loose
from tests.property.test_allocator_envelope import H, _line_at, curves, kinked, sizes, vault
from yieldbot.allocator.envelope import breakpoints, coarse_bound, is_nonincreasing, tight_bound
from yieldbot.allocator.market_curve import curve_of
from yieldbot.math.curves import (
    AdaptiveCurve,
    ConstantCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
)
from yieldbot.math.liquidity_curve import LiquidityCurve
from yieldbot.math.reward_curve import RewardedCurve
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.scaled import MOST_FACTOR, CappedCurve, LineOfRates, ScaledCurve, at_level, lent_at, scaled
from yieldbot.math.slots import SlotCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.sustainable import capped, capped_vault, holding_at
from yieldbot.model.curve import YieldCurve
from yieldbot.model.market import RateForecast

factors = st.sampled_from([0.0, 1e-6, 0.25, 1.0, 3.0, MOST_FACTOR])


@st.composite
def spiking(draw: st.DrawFn) -> YieldCurve:
    """A curve whose spike is capped, as the allocator sees it."""
    if draw(st.booleans()):
        return capped_vault(draw(vault()), 0.95)
    curve = draw(kinked())
    held = curve.others * draw(st.sampled_from([0.0, 0.2]))
    return capped(curve, held, holding_at(curve, 0.95), holding_at(curve, 1.0))


every = st.one_of(curves, spiking())
COMPOUND = (StakeCurve, StatedCurve)
"""Curves whose income compounds within the horizon: scaled nearly in proportion."""


@settings(max_examples=draws(50, 150), deadline=None)
@given(every, factors, st.booleans(), st.floats(1e3, 1e8), st.sampled_from([1, 7, 90]))
def test_bounds_of_scaled_curves_hold(curve: YieldCurve, factor: float, plain: bool, most: float, days: int) -> None:
    h = days * 86_400.0
    found = ScaledCurve(curve, factor) if plain else scaled(curve, factor)
    edges = sorted({0.0, most, *(x for x in breakpoints(found, h) if x < most)})
    for a, b in pairwise(edges):
        lines = [tight_bound(found, a, b, h)]
        if is_nonincreasing(found):
            lines.append(coarse_bound(found, a, b, h))
        for line in lines:
            assert (line[0][0], line[-1][0]) == (a, b)
            for k in range(9):
                x = min(b, a + (b - a) * k / 8)
                income = x * found.apr(x, h)
                assert _line_at(line, x) >= income - 1e-9 * (abs(income) + 1e-6)


@settings(max_examples=draws(50, 150), deadline=None)
@given(every, factors, st.one_of(st.just(0.0), st.floats(1e-6, 1e8)))
def test_every_rate_is_scaled_and_kinks_stay_where_they_are(curve: YieldCurve, factor: float, x: float) -> None:
    found = scaled(curve, factor)
    assert set(curve.breakpoints()) == set(found.breakpoints())
    if isinstance(curve, (EnteredCurve, *COMPOUND)):
        x = curve.held  # beyond it entering costs something, which no forecast changes
    wanted = factor * curve.apr(x, H)
    assume(not isinstance(curve, COMPOUND) or wanted < 2.0)  # beyond it compounding is most of it
    # The IRM's own exponential makes rates that are scaled a last bit off; these rewards compound.
    near = 0.2 if isinstance(curve, COMPOUND) else 1e-9
    assert found.apr(x, H) == pytest.approx(wanted, rel=near, abs=1e-12)
    if not isinstance(curve, (SampledCurve, EnteredCurve, *COMPOUND)):
        assert found.marginal(x, H) == pytest.approx(factor * curve.marginal(x, H), rel=1e-6, abs=1e-9)


@settings(max_examples=draws(70, 200), deadline=None)
@given(every, st.sampled_from([0.0, 0.0, 1e3, 1e6]), st.floats(1e-5, 2.0), st.floats(1e3, 1e8))
def test_a_curve_at_a_level_pays_it_where_we_stand(curve: YieldCurve, held: float, rate: float, most: float) -> None:
    assume(not isinstance(curve, (RewardedCurve, LiquidityCurve)))  # rewards and pools are not forecast
    held = getattr(curve, "held", held)
    found = at_level(curve, held, rate, H)
    near = 0.02 if isinstance(curve, COMPOUND) else 1e-9
    assert found.apr(held, H) == pytest.approx(rate, rel=near)
    for a, b in pairwise(sorted({0.0, most, *(x for x in breakpoints(found, H) if x < most)})):
        line = tight_bound(found, a, b, H)
        for k in range(5):
            x = min(b, a + (b - a) * k / 4)
            income = x * found.apr(x, H)
            assert math.isfinite(income) and _line_at(line, x) >= income - 1e-9 * (abs(income) + 1e-6)


POOL = KinkedCurve(1e6, 5e5, ((0.0, 0.0), (0.9, 0.05), (1.0, 0.65)), 0.9)


@pytest.mark.parametrize("times", [0.5, 1.0, 30.0, 40.0, 1_000.0, 1e6])
def test_beyond_the_most_factor_income_is_shared_instead(times: float) -> None:
    now, held = POOL.apr(2e4, H), 2e4
    found = at_level(POOL, held, times * now, H)
    most = replace(POOL, borrowed=1.02e6).apr(held, H)
    assert found.apr(held, H) == pytest.approx(times * now)
    assert isinstance(found, KinkedCurve if times * now <= MOST_FACTOR * most else DilutedCurve)
    assert found.apr(2e6, H) < found.apr(held, H), "more of our own money still takes the rate down"


@pytest.mark.parametrize("times", [0.5, 1.0, MOST_FACTOR, MOST_FACTOR * 1.001, 1e6])
def test_what_is_no_line_of_rates_is_scaled(times: float) -> None:
    curve = AdaptiveCurve(1e6, 5e5, 0.1, 0.04)
    found = at_level(curve, 2e4, times * curve.apr(2e4, H), H)
    assert found.apr(2e4, H) == pytest.approx(times * curve.apr(2e4, H))
    assert isinstance(found, ScaledCurve if times <= MOST_FACTOR else DilutedCurve)


@pytest.mark.parametrize("pool", [POOL, SlotCurve(1e6, 5e5, POOL.points, 0.9, 0.4, True)], ids=["aave", "save"])
def test_a_deposit_that_takes_a_pool_below_its_kink_earns_what_is_paid_there(pool: LineOfRates) -> None:
    """The line of rates stays: a mean of 20 % is paid by borrowers beyond the kink, and is gone with the first half."""
    found = at_level(pool, 0.0, 0.20, H)
    assert found.apr(0.0, H) == pytest.approx(0.20)
    assert isinstance(found, type(pool)) and found.points[1] == pytest.approx(pool.points[1])
    assert 0.9 < found.borrowed / found.others < 1.0
    below = replace(pool, borrowed=found.borrowed).apr(5e5, H)
    assert found.apr(5e5, H) == pytest.approx(below) and below < (0.025 if pool is POOL else 0.032)
    dip = at_level(replace(pool, borrowed=9.8e5), 0.0, 0.03, H)  # quoted beyond the kink, and forecast below it
    assert dip.apr(1e5, H) == pytest.approx(at_level(pool, 0.0, 0.03, H).apr(1e5, H)), "wherever it stands now"


LEVELS = st.floats(1e-4, 2.0)
KINDS = ("aave", "comet", "save", "save, with fees", "kamino")
lines = st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0.0, 0.5)), min_size=1, max_size=5)


def pool_of(kind: str, others: float, points: tuple[tuple[float, float], ...]) -> LineOfRates:
    match kind:
        case "aave":
            return KinkedCurve(others, others / 2, points, 0.9, others / 100)
        case "comet":
            return SupplyKinkedCurve(others, others / 2, points)
    fees = others / 500 if kind == "save, with fees" else 0.0
    return SlotCurve(others, others / 2, points, 0.9, 0.4, kind != "kamino", 0.01 if kind == "kamino" else 0.0, fees)


@settings(max_examples=draws(100, 300), deadline=None)
@given(lines, st.floats(0.0, 0.05), st.sampled_from(KINDS), st.floats(1e2, 1e9), st.sampled_from([0.0, 0.3]), LEVELS)
def test_as_much_is_lent_as_pays_the_level(
    line: list[tuple[float, float]], start: float, kind: str, others: float, held: float, rate: float
) -> None:
    uses = sorted({round(u, 4) for u, _ in line} | {1.0})
    rates = [start + sum(step for _, step in line[: at + 1]) for at in range(len(uses))]
    points = ((0.0, start), *zip(uses, rates, strict=True))
    pool = pool_of(kind, others, points)
    held *= others
    found = lent_at(pool, held, rate, H)
    assert found.points == points and 0.0 <= found.borrowed <= others + held
    least, most = (replace(pool, borrowed=part * (others + held)).apr(held, H) for part in (1e-12, 1.0))
    if least < rate < most:
        paid, below = found.apr(held, H), replace(found, borrowed=found.borrowed * (1 - 1e-9)).apr(held, H)
        assert paid == pytest.approx(rate, rel=1e-6) or below < rate < paid < 1.001 * rate, "a step of rounded rates"
    elif rate >= most:
        assert found.apr(held, H) == pytest.approx(most)


@pytest.mark.parametrize("held", [0.0, 4e5])
def test_no_rate_counts_that_our_own_leaving_makes_where_there_is_a_forecast(held: float) -> None:
    said = RateForecast(mean=0.03, low=0.02, high=0.04, days=7.0)
    state = market("m", KinkedCurve(6e5, 7e5, POOL.points, 0.9), held=held)
    curve = curve_of(replace(state, forecast=said), loose())
    assert curve.apr(held, H) == pytest.approx(0.03)
    if held:
        kept = curve_of(replace(state, forecast=said), loose(), ignore_withdrawals=True)
        assert kept.apr(0.0, H) == pytest.approx(0.03)
        assert 0.03 < curve.apr(0.0, H) <= 0.05 * 0.9 * 0.9 + 1e-9, "the kink's rate at most"


def test_a_level_of_nothing_is_nothing_and_a_market_that_pays_nothing_gets_one() -> None:
    curve = KinkedCurve(1e6, 5e5, ((0.0, 0.0), (0.9, 0.05), (1.0, 0.65)), 0.9)
    assert at_level(curve, 0.0, 0.0, H).apr(1e4, H) == 0.0
    assert at_level(curve, 0.0, -0.02, H).apr(1e4, H) == 0.0, "what lends never costs"
    idle = KinkedCurve(1e6, 0.0, curve.points, 0.9)
    found = at_level(idle, 0.0, 0.03, H)
    assert isinstance(found, DilutedCurve) and found.apr(0.0, H) == pytest.approx(0.03)
    assert found.apr(1e6, H) == pytest.approx(0.015), "shared with as much again"
    assert at_level(ConstantCurve(0.0), 0.0, 0.03, H) == ConstantCurve(0.03)
    assert at_level(ConstantCurve(-0.01), 0.0, -0.02, H) == ConstantCurve(-0.02)


@given(sizes, st.floats(0.01, 0.3))
@settings(max_examples=30, deadline=None)
def test_what_is_forecast_of_a_market_is_what_its_curve_pays(others: float, rate: float) -> None:
    """The allocator's curve of a state: at the forecast's mean with what we hold, rewards and our impact apart."""
    curve = AdaptiveCurve(others, 0.95 * others, 0.1, 0.04)
    said = RateForecast(mean=rate, low=rate / 2, high=rate * 2, days=7.0)
    state = market("m", curve, held=1_000.0)
    policy = loose()
    plain = curve_of(state, policy).apr(1_000.0, policy.horizon_seconds)
    told = curve_of(replace(state, forecast=said, held=usdc(1_000)), policy)
    assert told.apr(1_000.0, policy.horizon_seconds) == pytest.approx(rate)
    assert plain != told.apr(1_000.0, policy.horizon_seconds) or plain == pytest.approx(rate)


def test_classes_keep_their_class_and_others_are_wrapped() -> None:
    assert isinstance(scaled(AdaptiveCurve(1e6, 5e5, 0.1, 0.04), 2.0), ScaledCurve)
    assert isinstance(scaled(CappedCurve(ConstantCurve(0.1), 5.0), 2.0), CappedCurve)
    seen = LookThroughCurve(1e6, 0.0, 0.1, (), ())
    assert isinstance(scaled(seen, 2.0), LookThroughCurve)
    assert ScaledCurve(seen, 2.0).others == 1e6 and ScaledCurve(ConstantCurve(0.1), 2.0).others == 0.0
