"""Orca's Whirlpools: a swap over a pool's ticks, exact to the base unit.

Source: the Whirlpool program (manager/swap_manager.rs; swap_math.rs, token_math.rs and tick_math.rs of math/;
sparse_swap.rs and swap_tick_sequence.rs of util/). Prices are square roots of token B / token A in base units, in
Q64.64 (*_x64). Ticks are stored in arrays of 88; a swap passes at most three arrays, and stops only at initialised
ticks and at the end of the third. Pools with an adaptive fee are not covered: their adapter refuses them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import lru_cache

from yieldbot.math.concentrated import PIPS, Unswappable
from yieldbot.model.dataclass import dataclass

Q64 = 1 << 64
MOST_U64 = Q64 - 1
MOST_U128 = (1 << 128) - 1
MOST_U256 = (1 << 256) - 1
TICKS = 88
"""Ticks of an array."""
ARRAYS = 3
"""Arrays that one swap may pass."""
MOST_TICK = 443_636
LEAST_SQRT_X64, MOST_SQRT_X64 = 4_295_048_016, 79_226_673_515_401_279_992_447_579_055
"""The prices of the lowest and the highest tick."""
PROTOCOL_SHARE = 10_000
DIGITS = 60


def _powers(sign: int, scale: int) -> tuple[int, ...]:
    """1.0001 ** (sign * 2 ** i / 2) times ``scale``, rounded down, as tick_math.rs has them."""
    with localcontext() as context:
        context.prec = DIGITS
        each = [Decimal("1.0001") ** (sign * Decimal(2**i) / 2) * scale for i in range(19)]
        return tuple(int(value.to_integral_value(ROUND_FLOOR)) for value in each)


UPWARDS, DOWNWARDS = _powers(1, 1 << 96), _powers(-1, Q64)


@dataclass(frozen=True, slots=True)
class WhirlpoolSwap:
    """A swap's effect."""

    a: int
    """Base units of token A that went in or came out."""
    b: int
    """Base units of token B that went in or came out."""
    sqrt_price_x64: int
    """Square root of the price afterwards."""
    tick: int
    """Tick of the price afterwards."""
    liquidity: int
    """Liquidity in range afterwards."""
    fee: int
    """Fee, in base units of the input."""
    protocol_fee: int
    """The protocol's part of the fee."""
    crossed: int
    """Number of ticks passed."""
    steps: int
    """Number of steps, each of which rounded."""


@dataclass(frozen=True, slots=True)
class Whirlpool:
    """A pool's state."""

    sqrt_price_x64: int
    """Square root of the price."""
    tick: int
    """Tick of the price."""
    liquidity: int
    """Liquidity in range."""
    fee_pips: int
    """Swap fee, in hundredths of a bp of the input."""
    protocol_bps: int
    """The protocol's part of the fee."""
    spacing: int
    """Tick spacing."""
    net: Mapping[int, int]
    """By initialised tick, the liquidity that is added when the price passes it upwards; covers all arrays that a swap
    from here may pass."""

    def swap(self, amount: int, a_to_b: bool, limit_x64: int = 0, *, exact_in: bool = True) -> WhirlpoolSwap:
        """Swap token A for token B (``a_to_b``) or the other way. Raises Unswappable where the program refuses.

        amount: base units in, or out if not ``exact_in``. With a price limit, and at the very last tick, only a part
        may be swapped.
        """
        limit = limit_x64 or (LEAST_SQRT_X64 if a_to_b else MOST_SQRT_X64)
        if not LEAST_SQRT_X64 <= limit <= MOST_SQRT_X64:
            raise Unswappable("the price limit is beyond all ticks")
        if limit >= self.sqrt_price_x64 if a_to_b else limit <= self.sqrt_price_x64:
            raise Unswappable("the price limit is behind the price")
        if not 0 < amount <= MOST_U64:
            raise Unswappable("nothing to swap, or more than 64 bits hold")
        ticks, starts = sorted(self.net), self.starts(a_to_b)
        remaining, calculated, fees, protocol, crossed, steps = amount, 0, 0, 0, 0, 0
        sqrt, tick, liquidity = self.sqrt_price_x64, self.tick, self.liquidity
        while remaining and sqrt != limit:
            goal = self._next_tick(ticks, starts, tick, a_to_b)
            sqrt_goal = sqrt_at(goal)
            target = max(limit, sqrt_goal) if a_to_b else min(limit, sqrt_goal)
            start, steps = sqrt, steps + 1
            sqrt, taken, given, fee = swap_step(sqrt, target, liquidity, remaining, self.fee_pips, a_to_b, exact_in)
            if exact_in:
                remaining, calculated = remaining - taken - fee, calculated + given
            else:
                remaining, calculated = remaining - given, calculated + taken + fee
            fees += fee
            protocol += fee * self.protocol_bps // PROTOCOL_SHARE
            if remaining < 0 or calculated > MOST_U64 or fees > MOST_U64:
                raise Unswappable("more than 64 bits hold")
            if sqrt == sqrt_goal:
                if goal in self.net:
                    crossed += 1
                    liquidity += -self.net[goal] if a_to_b else self.net[goal]
                    if not 0 <= liquidity <= MOST_U128:
                        raise Unswappable("the pool's liquidity is impossible")
                tick = goal - 1 if a_to_b else goal
            elif sqrt != start:
                tick = tick_at(sqrt)
        if remaining and not exact_in and not limit_x64:
            raise Unswappable("the pool holds less than is asked for")
        done = amount - remaining
        amounts = (done, calculated) if a_to_b == exact_in else (calculated, done)
        return WhirlpoolSwap(*amounts, sqrt, tick, liquidity, fees, protocol, crossed, steps)

    def starts(self, a_to_b: bool) -> tuple[int, ...]:
        """First ticks of the arrays that a swap passes, in its order. Source: get_start_tick_indexes."""
        return starts(self.tick, self.spacing, a_to_b)

    def _next_tick(self, ticks: list[int], starts: tuple[int, ...], tick: int, a_to_b: bool) -> int:
        """SwapTickSequence.get_next_initialized_tick_index: the next tick, or the end of the last array."""
        width = TICKS * self.spacing
        if a_to_b:
            if tick < starts[-1]:
                raise Unswappable("the swap goes beyond three arrays of ticks")
            at = bisect_right(ticks, tick) - 1
            return ticks[at] if at >= 0 and ticks[at] >= starts[-1] else max(starts[-1], -MOST_TICK)
        if tick >= starts[-1] + width - self.spacing:
            raise Unswappable("the swap goes beyond three arrays of ticks")
        at, end = bisect_left(ticks, tick + 1), starts[-1] + width
        return ticks[at] if at < len(ticks) and ticks[at] < end else MOST_TICK if end > MOST_TICK else end - 1


def starts(tick: int, spacing: int, a_to_b: bool) -> tuple[int, ...]:
    """First ticks of the arrays that a swap from ``tick`` passes, in its order."""
    width = TICKS * spacing
    base = tick // width * width
    if a_to_b:
        found = [base - i * width for i in range(ARRAYS)]
    else:
        shifted = tick + spacing >= base + width
        found = [base + (i + shifted) * width for i in range(ARRAYS)]
    return tuple(start for start in found if -MOST_TICK - width < start <= MOST_TICK)


def swap_step(
    sqrt: int, target: int, liquidity: int, remaining: int, fee_pips: int, a_to_b: bool, exact_in: bool
) -> tuple[int, int, int, int]:
    """compute_swap: (price after, in, out, fee), towards ``target`` and not beyond it. Base units."""
    fixed_is_a = a_to_b == exact_in
    fixed = delta_a if fixed_is_a else delta_b
    other = delta_b if fixed_is_a else delta_a
    most = fixed(sqrt, target, liquidity, exact_in)
    usable = remaining * (PIPS - fee_pips) // PIPS if exact_in else remaining
    if most is not None and most <= usable:
        after = target
    elif fixed_is_a:
        after = _after_a(sqrt, liquidity, usable, exact_in)
    else:
        after = _after_b(sqrt, liquidity, usable, exact_in)
    reached = after == target
    unfixed = _known(other(sqrt, after, liquidity, not exact_in))
    moved = most if reached and most is not None else _known(fixed(sqrt, after, liquidity, exact_in))
    taken, given = (moved, unfixed) if exact_in else (unfixed, moved)
    if not exact_in:
        given = min(given, remaining)
    if exact_in and not reached:
        if taken > remaining:
            raise Unswappable("the pool's rounding takes more than goes in")
        return after, taken, given, remaining - taken
    return after, taken, given, _up(taken * fee_pips, PIPS - fee_pips)


def delta_a(one: int, other: int, liquidity: int, up: bool) -> int | None:
    """Base units of token A between two prices: liquidity * (1 / low - 1 / high); None if they exceed 64 bits."""
    low, high = sorted((one, other))
    numerator = (liquidity * (high - low)) << 64
    if numerator > MOST_U256:
        raise Unswappable("more than 256 bits hold")
    found = _up(numerator, high * low) if up else numerator // (high * low)
    return found if found <= MOST_U64 else None


def delta_b(one: int, other: int, liquidity: int, up: bool) -> int | None:
    """Base units of token B between two prices: liquidity * (high - low); None if they exceed 64 bits."""
    product = liquidity * abs(one - other)
    if product > MOST_U128:
        return None
    found = _up(product, Q64) if up else product >> 64
    return found if found <= MOST_U64 else None


def _known(found: int | None) -> int:
    if found is None:
        raise Unswappable("more than 64 bits hold")
    return found


def _after_a(sqrt: int, liquidity: int, amount: int, exact_in: bool) -> int:
    if not amount:
        return sqrt
    product, numerator = sqrt * amount, liquidity * sqrt << 64
    denominator = (liquidity << 64) + (product if exact_in else -product)
    if numerator > MOST_U256 or denominator <= 0:
        raise Unswappable("the pool holds less than is asked for")
    found = _up(numerator, denominator)
    if not LEAST_SQRT_X64 <= found <= MOST_SQRT_X64:
        raise Unswappable("the price would be beyond all ticks")
    return found


def _after_b(sqrt: int, liquidity: int, amount: int, exact_in: bool) -> int:
    if not liquidity:
        raise Unswappable("the pool has no liquidity at its price")
    found = sqrt + (amount << 64) // liquidity if exact_in else sqrt - _up(amount << 64, liquidity)
    if not 0 <= found <= MOST_U128:
        raise Unswappable("the price would be beyond all ticks")
    return found


def _up(a: int, b: int) -> int:
    return -(-a // b)


@lru_cache(maxsize=1 << 14)
def sqrt_at(tick: int) -> int:
    """sqrt_price_from_tick_index: 1.0001 ** (tick / 2) in Q64.64."""
    if abs(tick) > MOST_TICK:
        raise Unswappable(f"there is no tick {tick}")
    powers, bits = (UPWARDS, 96) if tick >= 0 else (DOWNWARDS, 64)
    ratio = 1 << bits
    for i, power in enumerate(powers):
        if abs(tick) >> i & 1:
            ratio = ratio * power >> bits
    return ratio >> 32 if tick >= 0 else ratio


def tick_at(sqrt_x64: int) -> int:
    """tick_index_from_sqrt_price: the highest tick whose price is at most this one."""
    if not LEAST_SQRT_X64 <= sqrt_x64 <= MOST_SQRT_X64:
        raise Unswappable("the price is beyond all ticks")
    tick = max(-MOST_TICK, min(MOST_TICK, math.floor(2.0 * math.log(sqrt_x64 / Q64) / math.log(1.0001))))
    while sqrt_at(tick) > sqrt_x64:
        tick -= 1
    while tick < MOST_TICK and sqrt_at(tick + 1) <= sqrt_x64:
        tick += 1
    return tick


@dataclass(frozen=True, slots=True)
class WhirlpoolVenue:
    """One direction of a Whirlpool (model/exchange.py)."""

    pool: Whirlpool
    """The pool."""
    a_to_b: bool
    """Whether token A goes in."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        done = self.pool.swap(taken, self.a_to_b)
        into, out = self._ends(done)
        if into != taken:
            raise Unswappable("the pool takes no more")
        return out, 2 * done.steps

    def off(self, taken: int) -> int:
        return self.quote_exact_in(taken)[1]  # a step's roundings of what goes in are as many as of what comes out

    def quote_exact_out(self, given: int) -> int:
        into, out = self._ends(self.pool.swap(given, self.a_to_b, exact_in=False))
        if out != given:
            raise Unswappable("the pool holds less than is asked for")
        return into

    def amount_until_price(self, price: float) -> int:
        kept = 1.0 - self.pool.fee_pips / PIPS
        # A unit of A gives sqrt^2 of B, one of B gives 1 / sqrt^2 of A; the fee apart.
        root = math.sqrt(price / kept) if self.a_to_b else math.sqrt(kept / price)
        limit = max(LEAST_SQRT_X64, min(MOST_SQRT_X64, int(root * Q64)))
        if limit >= self.pool.sqrt_price_x64 if self.a_to_b else limit <= self.pool.sqrt_price_x64:
            return 0
        try:
            return self._ends(self.pool.swap(MOST_U64, self.a_to_b, limit))[0]
        except Unswappable:
            return self._to_the_end()

    def _to_the_end(self) -> int:
        """Input that takes the price to the end of the arrays that a swap passes, and not one unit beyond."""
        last, width = self.pool.starts(self.a_to_b)[-1], TICKS * self.pool.spacing
        edge = max(-MOST_TICK, last) if self.a_to_b else min(MOST_TICK, last + width - 1)
        try:
            taken, less = self._ends(self.pool.swap(MOST_U64, self.a_to_b, sqrt_at(edge)))[0], 1
        except Unswappable:
            return 0
        while taken > 0:  # a whole unit can move the price past the end
            try:
                self.quote_exact_in(taken)
            except Unswappable:
                taken, less = taken - less, 2 * less
            else:
                return taken
        return 0

    def _ends(self, done: WhirlpoolSwap) -> tuple[int, int]:
        return (done.a, done.b) if self.a_to_b else (done.b, done.a)
