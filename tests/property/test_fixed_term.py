"""The curve of a principal token: its income is concave, never above its bound, and what the contract's integers make
it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.property.test_allocator_envelope import _line_at
from yieldbot.allocator.envelope import is_nonincreasing, tight_bound
from yieldbot.history.curves import rebuilt, written
from yieldbot.math.pendle import ONE, YEAR, PendleError, PtMarket
from yieldbot.math.pt_prices import FixedTermCurve, PtPrices, fixed_term
from yieldbot.model.units import SECONDS_PER_YEAR

ONE_USDC = 10**6
NEAR = 1e-13
"""Floats of sums as large as the holding are as near as this part of it."""


@st.composite
def holdings(draw: st.DrawFn) -> tuple[PtPrices, FixedTermCurve]:
    """A market within what its contracts accept, and a holding of ours."""
    pt, part = draw(st.floats(1e4, 1e8)), draw(st.floats(0.05, 0.94))
    asset, left = pt * (1.0 / part - 1.0), draw(st.integers(86_400, 5 * YEAR))
    root, fee, rate = (
        draw(st.integers(5, 300)) * ONE,
        draw(st.integers(0, 10**16)),
        draw(st.integers(10**14, 3 * 10**17)),
    )
    market = PtMarket(int(pt * ONE_USDC), int(asset * ONE_USDC), root, left, fee, 80, rate, ONE)
    held = int(pt * ONE_USDC * draw(st.sampled_from([0.0, 1e-4, 0.1, 0.9])))
    prices = PtPrices(market, 0, ONE, held)
    try:
        return prices, fixed_term(prices, ONE_USDC)
    except PendleError:  # the contracts refuse such a market
        reject()


@settings(max_examples=draws(60, 4000), deadline=None)
@given(holdings(), st.floats(1e3, 1e9), st.lists(st.floats(0.01, 0.99), max_size=4))
def test_its_income_is_concave_and_below_its_bound(
    of: tuple[PtPrices, FixedTermCurve], most: float, cuts: list[float]
) -> None:
    _, curve = of
    horizon = 30 * 86_400.0
    off = NEAR * (curve.held + most) * SECONDS_PER_YEAR / max(horizon, curve.seconds_left)
    edges = sorted({0.0, most, *(cut * most for cut in cuts), *(x for x in curve.breakpoints() if x < most)})
    assert is_nonincreasing(curve) == (curve.stays == 0.0) and rebuilt(written(curve)) == curve
    for a, b in pairwise(edges):
        vertices, last = tight_bound(curve, a, b, horizon), math.inf
        for k in range(8):
            x = min(b, a + (b - a) * k / 8)
            income, slope = x * curve.apr(x, horizon), curve.marginal(x, horizon)
            assert _line_at(vertices, x) >= income - 1e-9 * (abs(income) + 1e-6) - off
            assert slope <= last + 1e-6 * (1.0 + abs(slope))
            last = slope


@settings(max_examples=draws(40, 400), deadline=None)
@given(holdings(), st.floats(1e-5, 0.9))
def test_it_is_what_the_integers_buy_and_sell(of: tuple[PtPrices, FixedTermCurve], part: float) -> None:
    prices, curve = of
    paid = int(prices.room() * part)
    if paid > ONE_USDC:
        bought = prices.bought(paid)
        assert curve.bought(paid / ONE_USDC)[0] * ONE_USDC == pytest.approx(bought, rel=1e-9, abs=4)
    if (shares := int(prices.shares * part)) > ONE_USDC and shares <= prices.most_sold:
        brought = prices.sold(shares)
        by_curve = round(curve.sold(brought / ONE_USDC)[0] * ONE_USDC)
        assert prices.sold(by_curve) == pytest.approx(brought, rel=1e-9, abs=4)
        assert prices.sold(prices.needed(brought)) >= brought
    kept = curve.gained(curve.held)[0]
    assert kept == pytest.approx((prices.shares - prices.worth()) / ONE_USDC, abs=1e-5)
