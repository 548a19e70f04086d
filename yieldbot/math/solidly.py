"""Solidly's pools, as Aerodrome has them: volatile (x y) and stable (x^3 y + x y^3), exact to the base unit.

Source: Aerodrome's Pool (aerodrome-finance/contracts a5fae2e), getAmountOut with its _get_y, _f, _d and _k. Stable
pools count in 1e18ths of a token; Newton's method is copied exactly, with its overflows and its quirk: when it
approaches from below, _k scales by the decimals once too often.
"""

from __future__ import annotations

import math

from yieldbot.math.concentrated import MOST_UINT256, Unswappable
from yieldbot.math.venues import MOST_IN, V2Venue, smallest_input
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS

ONE = 10**18
ROUNDS = 255


@dataclass(frozen=True, slots=True)
class SolidlyPool:
    """A pool's state."""

    stable: bool
    """Whether it has the stable curve (x^3 y + x y^3); else the volatile one (x y)."""
    reserves: tuple[int, int]
    """Base units of both tokens."""
    ones: tuple[int, int]
    """Base units in a whole token of each."""
    fee_bps: int
    """Swap fee, in bp of the input."""

    def out(self, taken: int, zero: bool) -> int:
        """getAmountOut: base units out for ``taken`` of token0 (``zero``) or token1. Raises Unswappable where it
        reverts."""
        counted = taken - _fits(taken * self.fee_bps) // BPS
        here, there = (0, 1) if zero else (1, 0)
        if not self.stable:
            into, out = self.reserves[here], self.reserves[there]
            return _fits(counted * out) // _positive(into + counted)
        xy = self._k(*self.reserves)
        scaled = [_fits(r * ONE) // one for r, one in zip(self.reserves, self.ones, strict=True)]
        x, y = _fits(counted * ONE) // self.ones[here] + scaled[here], scaled[there]
        gone = y - self._y(x, xy, y)
        if gone < 0:
            raise Unswappable("the pool's arithmetic underflows")
        return gone * self.ones[there] // ONE

    def _k(self, zero: int, one: int) -> int:
        x, y = _fits(zero * ONE) // self.ones[0], _fits(one * ONE) // self.ones[1]
        return _f(x, y)

    def _y(self, x: int, xy: int, y: int) -> int:
        """_get_y: the other reserve at x, searched from y."""
        for _ in range(ROUNDS):
            k, slope = _f(x, y), _slope(x, y)
            if k < xy:
                step = _fits((xy - k) * ONE) // slope
                if not step:
                    if self._k(x, y + 1) > xy:
                        return y + 1
                    step = 1
                y += step
            else:
                step = _fits((k - xy) * ONE) // slope
                if not step:
                    if k == xy or _f(x, _positive(y) - 1) < xy:
                        return y
                    step = 1
                y -= step
                if y < 0:
                    raise Unswappable("the pool's arithmetic underflows")
        raise Unswappable("the pool's arithmetic does not settle")


@dataclass(frozen=True, slots=True)
class SolidlyVenue:
    """A pool as a venue for swaps in one direction."""

    pool: SolidlyPool
    """The pool."""
    zero: bool
    """Whether token0 goes in."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        given = self.pool.out(taken, self.zero)
        if given >= self.pool.reserves[1 if self.zero else 0]:
            raise Unswappable("the pool holds less")
        return given, self._lost(taken)

    def off(self, taken: int) -> int:
        return 3

    def quote_exact_out(self, given: int) -> int:
        if given <= 0 or given >= self.pool.reserves[1 if self.zero else 0]:
            raise Unswappable("nothing is asked for, or more than the pool has")
        return smallest_input(lambda taken: self._gives(taken, given))

    def amount_until_price(self, price: float) -> int:
        here, there = (0, 1) if self.zero else (1, 0)
        kept = 1.0 - self.pool.fee_bps / BPS
        if not self.pool.stable:
            fee = BPS - self.pool.fee_bps, BPS
            return V2Venue(self.pool.reserves[here], self.pool.reserves[there], fee).amount_until_price(price)
        # In whole tokens, r = y / x: dy / dx = (3 r + r^3) / (1 + 3 r^2) = tanh(3 artanh r) or, where r is above 1, one
        # by that of 1 / r; and x^4 (r + r^3) = k.
        one_in, one_out = self.pool.ones[here], self.pool.ones[there]
        x, y = self.pool.reserves[here] / one_in, self.pool.reserves[there] / one_out
        if not x or not y:
            return 0
        wanted = price * one_in / one_out / kept
        ratio = _third(wanted) if wanted < 1.0 else 1.0 / _third(1.0 / wanted)
        # x (y/x + (y/x)^3) ^ 1/4, no power of a reserve beyond a float's range
        at = x * math.sqrt(math.sqrt((y / x) * (1.0 + (y / x) ** 2) / ratio / (1.0 + ratio * ratio)))
        return self._most(int(min(float(MOST_IN), max(0.0, (at - x) / kept * one_in))))

    def _most(self, taken: int) -> int:
        """The input, halved until the pool's arithmetic does not overflow."""
        while taken and not self._gives(taken, 0):
            taken //= 2
        return taken

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return self.quote_exact_in(taken)[0] >= given
        except Unswappable:
            return False

    def _lost(self, taken: int) -> int:
        """Output units that rounding may take off: one each for the fee, the input and the output; in a stable pool
        also the shift of the curve by the rounding of k."""
        if not self.pool.stable:
            return 3
        here, there = (0, 1) if self.zero else (1, 0)
        one_in, one_out = self.pool.ones[here], self.pool.ones[there]
        x = (self.pool.reserves[here] + taken) * ONE // one_in
        y = self.pool.reserves[there] * ONE // one_out
        off = (x * y + x * x + y * y) // ONE // ONE + 1  # of k: each product's own rounding, times the other one
        moved = 4 * off * ONE // max(1, x * x // ONE * x // ONE) + 4
        return 3 - (-moved * one_out // ONE)


def _f(x: int, y: int) -> int:
    a, b = _fits(x * y) // ONE, _fits(x * x) // ONE + _fits(y * y) // ONE
    return _fits(a * b) // ONE


def _third(price: float) -> float:
    """The ratio of the reserves at which a stable curve's price is ``price`` (below 1)."""
    return math.tanh(math.atanh(price) / 3.0) if price < 1.0 else 1.0


def _slope(x: int, y: int) -> int:
    return _positive(_fits(3 * x * (_fits(y * y) // ONE)) // ONE + _fits(_fits(x * x) // ONE * x) // ONE)


def _fits(value: int) -> int:
    if value > MOST_UINT256:
        raise Unswappable("the pool's arithmetic overflows")
    return value


def _positive(value: int) -> int:
    if value <= 0:
        raise Unswappable("the pool's arithmetic underflows, or divides by nothing")
    return value
