"""Piecewise-linear upper bounds of a market's income: all that the solver knows of a curve.

``breakpoints`` cuts the range of holdings into cells on which the income x * apr(x) is concave or convex.
``tight_bound`` gives the vertices of a piecewise-linear function that is nowhere below the income in one cell; its
error is of second order in the cell's width. By kind of curve:

- Kinked, supply-kinked, diluted, constant and sampled curves, and stake pools in which others own enough: between
  breakpoints (kinks and the inflection) income is either concave, and any tangent bounds it, or convex, and the chord
  bounds it.
- Adaptive curves, and kinked ones with a deficit: between breakpoints (kinks, the clamps of the interest rate model
  (IRM) and the steps of its exponential) the interest that all borrowers pay is increasing and convex in t = 1 /
  supplied. Its chord in t bounds it; our part of that chord is a rational function with one known inflection.
- A vault that is seen through to its markets: in a cell, the holding of exactly one inner market changes, and that
  market's own bound is piecewise linear; a linear function times x / (others + x) is again concave or convex.
- A curve with rewards: the bound of the base curve plus, for each reward, tangents beyond the holding from which on the
  reward pays for its claim.
- A capped curve (math/sustainable.py): a straight line below the holding at which the cap ends.
- Liquidity in a pool: concave or straight between the present holding and those from which on fees pay for gas.
- Shared-pool dilution (``less_dilution``): between breakpoints a pool's rate is convex in its supply, so its chord
  bounds what is subtracted. Coarse bounds of cells leave dilution out, which can only raise them.
- Any other curve: the largest apr at the cell's ends and middle, which is a bound only if the apr is monotone.
"""

from __future__ import annotations

import math
from itertools import pairwise

from yieldbot.allocator.vertices import INSIDE, Vertices, by_shape, summed, times
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
from yieldbot.math.dilution import Dilution
from yieldbot.math.liquidity_curve import LiquidityCurve
from yieldbot.math.pt_prices import FixedTermCurve
from yieldbot.math.reward_curve import RewardedCurve, RewardTerm
from yieldbot.math.savings_rate import StatedCurve
from yieldbot.math.scaled import CappedCurve, ScaledCurve
from yieldbot.math.stake_pool import StakeCurve
from yieldbot.math.unlocking import UnlockingCurve
from yieldbot.math.vesting import VestingCurve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.units import SECONDS_PER_YEAR

CONCAVE = (
    *(SupplyKinkedCurve, DilutedCurve, EnteredCurve, ConstantCurve, SampledCurve, StatedCurve, VestingCurve),
    *(UnlockingCurve, LiquidityCurve, FixedTermCurve),
)
"""Curves whose income is concave between breakpoints."""
BEFORE = 1e-12
"""Distance below a step of the IRM's exponential at which its breakpoint is put, as a fraction of the pool."""
OUTSIDE = 1e-8
"""How much a chord is raised, as a fraction of its rise: its end points lie INSIDE the cell, so that beyond them it
would be below a convex function."""


def breakpoints(curve: YieldCurve, horizon_seconds: float) -> tuple[float, ...]:
    """Holdings x > 0 that bound the cells of ``tight_bound``, ascending, in whole tokens."""
    found = set(curve.breakpoints())
    match curve:
        case RewardedCurve():
            found.update(breakpoints(curve.base, horizon_seconds))
            found.update(x for term in curve.terms if (x := term.start(horizon_seconds)) is not None)
        case CappedCurve() | ScaledCurve():
            found.update(breakpoints(curve.base, horizon_seconds))
        case LiquidityCurve():
            starts = (outlook.start(horizon_seconds) for outlook in (curve.stays, curve.enters))
            found.update(x for x in starts if x is not None)
        case KinkedCurve(deficit=0.0):
            found.update(_inflections(curve))
        case AdaptiveCurve():
            # Just before the step, where the higher rate still holds: an optimum often lies exactly there.
            before = curve.borrowed * (1.0 - BEFORE)
            found.update(before / u - curve.others for u in _steps(curve, horizon_seconds))
        case LookThroughCurve():
            found.update(_inner_breakpoints(curve, horizon_seconds))
        case _:
            pass
    return tuple(sorted(x for x in found if x > 0.0 and math.isfinite(x)))


def coarse_bound(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Vertices of an upper bound of x * apr(x) on [a, b], from one evaluation of apr; breakpoints may lie inside.

    Valid for a curve that ``is_nonincreasing``. Where the rate depends on utilisation, the interest T that borrowers
    pay falls with our holding as well, and our part of it is x / (others + x): income is at most T(a) * x / (others +
    x), which is concave.
    """
    if isinstance(curve, RewardedCurve):
        lines = [coarse_bound(curve.base, a, b, horizon_seconds)]
        return summed([*lines, *(_coarse_reward_bound(term, a, b, horizon_seconds) for term in curve.terms)])
    if isinstance(curve, ScaledCurve):
        return times(curve.factor, coarse_bound(curve.base, a, b, horizon_seconds))
    if isinstance(curve, CappedCurve):
        if a >= curve.cap_end:
            return coarse_bound(curve.base, a, b, horizon_seconds)
        most, edge = curve.cap_rate(horizon_seconds), min(b, curve.cap_end)
        beyond = coarse_bound(curve.base, edge, b, horizon_seconds) if b > edge else [(b, b * most)]
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


def is_nonincreasing(curve: YieldCurve) -> bool:
    """Whether the apr is known never to rise with our holding, as ``coarse_bound`` requires.

    With rewards the question is about the base curve, since ``coarse_bound`` leaves out what claims cost. For the
    adaptive curve it holds across the steps of its exponential too: as utilisation rises, each of them is a step up.
    """
    match curve:
        case RewardedCurve() | CappedCurve() | ScaledCurve():
            return is_nonincreasing(curve.base)
        case KinkedCurve(deficit=deficit) if deficit and curve.others < curve.borrowed:
            return False  # while all is lent out, more supply makes the bad debt a smaller part of it
        case KinkedCurve() | SupplyKinkedCurve():
            return all(low[1] <= high[1] for low, high in pairwise(((0.0, 0.0), *curve.points)))
        case AdaptiveCurve() | ConstantCurve() | StatedCurve(entry_cost=0.0):
            return True
        case FixedTermCurve():
            return not curve.stays
        case DilutedCurve() | VestingCurve():
            return curve.income_per_year >= 0.0
        case StakeCurve():
            return curve.growth >= 0.0
        case UnlockingCurve():
            return curve.locked >= 0.0 and curve.income_per_year >= 0.0
        case _:
            return False


def tight_bound(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Vertices of an upper bound of x * apr(x) on [a, b], in tokens a year. The cell has no breakpoint inside."""
    first, last = a * curve.apr(a, horizon_seconds), b * curve.apr(b, horizon_seconds)
    if b <= a:
        return [(a, first)]
    vertices = _tight_bound(curve, a, b, horizon_seconds)
    # At a breakpoint the curve's value may be the limit from either side.
    vertices[0], vertices[-1] = (a, max(first, vertices[0][1])), (b, max(last, vertices[-1][1]))
    return vertices


def _tight_bound(curve: YieldCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    match curve:
        case RewardedCurve():
            lines = [tight_bound(curve.base, a, b, horizon_seconds)]
            return summed([*lines, *(_tight_reward_bound(term, a, b, horizon_seconds) for term in curve.terms)])
        case ScaledCurve():
            return times(curve.factor, tight_bound(curve.base, a, b, horizon_seconds))
        case CappedCurve():
            return _capped_bound(curve, a, b, horizon_seconds)
        case _ if _is_concave(curve, (a + b) / 2):
            return by_shape(
                lambda x: x * curve.apr(x, horizon_seconds), lambda x: curve.marginal(x, horizon_seconds), a, b
            )
        case AdaptiveCurve() | KinkedCurve():
            return _by_chord(curve, a, b, horizon_seconds)
        case LookThroughCurve():
            return _kept_bound(curve, _vault_bound(curve, a, b, horizon_seconds), horizon_seconds)
        case _:
            top = max(curve.apr(x, horizon_seconds) for x in (a, (a + b) / 2, b))
            return [(a, a * top), (b, b * top)]


def dilution_breakpoints(dilution: Dilution, held: float, horizon_seconds: float) -> tuple[float, ...]:
    """Holdings above ``held`` at which the pool that we share with another holding of ours passes a breakpoint of its
    curve.

    Together with the breakpoints of our own curve they bound the cells of ``less_dilution``.
    """
    levels = breakpoints(dilution.curve, horizon_seconds)
    return tuple(x for level in levels if (x := dilution.holding(held, level)) is not None)


def less_dilution(dilution: Dilution, held: float, vertices: Vertices, horizon_seconds: float) -> Vertices:
    """The vertices of a cell's bound, lowered by at most what another holding of ours loses in that cell.

    The pool's rate is the borrow rate times utilisation; both fall and are convex in supply, so the other holding's
    income is convex too. Nothing is subtracted for curves whose rate need not fall.
    """
    a, b = vertices[0][0], vertices[-1][0]
    if a < held or b <= held or not is_nonincreasing(dilution.curve):
        return vertices
    edge = (b - a) * INSIDE
    # At a breakpoint the rate may be the limit from either side: the smaller loss counts.
    first = min(dilution.loss(held, x, horizon_seconds) for x in (a, a + edge))
    last = min(dilution.loss(held, x, horizon_seconds) for x in (b, b - edge))
    first, last = (loss - OUTSIDE * (abs(last - first) + 1e-6 * loss) for loss in (first, last))
    each = (last - first) / (b - a) if b > a else 0.0
    return [(x, y - max(0.0, first + each * (x - a))) for x, y in vertices]


def _capped_bound(curve: CappedCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    """The bound below the holding at which the cap ends: the line of the capped rate, or the base curve's bound if that
    is lower."""
    own = tight_bound(curve.base, a, b, horizon_seconds)
    if a >= curve.cap_end:
        return own
    most = curve.cap_rate(horizon_seconds)
    return own if all(y <= x * most for x, y in own) else [(a, a * most), (b, b * most)]


def _coarse_reward_bound(term: RewardTerm, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Bound of a reward's income on a range with breakpoints inside: computed as if claims cost nothing."""
    flow = term.value_per_year * min(1.0, term.seconds_left / horizon_seconds)
    if term.others <= 0.0:  # all of it from the first unit on
        return [(a, flow), (b, flow)]
    return coarse_bound(DilutedCurve(term.others, flow), a, b, horizon_seconds)


def _tight_reward_bound(term: RewardTerm, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Bound of a reward's income in a cell on one side of the holding where it starts to pay: 0 below, concave
    above."""
    start = term.start(horizon_seconds)
    if start is None or b <= start:
        return [(a, term.income(a, horizon_seconds)), (b, term.income(b, horizon_seconds))]
    if term.others <= 0.0:  # all of it from the first unit on
        return [(a, term.income(b, horizon_seconds)), (b, term.income(b, horizon_seconds))]
    return by_shape(lambda x: term.income(x, horizon_seconds), lambda x: term.slope(x, horizon_seconds), a, b)


def _is_concave(curve: YieldCurve, x: float) -> bool:
    """Whether income is known to be concave in the whole cell that x lies in.

    For a StakeCurve with s = others + x, R rewards and p = 1 - fee it is (a + b x) ((1 + R / s)^p - 1) - x + a + b x,
    whose second derivative has the sign of 2 (a - b others) - (a + b x) (1 - p) R / (s + R).
    """
    if isinstance(curve, StakeCurve):
        a, b = curve.earning(x)
        return curve.growth >= 0.0 and a <= b * curve.others
    return isinstance(curve, CONCAVE) or (isinstance(curve, KinkedCurve) and not curve.deficit)


def _by_chord(curve: AdaptiveCurve | KinkedCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Bound by a chord in t = 1 / (base + x): income is H(t) * x * t, H being the interest that all borrowers pay.

    With H's chord c0 + c1 * t the bound is x / T * (c0 + c1 / T), T = base + x: the income of a rate that is linear in
    utilisation. H is concave where the deficit is negative (fees beyond what is owed besides); a concave function lies
    above its chord by at most twice what it does in the middle.
    """
    deficit = curve.deficit if isinstance(curve, KinkedCurve) else 0.0
    base = curve.others + deficit
    if curve.borrowed <= 0.0 or base + a <= 0.0 or curve.others + b <= curve.borrowed:
        # Nothing earned, or utilisation 1: linear (convex with a deficit, concave with a negative one).
        first, last = a * curve.apr(a, horizon_seconds), b * curve.apr(b, horizon_seconds)
        middle = (a + b) / 2.0
        over = middle * curve.apr(middle, horizon_seconds) - (first + last) / 2.0 if deficit < 0.0 else 0.0
        return [(a, first + 2.0 * max(0.0, over)), (b, last + 2.0 * max(0.0, over))]
    if b - a <= 1e-9 * (base + b):  # too narrow for a chord; the apr is monotone, so its ends bound it
        top = max(curve.apr(a, horizon_seconds), curve.apr(b, horizon_seconds))
        return [(a, a * top), (b, b * top)]
    edge = (b - a) * INSIDE + 4 * BEFORE * (base + b)
    near, far = base + a + edge, base + b - edge
    paid_a, paid_b = curve.apr(a + edge, horizon_seconds) * near, curve.apr(b - edge, horizon_seconds) * far
    c1 = (paid_a - paid_b) / (1.0 / near - 1.0 / far)
    c0 = paid_b - c1 / far + OUTSIDE * abs(paid_a - paid_b) + 1e-12 * paid_a
    if deficit < 0.0:
        t = (1.0 / near + 1.0 / far) / 2.0
        c0 += 2.0 * max(0.0, curve.apr(1.0 / t - base, horizon_seconds) / t - c0 - c1 * t)

    def value(x: float) -> float:
        return x / (base + x) * (c0 + c1 / (base + x))

    def slope(x: float) -> float:
        return (base * c0 - c1 + 2.0 * base * c1 / (base + x)) / (base + x) ** 2

    turn = 3.0 * base * c1 / (c1 - base * c0) - base if c1 > base * c0 else math.inf
    if a < turn < b:  # concave before, convex beyond
        return [*by_shape(value, slope, a, turn), *by_shape(value, slope, turn, b)]
    return by_shape(value, slope, a, b)


def _vault_bound(curve: LookThroughCurve, a: float, b: float, horizon_seconds: float) -> Vertices:
    """Bound of a vault's income before what ``_kept_bound`` takes off: the bound of the one inner market whose holding
    changes, times our fraction of the vault."""
    before, after, keep = curve.holdings(a), curve.holdings(b), _keep(curve, horizon_seconds)
    released = curve.unreleased * SECONDS_PER_YEAR / horizon_seconds if curve.unreleased else 0.0
    rest, changing = released, []
    for index, (low, high) in enumerate(zip(before, after, strict=True)):
        if high - low > INSIDE * (b - a):
            changing.append(index)
        else:
            rest += high * curve.slots[index].curve.apr(high, horizon_seconds)
    if len(changing) > 1:  # no cell between breakpoints does this, but for rounding: the first-order bound
        top = sum(h * s.curve.apr(low, horizon_seconds) for h, low, s in zip(after, before, curve.slots, strict=True))
        most = (released + top) * keep / (curve.others + a)
        return [(a, a * most), (b, b * most)]
    inner = [(a, rest), (b, rest)]
    if changing:
        at = changing[0]
        lines = tight_bound(curve.slots[at].curve, before[at], after[at], horizon_seconds)
        stretch = (b - a) / (after[at] - before[at])
        inner = [(a + (held - before[at]) * stretch, rest + income) for held, income in lines]
        inner = [(a, inner[0][1]), *inner[1:-1], (b, inner[-1][1])]
    others = curve.others
    vertices: Vertices = []
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

        vertices += by_shape(value, slope, x0, x1)
    return vertices


def _keep(curve: LookThroughCurve, horizon_seconds: float) -> float:
    """The fraction of a vault's income that its holders get, but for the yearly fee on what there is now."""
    return 1.0 - curve.fee - curve.yearly_fee * horizon_seconds / SECONDS_PER_YEAR


def _kept_bound(curve: LookThroughCurve, vertices: Vertices, horizon_seconds: float) -> Vertices:
    """The bound of a vault's income, after the most by which the vault lets itself grow, and its yearly fee."""
    if math.isfinite(curve.max_rate):
        most, found = curve.max_rate * _keep(curve, horizon_seconds), vertices[:1]
        for (x0, y0), (x1, y1) in pairwise(vertices):
            over, under = y0 - x0 * most, y1 - x1 * most
            if over * under < 0.0:  # where the line and the bound cross
                at = x0 + (x1 - x0) * over / (over - under)
                found.append((at, at * most))
            found.append((x1, y1))
        vertices = [(x, min(y, x * most)) for x, y in found]
    return [(x, y - curve.yearly_fee * x) for x, y in vertices] if curve.yearly_fee else vertices


def _inflections(curve: KinkedCurve) -> list[float]:
    """Holdings at which income turns from concave to convex: with borrow rate a + b*u, supplied = 3*S*b*B / (b*B -
    S*a), where S is what others supply and B what is borrowed."""
    found, others, borrowed = [], curve.others, curve.borrowed
    for (u0, y0), (u1, y1) in pairwise(curve.points):
        b = (y1 - y0) / (u1 - u0)
        bottom = b * borrowed - others * (y0 - b * u0)
        if bottom and (supplied := 3.0 * others * b * borrowed / bottom) > 0.0 and u0 < borrowed / supplied < u1:
            found.append(supplied - others)
    return found


def _steps(curve: AdaptiveCurve, horizon_seconds: float) -> list[float]:
    """Utilisations at which the IRM's exponential steps to its next power of two, or its rate reaches a clamp."""
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


def _inner_breakpoints(curve: LookThroughCurve, horizon_seconds: float) -> list[float]:
    """The inner curves' breakpoints, each while its own slot is the one that changes (see
    LookThroughCurve.breakpoints)."""
    found, start = [], curve.ours
    for slot in curve.slots:
        ends = breakpoints(slot.curve, horizon_seconds)
        found += [start + x - slot.held for x in ends if 0.0 <= x - slot.held <= slot.room]
        start += slot.room
    start = curve.ours - max(0.0, curve.others + curve.ours - sum(slot.held for slot in curve.slots))
    for index in curve.withdraw_order:
        slot = curve.slots[index]
        most = min(slot.held, slot.liquidity)
        found += [
            start - (slot.held - x) for x in breakpoints(slot.curve, horizon_seconds) if 0.0 <= slot.held - x <= most
        ]
        start -= most
    return found
