"""Aave v3.0's integers against exact fractions: what is rounded is rounded by at most what the contracts round."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from yieldbot.math.aave import RAY, ReserveIndices
from yieldbot.math.aave_v30 import OldReserveIndices, compounded_interest, ray_div
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.aave_v30 import old_points

rates = st.integers(0, 2 * RAY)
seconds = st.integers(0, SECONDS_PER_YEAR)


@given(rates, seconds)
def test_compounding_is_the_binomials_first_four_terms(rate: int, elapsed: int) -> None:
    x = Fraction(rate, RAY * SECONDS_PER_YEAR)
    terms = 1 + elapsed * x
    terms += Fraction(elapsed * (elapsed - 1), 2) * x**2
    terms += Fraction(elapsed * (elapsed - 1) * max(0, elapsed - 2), 6) * x**3
    # x^2 and x^3 are cut to whole rays before they are multiplied by up to t^2 and t^3.
    slack = 3 + elapsed**2 + elapsed**3
    assert abs(terms * RAY - compounded_interest(rate, elapsed)) <= slack
    assert compounded_interest(rate, elapsed) <= terms * RAY + 3 + elapsed**2


@given(st.integers(0, 10**30), st.integers(1, 10**30))
def test_division_is_half_up(a: int, b: int) -> None:
    assert abs(Fraction(a * RAY, b) - ray_div(a, b)) <= Fraction(1, 2)


@st.composite
def reserves(draw: st.DrawFn) -> OldReserveIndices:
    updated = draw(st.integers(10**9, 2 * 10**9))
    return OldReserveIndices(
        liquidity_index_ray=draw(st.integers(RAY, 3 * RAY)),
        borrow_index_ray=draw(st.integers(RAY, 3 * RAY)),
        liquidity_rate_ray=draw(rates),
        borrow_rate_ray=draw(rates),
        updated=updated,
        scaled_supply_raw=draw(st.integers(0, 10**24)),
        scaled_debt_raw=draw(st.integers(0, 10**24)),
        scaled_treasury_raw=draw(st.integers(0, 10**20)),
        reserve_factor_bps=draw(st.integers(0, 10_000)),
        stable_principal_raw=draw(st.integers(0, 10**24)),
        stable_rate_ray=draw(rates),
        stable_updated=updated - draw(seconds),
    )


@given(reserves(), seconds)
def test_time_only_adds(before: OldReserveIndices, elapsed: int) -> None:
    after = before.accrued(before.updated + elapsed)
    assert after.updated == before.updated + elapsed
    for name in ("supplied_raw", "stable_debt_raw", "variable_debt_raw", "counted_raw", "scaled_treasury_raw"):
        assert getattr(after, name) >= getattr(before, name)
    fees = (after.scaled_treasury_raw - before.scaled_treasury_raw) * after.liquidity_index_ray
    owed = Fraction((after.debt_raw - before.debt_raw) * before.reserve_factor_bps * RAY, 10_000)
    assert abs(fees - owed) <= RAY + after.liquidity_index_ray
    assert before.accrued(before.updated - 1) is before and isinstance(before, ReserveIndices)


@given(reserves(), st.integers(1, RAY), rates, rates, rates)
def test_borrowers_pay_the_average_of_both_kinds(
    found: OldReserveIndices, kink: int, base: int, slope1: int, slope2: int
) -> None:
    points = old_points((kink, base, slope1, slope2), found)
    assert [u for u, _ in points] == [0.0, kink / RAY, 1.0]
    for (_, paid), variable in zip(points, (base, base + slope1, base + slope1 + slope2), strict=True):
        debts = found.variable_debt_raw * variable + found.stable_debt_raw * found.stable_rate_ray
        exact = Fraction(debts, RAY * found.debt_raw) if found.debt_raw else Fraction(variable, RAY)
        assert abs(paid - float(exact)) <= 1e-12 * max(1.0, float(exact))
