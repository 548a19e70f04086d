"""The ceiling of a market that was only glanced at: never below its rate, whatever we deposit, and never rising."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.allocator.envelope import is_nonincreasing
from yieldbot.math.curves import AdaptiveCurve, DilutedCurve, EnteredCurve
from yieldbot.model.units import SECONDS_PER_YEAR

HORIZONS = st.sampled_from([0.01, 1.0, 7.0, 30.0, 365.0]).map(lambda days: days / 365 * SECONDS_PER_YEAR)
amounts = st.one_of(st.just(0.0), st.floats(1e-6, 1e9))
adaptive = st.builds(
    AdaptiveCurve,
    others=st.one_of(st.just(0.0), st.floats(1e-6, 1e9)),
    borrowed=st.one_of(st.just(0.0), st.floats(1e-6, 1e9)),
    fee=st.floats(0.0, 0.25),
    rate_at_target=st.floats(0.001, 2.0),
)


@settings(max_examples=draws(200, 5000))
@given(curve=adaptive, x=amounts, y=amounts, horizon=HORIZONS)
def test_an_adaptive_rate_never_rises_with_our_deposit(
    curve: AdaptiveCurve, x: float, y: float, horizon: float
) -> None:
    """Utilisation falls, and Morpho's rate rises with it: so the curve is its own ceiling."""
    low, high = sorted((x, y))
    assert curve.apr(high, horizon) <= curve.apr(low, horizon) * (1 + 1e-9) + 1e-15
    assert is_nonincreasing(curve)


@settings(max_examples=draws(200, 5000))
@given(
    others=st.one_of(st.just(0.0), st.floats(1e-6, 1e9)),
    income=st.floats(-1e8, 1e8),
    cost=st.one_of(st.just(0.0), st.floats(1e-8, 0.5)),
    x=amounts,
    y=amounts,
    horizon=HORIZONS,
)
def test_an_opaque_vaults_ceiling_is_its_income_without_fees(
    others: float, income: float, cost: float, x: float, y: float, horizon: float
) -> None:
    """A fixed income is shared by all holders; fees, and a falling price, only take off it."""
    full = EnteredCurve(others, income, 0.0, cost) if cost else DilutedCurve(others, income)
    ceiling = DilutedCurve(others, max(0.0, income))
    low, high = sorted((x, y))
    assert full.apr(x, horizon) <= ceiling.apr(x, horizon) * (1 + 1e-12)
    assert ceiling.apr(high, horizon) <= ceiling.apr(low, horizon) or others + low == 0.0
    assert is_nonincreasing(ceiling)
