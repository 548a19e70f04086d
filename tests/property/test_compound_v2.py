"""Compound v2's integers against exact fractions, and the curve against the rate that they give after a deposit."""

import math
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from yieldbot.math.compound_v2 import MANTISSA, CTokenTotals, JumpRate, redeem_value_raw, share_value_raw, shares_of
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import SECONDS_PER_YEAR

USDC = 10**6
raws = st.integers(10**6, 10**16)
a_second = st.integers(0, MANTISSA // SECONDS_PER_YEAR)
models = st.builds(
    JumpRate, a_second, a_second, st.integers(0, 10 * MANTISSA // SECONDS_PER_YEAR), st.integers(1, MANTISSA)
)
exchange_rates = st.integers(10**10, 10**30)


@st.composite
def totals(draw: st.DrawFn) -> CTokenTotals:
    cash, borrows = draw(raws), draw(raws)
    return CTokenTotals(
        cash_raw=cash,
        borrows_raw=borrows,
        reserves_raw=draw(st.integers(0, cash)),
        shares=draw(st.integers(1, 10**20)),
        reserve_factor=draw(st.integers(0, MANTISSA)),
        updated=1_000,
    )


def exact(model: JumpRate, u: Fraction) -> Fraction:
    kink = Fraction(model.kink, MANTISSA)
    return model.base + min(u, kink) * model.multiplier + max(Fraction(0), u - kink) * model.jump


@given(models, st.integers(0, MANTISSA), st.integers(0, MANTISSA))
def test_rates_are_rounded_down_by_a_unit_a_step(model: JumpRate, u: int, factor: int) -> None:
    truth = exact(model, Fraction(u, MANTISSA))
    assert truth - 2 < model.borrow(u) <= truth
    kept = truth * (1 - Fraction(factor, MANTISSA)) * Fraction(u, MANTISSA)
    assert kept - 4 < model.supply(u, factor) <= kept


@given(totals(), models, st.integers(0, 90 * 86_400))
def test_interest_is_simple_and_shared_by_the_reserve_factor(
    stored: CTokenTotals, model: JumpRate, waited: int
) -> None:
    now = stored.accrued(model, stored.updated + waited)
    interest = now.borrows_raw - stored.borrows_raw
    truth = Fraction(model.borrow(stored.utilisation) * waited * stored.borrows_raw, MANTISSA)
    assert truth - 1 < interest <= truth
    taken = now.reserves_raw - stored.reserves_raw
    assert interest * Fraction(stored.reserve_factor, MANTISSA) - 1 < taken <= interest
    assert now.supplied_raw - stored.supplied_raw == interest - taken >= 0
    assert now.exchange_rate(0) >= stored.exchange_rate(0)
    assert stored.accrued(model, stored.updated - 1) is stored
    assert now.accrued(model, now.updated) is now


@given(st.integers(0, 10**30), exchange_rates)
def test_going_in_and_out_loses_less_than_a_share(amount: int, rate: int) -> None:
    shares = shares_of(amount, rate)
    back = redeem_value_raw(shares, rate)
    assert amount - share_value_raw(rate) <= back <= amount
    assert shares_of(back, rate) <= shares


@given(totals(), exchange_rates)
def test_no_share_has_the_first_rate(stored: CTokenTotals, first: int) -> None:
    assert replace(stored, shares=0).exchange_rate(first) == first


@given(totals(), models, raws)
def test_the_curve_is_the_rate_after_a_deposit(stored: CTokenTotals, model: JumpRate, ours: int) -> None:
    after = replace(stored, cash_raw=stored.cash_raw + ours)
    curve = KinkedCurve(
        others=stored.supplied_raw / USDC,
        borrowed=stored.borrows_raw / USDC,
        points=tuple(
            (u / MANTISSA, model.borrow(u) * SECONDS_PER_YEAR / MANTISSA) for u in sorted({0, model.kink, MANTISSA})
        ),
        keep=1.0 - stored.reserve_factor / MANTISSA,
    )
    if after.utilisation <= MANTISSA:
        truth = model.supply(after.utilisation, stored.reserve_factor) * SECONDS_PER_YEAR / MANTISSA
        assert math.isclose(curve.apr(ours / USDC, 30 * 86_400.0), truth, rel_tol=1e-6, abs_tol=1e-9)
