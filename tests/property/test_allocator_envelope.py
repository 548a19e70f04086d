"""The lines of ``tight_bound`` are nowhere below the income itself, for every kind of curve."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.allocator.envelope import (
    Vertices,
    breakpoints,
    coarse_bound,
    dilution_breakpoints,
    is_nonincreasing,
    less_dilution,
    tight_bound,
)
from yieldbot.math.curves import (
    AdaptiveCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
    VaultSlot,
)
from yieldbot.math.dilution import Dilution
from yieldbot.math.estimate import Interval
from yieldbot.math.liquidity_curve import LiquidityCurve, RangeOutlook, outlook
from yieldbot.math.range_yield import FULL, PoolEstimate, RangeBounds
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.sustainable import capped, capped_vault, holding_at
from yieldbot.math.unlocking import UnlockingCurve
from yieldbot.math.vesting import VestingCurve
from yieldbot.model.curve import YieldCurve

sizes = st.floats(1e4, 1e8)
H = 30 * 86_400.0


@st.composite
def kinked(draw: st.DrawFn) -> KinkedCurve:
    others = draw(sizes)
    points = (
        (0.0, draw(st.sampled_from([0.0, 0.01]))),
        (draw(st.floats(0.5, 0.8)), draw(st.floats(0.02, 0.05))),
        (draw(st.floats(0.81, 0.95)), 0.06),
        (1.0, draw(st.floats(0.2, 2.0))),
    )
    return KinkedCurve(
        others, draw(st.floats(0.2, 1.05)) * others, points, 0.9, draw(st.sampled_from([0.0, 0.01, -0.004])) * others
    )


@st.composite
def adaptive(draw: st.DrawFn) -> AdaptiveCurve:
    others = draw(sizes)
    return AdaptiveCurve(
        others, draw(st.floats(0.2, 1.0)) * others, 0.1, draw(st.sampled_from([0.0011, 0.04, 0.5, 1.9]))
    )


@st.composite
def staked(draw: st.DrawFn) -> StakeCurve:
    total, held = draw(sizes), draw(st.sampled_from([0.0, 0.1, 0.9])) * 1e4
    growth, fee = draw(st.floats(0.0, 0.01)), draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    cost = draw(st.sampled_from([0.0, 0.001, 0.3]))
    return StakeCurve(total - held, total * draw(st.floats(0.0, 1.0)), held, growth, fee, 172_800.0, cost)


@st.composite
def vault(draw: st.DrawFn) -> LookThroughCurve:
    slots = []
    for _ in range(3):
        curve = draw(st.one_of(kinked(), adaptive()))
        held = curve.others * draw(st.floats(0.0, 1.0))
        room = draw(st.sampled_from([0.0, 0.3 * curve.others, math.inf]))
        slots.append(VaultSlot(curve, held, room, curve.others * draw(st.floats(0.0, 0.4))))
    total = sum(slot.held for slot in slots) * draw(st.floats(1.0, 1.1)) + 1.0
    ours = total * draw(st.sampled_from([0.0, 0.3]))
    of_v2 = draw(st.sampled_from([0.0, 0.01])), draw(st.sampled_from([math.inf, 0.05])), total * draw(st.just(0.001))
    terms = draw(st.sampled_from([(), of_v2]))
    found = LookThroughCurve(total - ours, ours, 0.1, tuple(slots), (2, 0, 1), *terms)
    if not draw(st.booleans()):
        return found
    room = draw(st.sampled_from([0.0, 0.3 * total]))  # a vault in a vault
    slot = VaultSlot(found, ours, room, ours / 2)
    return LookThroughCurve(ours * 0.9 + 1.0, ours * 0.1, 0.1, (slot, slots[0]), (0,), *terms)


@st.composite
def rewarded(draw: st.DrawFn) -> RewardedCurve:
    base = draw(st.one_of(kinked(), adaptive(), vault()))
    terms = [
        RewardTerm(
            draw(st.sampled_from([0.0, 1.0, 0.5 * base.others, base.others])),
            draw(st.floats(0.0, 1e5)),
            draw(st.sampled_from([3600.0, 20 * 86_400.0, math.inf])),
            draw(st.sampled_from([0.0, 0.01, 30.0])),
        )
        for _ in range(draw(st.integers(1, 2)))
    ]
    return RewardedCurve(base, tuple(terms))


@st.composite
def provided(draw: st.DrawFn) -> LiquidityCurve:
    def outlook() -> RangeOutlook:
        return RangeOutlook(
            fees=draw(st.floats(0.0, 1e6)),
            others=draw(sizes),
            lost=draw(st.floats(0.0, 0.5)),
            gas=draw(st.sampled_from([0.0, 1.0, 5e3])),
            once=draw(st.sampled_from([0.0, 20.0])),
        )

    return LiquidityCurve(outlook(), outlook(), draw(st.sampled_from([0.0, 10.0, 1e5])), draw(st.floats(0.0, 0.01)))


@st.composite
def stated(draw: st.DrawFn) -> StatedCurve:
    held = draw(st.sampled_from([0.0, 10.0, 1e5]))
    return StatedCurve(draw(st.floats(0.0, 0.5)), held, draw(st.sampled_from([0.0, 0.001, 0.3])))


@st.composite
def vesting(draw: st.DrawFn) -> VestingCurve:
    rates = [draw(sizes) * draw(st.floats(0.0, 0.5)) for _ in range(2)]
    return VestingCurve(draw(sizes), rates[0], draw(st.sampled_from([0.0, 28_800.0, 1e7])), rates[1])


curves = st.one_of(
    rewarded(),
    provided(),
    stated(),
    vesting(),
    kinked(),
    adaptive(),
    vault(),
    st.builds(DilutedCurve, sizes, st.floats(0.0, 1e5)),
    st.builds(EnteredCurve, sizes, st.floats(-1e4, 1e5), st.sampled_from([0.0, 10.0, 1e5]), st.floats(0.0, 0.05)),
    st.builds(UnlockingCurve, sizes, st.floats(0.0, 50.0), st.floats(1.0, 1e7), st.floats(0.0, 1e3)),
    staked(),
    st.just(SampledCurve(((0.0, 0.05), (1e4, 0.06), (1e6, 0.01)))),
    st.builds(
        lambda others, used: SupplyKinkedCurve(others, others * used, ((0.0, 0.0), (0.8, 0.03), (1.0, 0.4))),
        sizes,
        st.floats(0.1, 1.0),
    ),
)


@settings(max_examples=draws(60, 120), deadline=None)
@given(curves, st.floats(1e3, 1e8), st.sampled_from([1, 30, 365]), st.lists(st.floats(0.01, 0.99), max_size=3))
@example(StakeCurve(978_363.0, 0.978363, 0.0, 1e-6, 0.0, 172_800.0), 1000.0, 1, [])  # next to nothing is earned
def test_the_lines_are_never_below_the_income(curve: YieldCurve, most: float, days: int, cuts: list[float]) -> None:
    h = days * 86_400.0
    edges = sorted({0.0, most, *(cut * most for cut in cuts), *(x for x in breakpoints(curve, h) if x < most)})
    for a, b in pairwise(edges):
        vertices = tight_bound(curve, a, b, h)
        assert (vertices[0][0], vertices[-1][0]) == (a, b)
        for k in range(9):
            x = min(b, a + (b - a) * k / 8)
            income = x * curve.apr(x, h)
            assert _line_at(vertices, x) >= income - 1e-9 * (abs(income) + 1e-6)


@settings(max_examples=60, deadline=None)
@given(rewarded(), st.floats(1e3, 1e8), st.floats(0.0, 0.9, allow_subnormal=False), st.sampled_from([1, 30, 365]))
@example(
    RewardedCurve(
        KinkedCurve(10_000.0, 10_312.5, ((0.0, 0.0), (0.5, 0.03125), (0.875, 0.06), (1.0, 1.0)), 0.9, 100.0),
        (RewardTerm(0.0, 0.0, 3600.0, 0.0),),
    ),
    1000.0,
    0.0,
    1,
)  # bad debt in a pool that is lent out to the last token
def test_rough_lines_over_rewards_are_never_below_the_income(
    curve: RewardedCurve, most: float, start: float, days: int
) -> None:
    h, a = days * 86_400.0, start * most
    if not is_nonincreasing(curve):
        return
    vertices = coarse_bound(curve, a, most, h)
    for k in range(17):
        x = min(most, a + (most - a) * k / 16)
        income = x * curve.apr(x, h)
        assert _line_at(vertices, x) >= income - 1e-9 * (abs(income) + 1e-6)


@settings(max_examples=40, deadline=None)
@given(st.one_of(kinked(), adaptive()), st.floats(0.1, 10.0))
def test_the_error_falls_with_the_square_of_the_width(curve: KinkedCurve | AdaptiveCurve, at: float) -> None:
    h, middle = 30 * 86_400.0, at * curve.others
    width = 1e-3 * curve.others
    if any(middle - width <= x <= middle + width for x in breakpoints(curve, h)):
        return
    wide, narrow = (_worst(curve, middle - w, middle + w, h) for w in (width, width / 4))
    assert narrow <= wide / 8 + 1e-11 * middle * curve.apr(middle, h)


def _worst(curve: YieldCurve, a: float, b: float, h: float) -> float:
    """The largest distance between the lines and the income, which is at a vertex or nearly so."""
    return max(y - x * curve.apr(x, h) for x, y in tight_bound(curve, a, b, h))


def _line_at(vertices: Vertices, x: float) -> float:
    found = [y for at, y in vertices if at == x]
    for (x0, y0), (x1, y1) in pairwise(vertices):
        if x0 < x < x1:
            found.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return max(found)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0.0, 1e-6, 1e6]),
    st.sampled_from([0.0, 1.0, 1e9]),
    st.sampled_from([0.0, 0.01, 10.0]),
    st.sampled_from([0.0, 1e-3, 1e3]),
    st.sampled_from([0.0, 1e-3, 1e6]),
    st.booleans(),
    st.lists(st.floats(1e-9, 1.0), min_size=1),
)
def test_the_lines_hold_for_who_is_alone_in_a_pool_too(
    liquidity: float, fees: float, sigma: float, gas: float, held: float, full: bool, parts: list[float]
) -> None:
    known = Interval(fees, fees, fees)
    venue = PoolEstimate(
        fees=known,
        liquidity=liquidity,
        root=1.0,
        sigma=known,
        value=1e3,
        enter=0.0,
        rebalance=gas + 1.0,
        idle_years=1e-4,
        horizon_years=0.1,
    )
    one = outlook(venue, FULL if full else RangeBounds(-0.01, 0.01), fees, sigma, full=full, gas=gas, tokens=1.0)
    curve, horizon_seconds, most = LiquidityCurve(one, one, held, 0.001), 30 * 86_400.0, 1e7
    for a, b in pairwise((0.0, *(x for x in breakpoints(curve, horizon_seconds) if x < most), most)):
        lines = tight_bound(curve, a, b, horizon_seconds)
        for x in (a + part * (b - a) for part in parts):
            low, high = next(((p, q) for p, q in pairwise(lines) if p[0] <= x <= q[0]), (lines[-1], lines[-1]))
            rise = (high[1] - low[1]) / (high[0] - low[0]) if high[0] > low[0] else 0.0
            income = x * curve.apr(x, horizon_seconds)
            assert income <= low[1] + rise * (x - low[0]) + 1e-9 * max(1.0, fees, abs(income))


@st.composite
def shared_pool(draw: st.DrawFn) -> tuple[Dilution, YieldCurve, float]:
    """A holding of ours in a pool, the curve of another market that brings it money, and what we hold of that."""
    pool = draw(st.one_of(kinked(), adaptive()))
    at = pool.others * draw(st.floats(0.0, 0.5))
    if draw(st.booleans()):
        held = pool.others * draw(st.sampled_from([0.0, 0.3]))
        shifted = replace(pool, others=max(0.0, pool.others + at - held))
        curve: YieldCurve = capped(shifted, held, -math.inf, holding_at(shifted, 1.0))
        return (
            Dilution(capped(pool, at, -math.inf, holding_at(pool, 1.0)), at, draw(st.floats(1.0, 1e6))),
            curve,
            held,
        )
    seen = draw(vault())
    slot = draw(st.integers(0, len(seen.slots) - 1))
    inner = seen.slots[slot]
    below = replace(inner.curve, others=max(0.0, inner.curve.others + inner.held - at))
    dilution = Dilution(capped(below, at, -math.inf, holding_at(below, 1.0)), at, draw(st.floats(1.0, 1e6)), seen, slot)
    return dilution, capped_vault(seen, 0.98), seen.ours


@settings(max_examples=draws(40, 150), deadline=None)
@given(shared_pool(), st.floats(0.0, 1.0), st.floats(0.01, 1.0))
def test_lines_are_above_what_is_left_when_another_holding_loses(
    case: tuple[Dilution, YieldCurve, float], start: float, width: float
) -> None:
    dilution, curve, held = case
    scale = dilution.at + 2.0 * float(getattr(curve, "others", 0.0)) + 10.0
    a = held + start * scale
    b = a + width * scale
    cuts = sorted({a, b, *(x for x in (*breakpoints(curve, H), *dilution_breakpoints(dilution, held, H)) if a < x < b)})
    for low, high in pairwise(cuts):
        line = less_dilution(dilution, held, tight_bound(curve, low, high, H), H)
        for part in range(33):
            x = min(high, low + (high - low) * part / 32)
            income = x * curve.apr(x, H) - dilution.loss(held, x, H)
            above = _line_at(line, x)
            assert above >= income - 1e-9 * (abs(income) + dilution.weight)
