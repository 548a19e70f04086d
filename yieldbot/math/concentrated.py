"""Concentrated liquidity: a swap over a Uniswap v3 pool's ticks, exact to the base unit.

Source: Uniswap v3 core 1.0.1, UniswapV3Pool.swap with its libraries SwapMath, SqrtPriceMath, TickMath and TickBitmap.
Prices are square roots of token1 / token0 in base units, in Q64.96 (*_x96). The pool steps from tick to tick and also
stops at the end of each word of 256 ticks. Each stop rounds, and this implementation rounds at the same places.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache

from yieldbot.model.dataclass import dataclass

Q96 = 1 << 96
Q128 = 1 << 128
WORD = 256
MOST_TICK = 887_272
LEAST_SQRT_X96 = 4_295_128_739
MOST_SQRT_X96 = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342
"""The prices of the lowest and the highest tick; a swap may come no nearer to them than one unit."""
PIPS = 1_000_000
MOST_UINT256 = (1 << 256) - 1
DIGITS = 80


def _powers() -> tuple[int, ...]:
    """1.0001 ** (-(2 ** i) / 2) in Q128, rounded to the nearest, as in TickMath."""
    with localcontext() as context:
        context.prec = DIGITS
        each = [Decimal("1.0001") ** (-Decimal(2**i) / 2) * Q128 for i in range(20)]
        return tuple(int(value.to_integral_value(ROUND_HALF_UP)) for value in each)


POWERS = _powers()


class Unswappable(ValueError):
    """The pool refuses the swap, or the ticks that were read do not cover it."""


class TooLittle(Unswappable):
    """An amount so small that the pool gives nothing for it; a larger one may do."""


@dataclass(frozen=True, slots=True)
class V3Swap:
    """A swap's effect on the pool."""

    amount0: int
    """Base units of token0 that the pool receives; negative: pays."""
    amount1: int
    """Base units of token1 that the pool receives; negative: pays."""
    sqrt_price_x96: int
    """Square root of the price afterwards."""
    tick: int
    """Tick of the price afterwards."""
    liquidity: int
    """Liquidity in range afterwards."""
    crossed: int
    """Number of ticks passed."""
    steps: int
    """Number of steps, each of which rounded."""


@dataclass(frozen=True, slots=True)
class V3Pool:
    """A pool's state."""

    sqrt_price_x96: int
    """Square root of the price."""
    tick: int
    """Tick of the price."""
    liquidity: int
    """Liquidity in range."""
    fee_pips: int
    """Swap fee, in hundredths of a bp of the input."""
    spacing: int
    """Tick spacing."""
    words: Mapping[int, int]
    """The non-zero words of the tick bitmap, by index."""
    net: Mapping[int, int]
    """By tick, the liquidity that is added when the price passes it upwards."""
    first_word: int
    """Index of the first word of the bitmap that was read."""
    last_word: int
    """Index of the last word of the bitmap that was read."""
    outside: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By tick, its feeGrowthOutside of token0 and token1 (Q128), where it was read."""

    def swap(self, amount: int, zero_for_one: bool, limit_x96: int | None = None, *, exact: bool = True) -> V3Swap:
        """Swap token0 for token1 (``zero_for_one``) or the other way. Raises Unswappable.

        amount: base units in, or (negative) out. limit_x96: price at which it stops. Without ``exact`` the pool's
        rounding at the ends of bitmap words is skipped: a few units off, and much faster over long distances.
        """
        ticks = () if exact else tuple(sorted(self.net))
        limit = limit_x96 or (LEAST_SQRT_X96 + 1 if zero_for_one else MOST_SQRT_X96 - 1)
        below, above = LEAST_SQRT_X96 < limit < self.sqrt_price_x96, MOST_SQRT_X96 > limit > self.sqrt_price_x96
        if amount == 0 or not (below if zero_for_one else above):
            raise Unswappable("nothing to swap, or the price limit is behind the price")
        remaining, calculated, exact_in, crossed, steps = amount, 0, amount > 0, 0, 0
        sqrt, tick, liquidity = self.sqrt_price_x96, self.tick, self.liquidity
        while remaining and sqrt != limit:
            start, steps = sqrt, steps + 1
            goal, initialised = self._next_tick(tick, zero_for_one) if exact else self._far(ticks, tick, zero_for_one)
            goal = max(-MOST_TICK, min(MOST_TICK, goal))
            sqrt_goal = sqrt_at(goal)
            beyond = sqrt_goal < limit if zero_for_one else sqrt_goal > limit
            sqrt, taken, given, fee = swap_step(
                sqrt, limit if beyond else sqrt_goal, liquidity, remaining, self.fee_pips
            )
            if exact_in:
                remaining -= taken + fee
                calculated -= given
            else:
                remaining += given
                calculated += taken + fee
            if sqrt == sqrt_goal:
                if initialised:
                    crossed += 1
                    liquidity += -self.net[goal] if zero_for_one else self.net[goal]
                tick = goal - 1 if zero_for_one else goal
            elif sqrt != start:
                tick = tick_at(sqrt)
        done = amount - remaining
        amounts = (done, calculated) if zero_for_one == exact_in else (calculated, done)
        return V3Swap(*amounts, sqrt, tick, liquidity, crossed, steps)

    def _far(self, ticks: tuple[int, ...], tick: int, left: bool) -> tuple[int, bool]:
        """(the next initialised tick, however far, True), or (the end of what was read, False)."""
        at = bisect_right(ticks, tick) - (1 if left else 0)
        if 0 <= at < len(ticks):
            return ticks[at], True
        end = (self.first_word if left else self.last_word + 1) * WORD * self.spacing
        if (tick <= end if left else tick >= end) or abs(tick) >= MOST_TICK:
            raise Unswappable("the swap goes beyond the ticks that were read")
        return end, False

    def _next_tick(self, tick: int, left: bool) -> tuple[int, bool]:
        """TickBitmap.nextInitializedTickWithinOneWord: (the next tick or the word's end, whether it is initialised)."""
        place = tick // self.spacing + (0 if left else 1)
        word, bit = place >> 8, place & 255
        if not self.first_word <= word <= self.last_word:
            raise Unswappable("the swap goes beyond the ticks that were read")
        bits = self.words.get(word, 0)
        if left:
            bits &= (2 << bit) - 1
            at = bits.bit_length() - 1 if bits else 0
        else:
            bits &= ~((1 << bit) - 1)
            at = (bits & -bits).bit_length() - 1 if bits else WORD - 1
        return ((word << 8) + at) * self.spacing, bits != 0


def swap_step(sqrt: int, goal: int, liquidity: int, remaining: int, fee_pips: int) -> tuple[int, int, int, int]:
    """SwapMath.computeSwapStep: (price after, in, out, fee), towards ``goal`` and not beyond it. Base units."""
    zero_for_one = sqrt >= goal
    if remaining >= 0:
        usable = remaining * (PIPS - fee_pips) // PIPS
        taken = delta0(goal, sqrt, liquidity, True) if zero_for_one else delta1(sqrt, goal, liquidity, True)
        reached = usable >= taken
        after = goal if reached else _after_input(sqrt, liquidity, usable, zero_for_one)
    else:
        given = delta1(goal, sqrt, liquidity, False) if zero_for_one else delta0(sqrt, goal, liquidity, False)
        reached = -remaining >= given
        after = goal if reached else _after_output(sqrt, liquidity, -remaining, zero_for_one)
    at_goal = after == goal
    if not (at_goal and remaining >= 0):
        taken = delta0(after, sqrt, liquidity, True) if zero_for_one else delta1(sqrt, after, liquidity, True)
    if not (at_goal and remaining < 0):
        given = delta1(after, sqrt, liquidity, False) if zero_for_one else delta0(sqrt, after, liquidity, False)
    if remaining < 0:
        given = min(given, -remaining)
    if remaining >= 0 and not at_goal:
        return after, taken, given, remaining - taken
    return after, taken, given, _up(taken * fee_pips, PIPS - fee_pips)


def delta0(low: int, high: int, liquidity: int, up: bool) -> int:
    """Base units of token0 between two prices: liquidity * (1 / low - 1 / high)."""
    if not low:
        raise Unswappable("the price is 0")
    numerator = (liquidity << 96) * (high - low)
    return _up(_up(numerator, high), low) if up else numerator // high // low


def delta1(low: int, high: int, liquidity: int, up: bool) -> int:
    """Base units of token1 between two prices: liquidity * (high - low)."""
    product = liquidity * (high - low)
    return _up(product, Q96) if up else product // Q96


def _after_input(sqrt: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    if not liquidity:
        raise Unswappable("the pool has no liquidity at its price")
    if not zero_for_one:
        return _uint160(sqrt + (amount << 96) // liquidity)
    if not amount:
        return sqrt
    numerator, product = liquidity << 96, amount * sqrt
    if product <= MOST_UINT256 and numerator + product <= MOST_UINT256:
        return _up(numerator * sqrt, numerator + product)
    return _up(numerator, numerator // sqrt + amount)


def _after_output(sqrt: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    if not liquidity:
        raise Unswappable("the pool has no liquidity at its price")
    if zero_for_one:
        quotient = _up(amount << 96, liquidity)
        if sqrt <= quotient:
            raise Unswappable("the pool holds less than is asked for")
        return sqrt - quotient
    numerator, product = liquidity << 96, amount * sqrt
    if product > MOST_UINT256 or numerator <= product:
        raise Unswappable("the pool holds less than is asked for")
    return _uint160(_up(numerator * sqrt, numerator - product))


def _up(a: int, b: int) -> int:
    return -(-a // b)


def _uint160(value: int) -> int:
    if value >> 160:
        raise Unswappable("the price does not fit")
    return value


@lru_cache(maxsize=1 << 14)
def sqrt_at(tick: int) -> int:
    """TickMath.getSqrtRatioAtTick: 1.0001 ** (tick / 2) in Q64.96, rounded up."""
    if abs(tick) > MOST_TICK:
        raise Unswappable(f"there is no tick {tick}")
    ratio, left, i = Q128, abs(tick), 0
    while left:
        if left & 1:
            ratio = POWERS[i] if ratio == Q128 else ratio * POWERS[i] >> 128
        left >>= 1
        i += 1
    if tick > 0:
        ratio = MOST_UINT256 // ratio
    return _up(ratio, 1 << 32)


def tick_at(sqrt_x96: int) -> int:
    """TickMath.getTickAtSqrtRatio: the highest tick whose price is at most this one."""
    if not LEAST_SQRT_X96 <= sqrt_x96 < MOST_SQRT_X96:
        raise Unswappable("the price is beyond all ticks")
    tick = math.floor(2.0 * math.log(sqrt_x96 / Q96) / math.log(1.0001))
    while sqrt_at(tick) > sqrt_x96:
        tick -= 1
    while tick < MOST_TICK and sqrt_at(tick + 1) <= sqrt_x96:
        tick += 1
    return tick


def liquidity_amounts(pool: V3Pool) -> tuple[int, int]:
    """Base units of both tokens in a pool's liquidity.

    Liquidity that reaches beyond the ticks that were read is counted up to the outermost tick.
    """
    zero = one = 0
    at, size = pool.sqrt_price_x96, pool.liquidity
    for tick in [*sorted(t for t in pool.net if t > pool.tick), MOST_TICK]:
        there = sqrt_at(tick)
        zero, at, size = zero + delta0(at, there, size, False), there, size + pool.net.get(tick, 0)
    at, size = pool.sqrt_price_x96, pool.liquidity
    for tick in [*sorted((t for t in pool.net if t <= pool.tick), reverse=True), -MOST_TICK]:
        there = sqrt_at(tick)
        one, at, size = one + delta1(there, at, size, False), there, size - pool.net.get(tick, 0)
    return zero, one
