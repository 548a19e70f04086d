"""Integer arithmetic and curves against each other: two writings of one formula, over random pools."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.math import aave, morpho
from yieldbot.math.aave import RAY, ReserveIndices
from yieldbot.math.comet import FACTOR_SCALE, CometTotals, RateCurve
from yieldbot.math.curves import AdaptiveCurve, KinkedCurve, LookThroughCurve, SupplyKinkedCurve, VaultSlot
from yieldbot.math.morpho import YEAR, MarketTotals
from yieldbot.model.units import BPS, WAD

USDC = 10**6
DAYS_30 = 30 * 86_400
raws = st.integers(10**6, 10**16)
spans = st.integers(0, 10 * YEAR)
shares_of = st.floats(0.01, 0.999)


@given(st.integers(0, 2**128), st.integers(1, 2**100))
def test_ray_rounding(a: int, b: int) -> None:
    floor, half_up, ceil = aave.ray_mul_floor(a, b), aave.ray_mul(a, b), aave.ray_mul_ceil(a, b)
    assert floor <= half_up <= ceil <= floor + 1
    assert abs(half_up * RAY - a * b) * 2 <= RAY
    assert aave.ray_div_floor(a, b) * b <= a * RAY < (aave.ray_div_floor(a, b) + 1) * b


@given(st.integers(0, 3 * RAY), st.integers(0, 3 * YEAR))
def test_compounding_lies_between_simple_interest_and_the_exponential(rate_ray: int, seconds: int) -> None:
    linear, compounded = aave.linear_interest(rate_ray, seconds), aave.compounded_interest(rate_ray, seconds)
    assert linear <= compounded
    assert compounded / RAY <= math.exp(rate_ray / RAY * seconds / YEAR) * (1 + 1e-12)


@st.composite
def reserves(draw: st.DrawFn) -> ReserveIndices:
    supply = draw(raws)
    return ReserveIndices(
        liquidity_index_ray=draw(st.integers(RAY, 3 * RAY)),
        borrow_index_ray=draw(st.integers(RAY, 5 * RAY)),
        liquidity_rate_ray=draw(st.integers(0, RAY)),
        borrow_rate_ray=draw(st.integers(0, RAY)),
        updated=draw(st.integers(0, 2**31)),
        scaled_supply_raw=supply,
        scaled_debt_raw=draw(st.integers(0, supply)),
        scaled_treasury_raw=draw(st.integers(0, 10**10)),
        reserve_factor_bps=draw(st.integers(0, BPS)),
    )


@given(reserves(), spans)
def test_a_reserve_only_grows(reserve: ReserveIndices, seconds: int) -> None:
    later = reserve.accrued(reserve.updated + seconds)
    assert later.updated == reserve.updated + seconds
    assert later.supplied_raw >= reserve.supplied_raw and later.debt_raw >= reserve.debt_raw
    assert later.scaled_treasury_raw >= reserve.scaled_treasury_raw
    assert later.counted_raw >= later.supplied_raw
    assert later.accrued(later.updated) == later and later.accrued(later.updated - 1) == later


def interest_rates(
    debt: int, cash: int, deficit: int, kink_bps: int, base_bps: int, low_bps: int, high_bps: int, factor_bps: int
) -> int:
    """DefaultReserveInterestRateStrategyV2.calculateInterestRates, its supply rate in integers: the curve's oracle."""

    def div(a: int, b: int) -> int:
        return (a * RAY + b // 2) // b

    kink, base, low, high = (part * RAY // BPS for part in (kink_bps, base_bps, low_bps, high_bps))
    usage, shared = div(debt, cash + debt), div(debt, cash + debt + deficit)
    if usage > kink:
        rate = base + low + aave.ray_mul(high, div(usage - kink, RAY - kink))
    else:
        rate = base + div(aave.ray_mul(low, usage), kink)
    return aave.percent_mul(aave.ray_mul(rate, shared), BPS - factor_bps)


@given(
    raws, shares_of, st.integers(0, 10**9), st.integers(100, 9900), st.tuples(*[st.integers(0, 20_000)] * 2),
    st.integers(0, 9900), raws, st.floats(0, 1),
)  # fmt: skip
def test_the_kinked_curve_is_aaves_rate_after_a_deposit(
    supplied: int, used: float, deficit: int, kink: int, slopes: tuple[int, int], factor: int, ours: int, part: float
) -> None:
    """For any pool, deposit and withdrawal, on either side of the kink: within 1e-9 of a percentage point."""
    debt = int(supplied * used)
    change = ours if part < 0.8 else -int((supplied - debt) * part)  # a withdrawal takes liquidity at most
    held = max(0, -change)
    curve = KinkedCurve(
        others=(supplied - held) / USDC,
        borrowed=debt / USDC,
        points=((0.0, 0.01), (kink / BPS, (100 + slopes[0]) / BPS), (1.0, (100 + sum(slopes)) / BPS)),
        keep=1 - factor / BPS,
        deficit=deficit / USDC,
    )
    truth = interest_rates(debt, supplied - debt + change, deficit, kink, 100, *slopes, factor) / RAY
    assert math.isclose(curve.apr((held + change) / USDC, DAYS_30), truth, rel_tol=1e-9, abs_tol=1e-11)


rates_a_second = st.integers(0, WAD // YEAR)
curves = st.builds(RateCurve, st.integers(WAD // 10, WAD * 99 // 100), rates_a_second, rates_a_second, rates_a_second)


@given(raws, shares_of, curves, curves, st.integers(0, 90 * 86_400), raws)
def test_the_supply_curve_is_comets_rate_after_a_deposit(
    supplied: int, used: float, supply: RateCurve, borrow: RateCurve, waited: int, ours: int
) -> None:
    """Accrued over days untouched, then after our deposit, both in Comet's integers."""
    stored = CometTotals(10**15, 10**15, supplied, int(supplied * used), 1_000)
    now = stored.accrued(supply, borrow, 1_000 + waited)
    assert now.supplied_raw >= stored.supplied_raw and now.borrowed_raw >= stored.borrowed_raw
    points = sorted({0, supply.kink, FACTOR_SCALE})
    curve = SupplyKinkedCurve(
        others=now.supplied_raw / USDC,
        borrowed=now.borrowed_raw / USDC,
        points=tuple((u / FACTOR_SCALE, supply.rate(u) * YEAR / FACTOR_SCALE) for u in points),
    )
    utilisation = now.borrowed_raw * FACTOR_SCALE // (now.supplied_raw + ours)
    if utilisation <= FACTOR_SCALE:
        truth = supply.rate(utilisation) * YEAR / FACTOR_SCALE
        assert math.isclose(curve.apr(ours / USDC, DAYS_30), truth, rel_tol=1e-7, abs_tol=1e-9)


@given(st.integers(-40 * WAD, 40 * WAD))
def test_the_rate_models_exponential(x: int) -> None:
    """ExpLib.wExp is within 1 % of e^x, the accuracy that two Taylor terms give."""
    assert math.isclose(morpho.w_exp(x) / WAD, math.exp(x / WAD), rel_tol=0.01, abs_tol=2e-18)


@st.composite
def blue_markets(draw: st.DrawFn) -> MarketTotals:
    supply = draw(st.integers(10**9, 10**15))
    return MarketTotals(
        supply_assets=supply,
        supply_shares=supply * 10**6 * draw(st.integers(50, 100)) // 100,
        borrow_assets=int(supply * draw(shares_of)),
        borrow_shares=supply * 10**6,
        last_update=1_000_000,
        fee=draw(st.integers(0, WAD // 4)),
    )


bounded_rates = st.integers(morpho.MIN_RATE_AT_TARGET, morpho.MAX_RATE_AT_TARGET)


@settings(max_examples=draws(70, 200))
@given(blue_markets(), bounded_rates, st.integers(10**9, 10**14), st.integers(3600, 90 * 86_400))
def test_the_adaptive_curve_is_what_morpho_accrues(
    totals: MarketTotals, rate_at_target: int, ours: int, horizon: int
) -> None:
    """Deposit, wait, accrue once, all in Morpho's integers: our shares grow as the curve says, to 0.001 bp a year."""
    shares = morpho.shares_down(ours, totals.supply_assets, totals.supply_shares)
    pool = MarketTotals(
        totals.supply_assets + ours,
        totals.supply_shares + shares,
        totals.borrow_assets,
        totals.borrow_shares,
        totals.last_update,
        totals.fee,
    )
    later, end = morpho.accrue(pool, rate_at_target, pool.last_update + horizon)
    before = morpho.assets_down(shares * 10**9, pool.supply_assets, pool.supply_shares)
    after = morpho.assets_down(shares * 10**9, later.supply_assets, later.supply_shares)
    curve = AdaptiveCurve(
        others=totals.supply_assets / USDC,
        borrowed=totals.borrow_assets / USDC,
        fee=totals.fee / WAD,
        rate_at_target=rate_at_target * YEAR / WAD,
    )
    predicted = curve.apr(ours / USDC, horizon) * horizon / YEAR
    interest_unit = 4 / pool.borrow_assets if pool.borrow_assets else 0.0  # interest is rounded to the unit
    assert math.isclose(predicted, after / before - 1, rel_tol=2e-6, abs_tol=1e-7 * horizon / YEAR + interest_unit)
    assert morpho.MIN_RATE_AT_TARGET <= end <= morpho.MAX_RATE_AT_TARGET


@given(blue_markets(), st.integers(1, 10**15), spans)
def test_shares_never_give_a_profit_at_once(totals: MarketTotals, assets: int, waited: int) -> None:
    later, _ = morpho.accrue(totals, morpho.INITIAL_RATE_AT_TARGET, totals.last_update + waited % (400 * 86_400))
    shares = morpho.shares_down(assets, later.supply_assets, later.supply_shares)
    worth = morpho.assets_down(shares, later.supply_assets + assets, later.supply_shares + shares)
    assert worth <= assets
    assert (
        0
        <= morpho.assets_up(shares, later.supply_assets, later.supply_shares)
        - morpho.assets_down(shares, later.supply_assets, later.supply_shares)
        <= 1
    )


@given(
    st.lists(st.tuples(st.floats(1e3, 1e7), shares_of, st.floats(0, 1e6)), min_size=1, max_size=4),
    st.floats(0, 0.25),
    st.floats(0, 2e6),
)
def test_a_vault_pays_out_what_its_markets_pay_less_the_fee(
    parts: list[tuple[float, float, float]], fee: float, x: float
) -> None:
    """Looked through: the money of all slots and the uninvested rest is all there, and income is their sum."""
    slots = tuple(
        VaultSlot(AdaptiveCurve(total / 2, total * used, 0.0, 0.04), total / 2, room, total * (1 - used))
        for total, used, room in parts
    )
    held = sum(slot.held for slot in slots)
    curve = LookThroughCurve(held, 0.0, fee, slots, tuple(range(len(slots))))
    after = curve.holdings(x)
    assert math.isclose(sum(after), held + min(x, sum(slot.room for slot in slots)), rel_tol=1e-9)
    assert all(now <= slot.held + slot.room + 1e-6 for now, slot in zip(after, slots, strict=True))
    income = sum(h * slot.curve.apr(h, DAYS_30) for h, slot in zip(after, slots, strict=True))
    assert math.isclose(curve.apr(x, DAYS_30) * (held + x), income * (1 - fee), rel_tol=1e-9, abs_tol=1e-9)
