"""One-way venues (model/exchange.py) of pools: exact outputs, and inputs by marginal price."""

from __future__ import annotations

import math
from collections.abc import Callable

from yieldbot.math import constant_product
from yieldbot.math.concentrated import (
    LEAST_SQRT_X96,
    MOST_SQRT_X96,
    MOST_TICK,
    PIPS,
    Q96,
    WORD,
    Unswappable,
    V3Pool,
    sqrt_at,
)
from yieldbot.math.roots import crossing
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Venue

MOST_IN = 1 << 127
"""Largest input that is considered."""
NEARLY = -1e-16
LEAST, FLAT = 1e-300, 2.0**-51
"""Price ratios below LEAST count as LEAST; two prices whose logarithms differ by less than FLAT count as equal."""
CLOSE = 2.0**-42
"""Relative distance at which the search for an amount ends; ``off`` counts more."""
NEAR_BITS = 40
"""Two inputs of a path count as equal if they differ by one part in 2^40, or by what brings one unit at the token in
between."""


def smallest_input(gives: Callable[[int], bool]) -> int:
    """The least input for which ``gives`` holds, by doubling and bisection. Raises Unswappable if there is none."""
    low, high = 0, 1
    while not gives(high):
        low, high = high, 2 * high
        if high > MOST_IN:
            raise Unswappable("the pool does not give so much")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if gives(middle) else (middle, high)
    return high


def amount_until(
    price_after: Callable[[int], float], wanted: float, first: int, most: int, pays: Callable[[int], bool]
) -> int:
    """The largest input (at most ``most``) after which one more unit still brings ``wanted`` output units; 0 if none
    does.

    price_after: the falling price after an input; 0 beyond what the pool takes. first: an input to begin with. pays:
    whether the pool takes an input.
    """
    if price_after(0) < wanted:
        return 0
    low, high = 1, first
    while high < most and price_after(high) >= wanted:
        low, high = high, 8 * high
    if high >= most:
        if price_after(most) >= wanted:
            return most
        high = most

    def level(taken: float) -> float:
        found = math.log(max(LEAST, price_after(int(taken)) / wanted))
        return found if abs(found) > FLAT else 0.0

    found = int(crossing(level, float(low), float(high), lambda low, high: high - low <= CLOSE * low, 0.0)[0])
    return found if found and pays(found) else 0


@dataclass(frozen=True, slots=True)
class V2Venue:
    """One direction of a constant-product pool."""

    reserve_in: int
    """Base units of the input token."""
    reserve_out: int
    """Base units of the output token."""
    fee: tuple[int, int] = constant_product.UNISWAP_FEE
    """(numerator, denominator) of the fraction of the input that is swapped."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        return constant_product.amount_out(taken, self.reserve_in, self.reserve_out, self.fee), 1

    def off(self, taken: int) -> int:
        return 1

    def quote_exact_out(self, given: int) -> int:
        return constant_product.amount_in(given, self.reserve_in, self.reserve_out, self.fee)

    def amount_until_price(self, price: float) -> int:
        # One more unit brings k * in * out / (in + k x)^2, k being the part of the input that counts.
        k = self.fee[0] / self.fee[1]
        return max(
            0, min(MOST_IN, int((math.sqrt(k * self.reserve_in * self.reserve_out / price) - self.reserve_in) / k))
        )


@dataclass(frozen=True, slots=True)
class V3Venue:
    """One direction of a concentrated pool."""

    pool: V3Pool
    """The pool."""
    zero_for_one: bool
    """Whether token0 goes in."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        done = self.pool.swap(taken, self.zero_for_one)
        into, out = (done.amount0, done.amount1) if self.zero_for_one else (done.amount1, done.amount0)
        if into != taken:
            raise Unswappable("the pool takes no more")
        return -out, 2 * done.steps

    def off(self, taken: int) -> int:
        return self.quote_exact_in(taken)[1]  # a step's roundings of what goes in are as many as of what comes out

    def quote_exact_out(self, given: int) -> int:
        done = self.pool.swap(-given, self.zero_for_one)
        into, out = (done.amount0, done.amount1) if self.zero_for_one else (done.amount1, done.amount0)
        if -out != given:
            raise Unswappable("the pool holds less than is asked for")
        return into

    def amount_until_price(self, price: float) -> int:
        kept = 1.0 - self.pool.fee_pips / PIPS
        # A unit of token0 gives sqrt^2 of token1, one of token1 gives 1 / sqrt^2 of token0; the fee apart.
        root = math.sqrt(price / kept) if self.zero_for_one else math.sqrt(kept / price)
        limit = max(LEAST_SQRT_X96 + 1, min(MOST_SQRT_X96 - 1, int(root * Q96)))
        behind = limit >= self.pool.sqrt_price_x96 if self.zero_for_one else limit <= self.pool.sqrt_price_x96
        if behind:
            return 0
        try:
            done = self.pool.swap(MOST_IN, self.zero_for_one, limit, exact=False)
        except Unswappable:
            return self._read_to()
        return done.amount0 if self.zero_for_one else done.amount1

    def _read_to(self) -> int:
        """Input that takes the price to the end of the ticks that were read, and not one unit beyond."""
        word = self.pool.first_word if self.zero_for_one else self.pool.last_word + 1
        edge = sqrt_at(max(-MOST_TICK, min(MOST_TICK, word * WORD * self.pool.spacing)))
        limit = edge + 1 if self.zero_for_one else edge - 1
        try:
            done = self.pool.swap(MOST_IN, self.zero_for_one, limit, exact=False)
        except Unswappable:
            return 0
        taken, less = done.amount0 if self.zero_for_one else done.amount1, 1
        while taken > 0:  # a whole unit can move the price past the end, and the quick walk is a few units off
            try:
                self.pool.swap(taken, self.zero_for_one)
            except Unswappable:
                taken, less = taken - less, 2 * less
            else:
                return taken
        return 0


@dataclass(frozen=True, slots=True)
class VenuePath:
    """Two venues in sequence."""

    first: Venue
    """The venue that takes the input."""
    second: Venue
    """The venue that takes the first one's output."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        between, lost = self.first.quote_exact_in(taken)
        given, more = self.second.quote_exact_in(between)
        # A unit lost in between is worth at most what the second pays for one on average.
        off = lost + self.second.off(between) if between else 0
        return given, more + (math.ceil(off * given / between) if between else 0)

    def off(self, taken: int) -> int:
        return self.first.off(taken)

    def quote_exact_out(self, given: int) -> int:
        return self.first.quote_exact_out(self.second.quote_exact_out(given))

    def amount_until_price(self, price: float) -> int:
        """Input at which the product of both marginal prices falls to ``price``: the first venue's price is
        searched."""
        taken, given, over = dict[float, int](), dict[float, int](), dict[float, float]()

        def level(first_price: float) -> float:
            """log(first venue's output / the most that the second venue takes down to its price); negative if all of
            the output can go in."""
            if first_price not in over:
                taken[first_price] = self.first.amount_until_price(first_price)
                into = given[first_price] = self.first.quote_exact_in(taken[first_price])[0]
                room = self.second.amount_until_price(price / first_price)
                above = math.log1p(into) - math.log1p(room)
                over[first_price] = above if into > room else min(NEARLY, above)
            return over[first_price]

        def near(low: float, high: float) -> bool:
            return taken[low] - taken[high] <= max(1, taken[low] >> NEAR_BITS) or given[low] - given[high] <= 1

        low, high = self._start(level)
        if not high:
            return 0
        low, high = crossing(level, low, high, near, NEARLY)
        if near(low, high):
            return taken[high]
        # The first venue pays one price over a whole stretch: of that, what the second one takes.
        room = min(given[low] - 1, self.second.amount_until_price(price / low))
        try:
            stretch = self.first.quote_exact_out(room + 1) - 1 if room > given[high] else 0
        except Unswappable:
            return taken[high]
        return max(taken[high], min(taken[low], stretch))

    def _start(self, level: Callable[[float], float]) -> tuple[float, float]:
        """(first price at which the output does not fit the second venue, one at which it does); (0, 0) if nothing goes
        in."""
        high = step = 16.0
        while self.first.amount_until_price(high) > 0:
            if high > 1e60:
                return 0.0, 0.0
            high, step = high * step, step * 16.0
        low, step = high / 16.0, 16.0
        while level(low) < 0.0:
            if low < 1e-60:
                return 0.0, 0.0
            low, high, step = low / step, low, step * 16.0
        return low, high
