"""Entering a range of a Uniswap v3 pool with any amounts of both tokens: the swap that it needs, the range around the
price after that swap, and the pool with one more position in it. By the pool's own arithmetic."""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.concentrated import WORD, Unswappable, V3Pool
from yieldbot.math.liquidity_range import Range
from yieldbot.math.range_yield import full_range, moved_to

Pair = tuple[int, int]
CENTRING = 4
"""Iterations that centre a range on the price after the swap that it needs; two are usually enough."""


def around_price(pool: V3Pool, ticks: Range, have: Pair) -> Range:
    """A range of the same width as ``ticks``, centred on the price after the swap that ``have`` needs for it; the full
    range stays as it is."""
    if ticks == full_range(pool.spacing):
        return ticks
    found, tick = ticks, pool.tick
    for _ in range(CENTRING):
        found = moved_to(ticks, tick, pool.spacing)
        swap = balancing(pool, found, have)
        after = pool.swap(swap[1], swap[0]).tick if swap else pool.tick
        if after == tick:
            break
        tick = after
    return found


def balancing(pool: V3Pool, ticks: Range, have: Pair) -> tuple[bool, int, int] | None:
    """(whether token0 goes in, base units in, base units out) of the swap after which both tokens have the range's
    proportion; None if no swap is needed. Found by bisection over the pool's own arithmetic."""

    def excess(zero: int, one: int, sqrt_price_x96: int) -> int:
        """Above 0 if there is too much token0 for the token1."""
        need0, need1 = ticks.amounts(1 << 96, sqrt_price_x96)
        return zero * need1 - one * need0

    first = excess(*have, pool.sqrt_price_x96)
    zero_for_one = first > 0
    low, high = 0, have[0] if zero_for_one else have[1]
    if not first or not high:
        return None

    def after(given: int) -> tuple[int, int] | None:
        """(the excess after this swap, its output); None beyond what the pool can take."""
        try:
            done = pool.swap(given, zero_for_one)
        except Unswappable:
            return None
        return excess(have[0] - done.amount0, have[1] - done.amount1, done.sqrt_price_x96), -(
            done.amount1 if zero_for_one else done.amount0
        )

    best: tuple[bool, int, int] | None = None
    while low < high:
        middle = (low + high + 1) // 2
        found = after(middle)
        if found is not None and (found[0] > 0) == zero_for_one and found[0]:
            low, best = middle, (zero_for_one, middle, found[1])
        else:
            high = middle - 1
    return best if best and best[2] > 0 else None


def with_position(pool: V3Pool, ticks: Range, liquidity: int) -> V3Pool:
    """The pool with this liquidity in addition."""
    net, words = dict(pool.net), dict(pool.words)
    for tick, more in ((ticks.low, liquidity), (ticks.high, -liquidity)):
        word, bit = divmod(tick // pool.spacing, WORD)
        if pool.first_word <= word <= pool.last_word:
            net[tick] = net.get(tick, 0) + more
            words[word] = words.get(word, 0) | 1 << bit
    inside = liquidity if ticks.low <= pool.tick < ticks.high else 0
    return replace(pool, net=net, words=words, liquidity=pool.liquidity + inside)
