"""Upper bounds of income that are straight lines: the only thing that the dual bound knows of a curve.

``joints`` cuts a curve's range into cells on which its income x * apr(x) is of one shape; ``cover`` gives, for one
cell, the corners of a broken line nowhere below the income there. The error is of second order in the cell's width.

- Kinked, supply-kinked, diluted, constant and sampled curves, and those of stake pools where others own enough:
  between joints (breakpoints and the inflection) income is concave, where any tangent is above it, or convex, where
  the chord is.
- Adaptive curves and kinked ones with a deficit: what borrowers pay in all is growing and convex in t = 1 / supplied
  between joints (kinks, the IRM's clamps and the steps of its exponential), so it is below its chord in t; our share
  of that chord is a rational function whose one inflection is known.
- A vault seen through: in a cell one inner market changes, whose own cover gives lines; a line times x / (others + x)
  is concave or convex again.
- A curve with rewards: its own cover, and of each reward tangents beyond the holding that pays its claim; the sum of
  lines above is above the sum.
- A curve of which no gain from draining counts: a straight line below the holding from which on it is the market's own.
- Liquidity that we provide: concave or straight between the holding that is there and those from which on fees pay gas.
- What a holding takes from others of ours in its pool (``taken``): a pool's rate is convex in what is there between
  joints, so it is below its chord. Cells that are still rough leave it out, which can only raise the bound.
- Any other curve: the largest of the apr at the cell's ends and middle. That is exact for a monotone apr only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from yieldbot.math.beside import Beside
from yieldbot.math.curves import (
    ADJUSTMENT_SPEED_PER_YEAR,
    MAX_RATE_AT_TARGET,
    MIN_RATE_AT_TARGET,
    TARGET_UTILISATION,
    AdaptiveCurve,
    ConstantCurve,
    DilutedCurve,
    EnteredCurve,
    KinkedCurve,
    LookThroughCurve,
    SampledCurve,
    SupplyKinkedCurve,
)
from yieldbot.math.provided import ProvidedCurve
from yieldbot.math.rewards import RewardedCurve, RewardTerm
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.undrained import UndrainedCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.units import SECONDS_PER_YEAR

Corners = list[tuple[float, float]]
BEFORE = 1e-12
"""How far before a step of the IRM's exponential its joint is put, as a share of the pool."""
INSIDE = 1e-9
"""How far inside a cell (of its width) one-sided values at its ends are taken."""
OUTSIDE = 1e-8
"""What a chord is lifted by, of its rise: beyond points that lie INSIDE it would be below a convex function."""


def joints(curve: YieldCurve, horizon_seconds: float) -> tuple[float, ...]:
    """Holdings x > 0 between which ``cover`` may be asked for a cell, ascending."""
    found = set(curve.breakpoints())
    match curve:
        case RewardedCurve():
            found.update(joints(curve.base, horizon_seconds))
            found.update(x for term in curve.terms if (x := term.start(horizon_seconds)) is not None)
        case UndrainedCurve():
            found.update(joints(curve.base, horizon_seconds))
        case ProvidedCurve():
            starts = (outlook.start(horizon_seconds) for outlook in (curve.stays, curve.enters))
            found.update(x for x in starts if x is not None)
        case KinkedCurve(deficit=0.0):
            found.update(_inflections(curve))
        case AdaptiveCurve():
            # Just before the step, where the higher rate still holds: an optimum often lies exactly there.
            before = curve.borrowed * (1.0 - BEFORE)
            found.update(before / u - curve.others for u in _steps(curve, horizon_seconds))
        case LookThroughCurve():
            found.update(_inner_joints(curve, horizon_seconds))
        case _:
            pass
    return tuple(sorted(x for x in found if x > 0.0 and math.isfinite(x)))


def rough(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    """Corners of a line above x * apr(x) on [a, b], whatever joints are inside, of a curve that ``falls``; for one apr.

    Where borrowers pay a rate by utilisation, what they pay in all, T, falls with our holding too, and we get the share
    x / (others + x) of it: income is below T(a) * x / (others + x), which is concave.
    """
    if isinstance(curve, RewardedCurve):
        lines = [rough(curve.base, a, b, horizon_seconds)]
        return _sum([*lines, *(_rough_reward(term, a, b, horizon_seconds) for term in curve.terms)])
    if isinstance(curve, UndrainedCurve):
        if a >= curve.least:
            return rough(curve.base, a, b, horizon_seconds)
        most, edge = curve.most(horizon_seconds), min(b, curve.least)
        beyond = rough(curve.base, edge, b, horizon_seconds) if b > edge else [(b, b * most)]
        return [(a, a * most), *beyond]
    apr = curve.apr(a, horizon_seconds)
    match curve:
        case KinkedCurve():
            base = curve.others + curve.deficit
        case AdaptiveCurve() | DilutedCurve():
            base = curve.others
        case _:
            return [(a, a * apr), (b, b * apr)]
    start, end = base + a, base + b
    if base <= 0.0 or (not isinstance(curve, DilutedCurve) and curve.others + a < curve.borrowed):
        return [(a, a * apr), (b, b * apr)]
    paid, middle = start * apr, 2.0 * start * end / (start + end)  # where the tangents at both ends meet
    at_middle = paid * (a / start + base / start**2 * (middle - start))
    return [(a, a * apr), (middle - base, at_middle), (b, paid * b / end)]


def falls(curve: YieldCurve) -> bool:
    """Whether ``rough`` bounds it: the apr (with rewards, that of the curve below them, for ``rough`` leaves out what
    claims cost) is known never to rise with our holding.

    Of the adaptive curve this holds through the steps of its exponential too: each of them is a step up in utilisation.
    """
    match curve:
        case RewardedCurve() | UndrainedCurve():
            return falls(curve.base)
        case KinkedCurve(deficit=deficit) if deficit and curve.others < curve.borrowed:
            return False  # while all is lent out, more supply makes the bad debt a smaller part of it
        case KinkedCurve() | SupplyKinkedCurve():
            return all(low[1] <= high[1] for low, high in pairwise(((0.0, 0.0), *curve.points)))
        case AdaptiveCurve() | ConstantCurve():
            return True
        case DilutedCurve():
            return curve.income_per_year >= 0.0
        case StakeCurve():
            return curve.growth >= 0.0
        case _:
            return False


def cover(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    """Corners (x, tokens a year) of a line above x * apr(x) on [a, b], which has no joint inside."""
    first, last = a * curve.apr(a, horizon_seconds), b * curve.apr(b, horizon_seconds)
    if b <= a:
        return [(a, first)]
    corners = _cover(curve, a, b, horizon_seconds)
    # The value at a joint itself may be that of either side.
    corners[0], corners[-1] = (a, max(first, corners[0][1])), (b, max(last, corners[-1][1]))
    return corners


def _cover(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    match curve:
        case RewardedCurve():
            lines = [cover(curve.base, a, b, horizon_seconds)]
            return _sum([*lines, *(_of_reward(term, a, b, horizon_seconds) for term in curve.terms)])
        case UndrainedCurve():
            return _undrained(curve, a, b, horizon_seconds)
        case (
            KinkedCurve(deficit=0.0)
            | SupplyKinkedCurve()
            | DilutedCurve()
            | EnteredCurve()
            | ConstantCurve()
            | SampledCurve()
            | ProvidedCurve()
        ):
            return _by_shape(
                lambda x: x * curve.apr(x, horizon_seconds), lambda x: curve.marginal(x, horizon_seconds), a, b
            )
        case StakeCurve() if _is_concave(curve, (a + b) / 2):
            return _by_shape(
                lambda x: x * curve.apr(x, horizon_seconds), lambda x: curve.marginal(x, horizon_seconds), a, b
            )
        case AdaptiveCurve() | KinkedCurve():
            return _by_chord(curve, a, b, horizon_seconds)
        case LookThroughCurve():
            return _looked_through(curve, a, b, horizon_seconds)
        case _:
            top = max(curve.apr(x, horizon_seconds) for x in (a, (a + b) / 2, b))
            return [(a, a * top), (b, b * top)]


def beside_joints(beside: Beside, held: float, horizon_seconds: float) -> tuple[float, ...]:
    """Holdings beyond ``held`` between which ``taken`` may be asked for a cell that has no joint of our own curve."""
    levels = joints(beside.curve, horizon_seconds)
    return tuple(x for level in levels if (x := beside.holding(held, level)) is not None)


def taken(beside: Beside, held: float, corners: Corners, horizon_seconds: float) -> Corners:
    """A cell's corners lowered by no more than what other holdings lose in it.

    What those earn is convex in what the pool gets: its rate is what borrowers pay, which falls, times the share that
    is lent, which falls too, both convex. Of rates that need not fall nothing is taken off.
    """
    a, b = corners[0][0], corners[-1][0]
    if a < held or b <= held or not falls(beside.curve):
        return corners
    edge = (b - a) * INSIDE
    # At a joint the rate may be that of either side: the smaller loss counts.
    first = min(beside.lost(held, x, horizon_seconds) for x in (a, a + edge))
    last = min(beside.lost(held, x, horizon_seconds) for x in (b, b - edge))
    first, last = (loss - OUTSIDE * (abs(last - first) + 1e-6 * loss) for loss in (first, last))
    each = (last - first) / (b - a) if b > a else 0.0
    return [(x, y - max(0.0, first + each * (x - a))) for x, y in corners]


def _undrained(curve: UndrainedCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    """In a cell below ``least`` the line of the highest rate counted; the base's own where that is nowhere above it."""
    own = cover(curve.base, a, b, horizon_seconds)
    if a >= curve.least:
        return own
    most = curve.most(horizon_seconds)
    return own if all(y <= x * most for x, y in own) else [(a, a * most), (b, b * most)]


def _rough_reward(term: RewardTerm, a: float, b: float, horizon_seconds: float) -> Corners:
    """A reward's line whatever is inside: that of one whose claims cost nothing, which is nowhere below it."""
    flow = term.value_per_year * min(1.0, term.seconds_left / horizon_seconds)
    if term.others <= 0.0:  # all of it from the first unit on
        return [(a, flow), (b, flow)]
    return rough(DilutedCurve(term.others, flow), a, b, horizon_seconds)


def _of_reward(term: RewardTerm, a: float, b: float, horizon_seconds: float) -> Corners:
    """A reward's income in a cell that does not hold its start: nothing before, concave beyond."""
    start = term.start(horizon_seconds)
    if start is None or b <= start:
        return [(a, term.income(a, horizon_seconds)), (b, term.income(b, horizon_seconds))]
    if term.others <= 0.0:  # all of it from the first unit on
        return [(a, term.income(b, horizon_seconds)), (b, term.income(b, horizon_seconds))]
    return _by_shape(lambda x: term.income(x, horizon_seconds), lambda x: term.slope(x, horizon_seconds), a, b)


def _sum(lines: list[Corners]) -> Corners:
    """Lines over one cell added up; where one has two values at a corner the higher counts."""
    return [(x, sum(_at(line, x) for line in lines)) for x in sorted({x for line in lines for x, _ in line})]


def _at(line: Corners, x: float) -> float:
    found = [y for at, y in line if at == x]
    for (x0, y0), (x1, y1) in () if found else pairwise(line):
        if x0 < x < x1:
            found.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return max(found)


def _is_concave(curve: StakeCurve, x: float) -> bool:
    """Whether income is concave in x's whole cell. With s = others + x, R rewards and p = 1 - fee it is
    (a + b x) ((1 + R / s)^p - 1) - x + a + b x, whose second derivative has the sign of
    2 (a - b others) - (a + b x) (1 - p) R / (s + R)."""
    a, b = curve.earning(x)
    return curve.growth >= 0.0 and a <= b * curve.others


def _by_shape(value: Callable[[float], float], slope: Callable[[float], float], a: float, b: float) -> Corners:
    """A concave or convex function: tangents at both ends, or the chord."""
    edge = (b - a) * INSIDE
    slope_a, slope_b = slope(a + edge), slope(b - edge)
    if slope_b >= slope_a:
        return [(a, value(a)), (b, value(b))]
    at_a, at_b = value(a + edge) - slope_a * edge, value(b - edge) + slope_b * edge
    meet = (at_b - at_a + slope_a * a - slope_b * b) / (slope_a - slope_b)
    if not a < meet < b:  # rounding: the slopes are all but equal
        return [(a, max(at_a, value(a))), (b, max(at_b, value(b)))]
    return [(a, at_a), (meet, at_a + slope_a * (meet - a)), (b, at_b)]


def _by_chord(curve: AdaptiveCurve | KinkedCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    """Income = H(t) * x * t with t = 1 / (base + x): what borrowers pay in all, H, below its chord in t.

    The chord makes it x / T * (c0 + c1 / T) with T = base + x: the income of a rate that is linear in utilisation.
    """
    base = curve.others + (curve.deficit if isinstance(curve, KinkedCurve) else 0.0)
    if curve.borrowed <= 0.0 or base + a <= 0.0 or curve.others + b <= curve.borrowed:
        # Nothing earned, or utilisation 1: linear (convex with a deficit).
        return [(a, a * curve.apr(a, horizon_seconds)), (b, b * curve.apr(b, horizon_seconds))]
    if b - a <= 1e-9 * (base + b):  # too narrow for a chord; the apr is monotone, so its ends bound it
        top = max(curve.apr(a, horizon_seconds), curve.apr(b, horizon_seconds))
        return [(a, a * top), (b, b * top)]
    edge = (b - a) * INSIDE + 4 * BEFORE * (base + b)
    near, far = base + a + edge, base + b - edge
    paid_a, paid_b = curve.apr(a + edge, horizon_seconds) * near, curve.apr(b - edge, horizon_seconds) * far
    c1 = (paid_a - paid_b) / (1.0 / near - 1.0 / far)
    c0 = paid_b - c1 / far + OUTSIDE * abs(paid_a - paid_b) + 1e-12 * paid_a

    def value(x: float) -> float:
        return x / (base + x) * (c0 + c1 / (base + x))

    def slope(x: float) -> float:
        return (base * c0 - c1 + 2.0 * base * c1 / (base + x)) / (base + x) ** 2

    turn = 3.0 * base * c1 / (c1 - base * c0) - base if c1 > base * c0 else math.inf
    if a < turn < b:  # concave before, convex beyond
        return [*_by_shape(value, slope, a, turn), *_by_shape(value, slope, turn, b)]
    return _by_shape(value, slope, a, b)


def _looked_through(curve: LookThroughCurve, a: float, b: float, horizon_seconds: float) -> Corners:
    """The inner market that changes is covered by lines; each times our share of the vault has one shape."""
    before, after = curve.holdings(a), curve.holdings(b)
    rest, changing = 0.0, []
    for index, (low, high) in enumerate(zip(before, after, strict=True)):
        if high - low > INSIDE * (b - a):
            changing.append(index)
        else:
            rest += high * curve.slots[index].curve.apr(high, horizon_seconds)
    if len(changing) > 1:  # no cell between joints does this, but for rounding: the first-order bound
        top = sum(h * s.curve.apr(low, horizon_seconds) for h, low, s in zip(after, before, curve.slots, strict=True))
        most = top * (1.0 - curve.fee) / (curve.others + a)
        return [(a, a * most), (b, b * most)]
    inner = [(a, rest), (b, rest)]
    if changing:
        at = changing[0]
        lines = cover(curve.slots[at].curve, before[at], after[at], horizon_seconds)
        stretch = (b - a) / (after[at] - before[at])
        inner = [(a + (held - before[at]) * stretch, rest + income) for held, income in lines]
        inner = [(a, inner[0][1]), *inner[1:-1], (b, inner[-1][1])]
    keep, others = 1.0 - curve.fee, curve.others
    corners: Corners = []
    for (x0, y0), (x1, y1) in pairwise(inner):
        if x1 <= x0:
            continue
        beta = (y1 - y0) / (x1 - x0)
        start = y0 - beta * x0

        def value(x: float, beta: float = beta, start: float = start) -> float:
            return keep * x * (start + beta * x) / (others + x) if x else 0.0

        def slope(x: float, beta: float = beta, start: float = start) -> float:
            total = others + x
            return keep * (beta + others * (start - beta * others) / total**2) if total else keep * beta

        corners += _by_shape(value, slope, x0, x1)
    return corners


def _inflections(curve: KinkedCurve) -> list[float]:
    """Where income turns from concave to convex: with borrow rate a + b*u, at supplied = 3*S*b*B / (b*B - S*a)."""
    found, others, borrowed = [], curve.others, curve.borrowed
    for (u0, y0), (u1, y1) in pairwise(curve.points):
        b = (y1 - y0) / (u1 - u0)
        bottom = b * borrowed - others * (y0 - b * u0)
        if bottom and (supplied := 3.0 * others * b * borrowed / bottom) > 0.0 and u0 < borrowed / supplied < u1:
            found.append(supplied - others)
    return found


def _steps(curve: AdaptiveCurve, horizon_seconds: float) -> list[float]:
    """Utilisations where the IRM's exponential steps to its next power of two, or its rate meets a clamp."""
    speed = ADJUSTMENT_SPEED_PER_YEAR * horizon_seconds / SECONDS_PER_YEAR
    if speed <= 0.0 or curve.rate_at_target <= 0.0:
        return []
    top, bottom = (math.log(rate / curve.rate_at_target) for rate in (MAX_RATE_AT_TARGET, MIN_RATE_AT_TARGET))
    reach = min(speed, 2.0 * max(top, -bottom) + 2.0)
    exponents = {half * (k + 0.5) * math.log(2) for half in (1.0, 2.0) for k in range(int(reach) + 2)}
    exponents |= {-e for e in exponents} | {half * _exponent(limit) for half in (1.0, 2.0) for limit in (top, bottom)}
    errors = (e / speed for e in exponents if abs(e) < speed)
    return [TARGET_UTILISATION + e * (1 - TARGET_UTILISATION if e > 0 else TARGET_UTILISATION) for e in errors]


def _exponent(log: float) -> float:
    """The x at which the IRM's own exponential (2^q * (1 + r + r^2/2)) reaches e^log."""
    q = math.trunc((log + math.copysign(math.log(2) / 2, log)) / math.log(2))
    ratio = math.exp(log) / 2.0**q
    return q * math.log(2) - 1.0 + math.sqrt(max(0.0, 2.0 * ratio - 1.0))


def _inner_joints(curve: LookThroughCurve, horizon_seconds: float) -> list[float]:
    """The inner curves' joints while their slot is the one that changes (see LookThroughCurve.breakpoints)."""
    found, start = [], curve.ours
    for slot in curve.slots:
        ends = joints(slot.curve, horizon_seconds)
        found += [start + x - slot.held for x in ends if 0.0 <= x - slot.held <= slot.room]
        start += slot.room
    start = curve.ours - max(0.0, curve.others + curve.ours - sum(slot.held for slot in curve.slots))
    for index in curve.withdraw_order:
        slot = curve.slots[index]
        most = min(slot.held, slot.liquidity)
        found += [start - (slot.held - x) for x in joints(slot.curve, horizon_seconds) if 0.0 <= slot.held - x <= most]
        start -= most
    return found
