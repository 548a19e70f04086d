"""Curve's StableSwap pools: the output of an exchange, exact to the base unit.

Source: Curve's StableSwap paper (Egorov, 2019) and the published pools: 3pool (2020), the pool template and the
factory's plain pools (2020 to 2022), StableSwap-NG (2023). They solve the same equation,

    Ann sum(x) + D = Ann D + D ** (n + 1) / (n ** n prod(x))

by Newton's method in integers, and differ in where they round: 3pool stores A as it is, the others in hundredths; the
two-coin plain pools and NG divide by n ** n once, the others by n at each coin; NG's fee grows when balances are
uneven. x are balances at 18 decimals: raw * rate / 1e18. Fees are in 1e-10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from yieldbot.math.concentrated import MOST_UINT256, Unswappable
from yieldbot.math.roots import crossing
from yieldbot.math.venues import FLAT, LEAST, MOST_IN, smallest_input
from yieldbot.model.dataclass import dataclass

PRECISION = 10**18
FEE_ONE = 10**10
ROUNDS = 255
MOST_COINS = 8
OVERFLOWS = "the pool's arithmetic overflows"

Flavour = Literal["3pool", "template", "plain2", "ng"]


@dataclass(frozen=True)
class StablePool:
    """A pool's state. The class has no slots, because ``cached_property`` needs a ``__dict__`` for the balances at 18
    decimals."""

    flavour: Flavour
    """Version of the pool's code, which determines its rounding."""
    balances: tuple[int, ...]
    """Base units of each coin."""
    rates: tuple[int, ...]
    """Value of one base unit of each coin at 18 decimals, times 1e18."""
    amp: int
    """A as the pool stores it (times 100, except ``3pool``)."""
    fee: int
    """Swap fee, in 1e-10 of the output."""
    offpeg: int = 0
    """Multiplier of the fee away from balance (NG's offpeg fee multiplier), in 1e-10; 0: none."""

    @cached_property
    def xp(self) -> tuple[int, ...]:
        """Balances at 18 decimals."""
        return tuple(rate * raw // PRECISION for rate, raw in zip(self.rates, self.balances, strict=True))

    @property
    def unit(self) -> int:
        """Stored value of an amplification of 1."""
        return 1 if self.flavour == "3pool" else 100


def invariant(pool: StablePool, held: tuple[int, ...] | None = None) -> int:
    """get_D: the invariant at balances ``held`` (18 decimals), by default the pool's own. Raises Unswappable where it
    does not converge, or a coin is missing."""
    xp, n, one = pool.xp if held is None else held, len(pool.balances), pool.unit
    total, ann = sum(xp), pool.amp * len(xp)
    if not all(xp):
        raise Unswappable("the pool lacks one of its coins")
    at_once = pool.flavour in ("plain2", "ng")
    found = total
    for _ in range(ROUNDS):
        product = found
        for x in xp:
            product = _fits(product * found) // (x if at_once else x * n)
        if at_once:
            product //= n**n
        before = found
        top = _fits((ann * total // one + product * n) * found)
        found = top // ((ann - one) * found // one + (n + 1) * product)
        if abs(found - before) <= 1:
            return found
    raise Unswappable("the pool's invariant does not converge")


def balance_of(pool: StablePool, i: int, j: int, x: int, d: int) -> int:
    """get_y: balance of coin j (18 decimals) when coin i's is ``x``, at invariant d. Raises Unswappable."""
    return balance_beside(pool, (*pool.xp[:i], x, *pool.xp[i + 1 :]), j, d)


def balance_beside(pool: StablePool, held: Sequence[int], j: int, d: int) -> int:
    """get_y_D: balance of coin j beside the others of ``held`` (all 18 decimals), at invariant d. Raises
    Unswappable."""
    n, one = len(held), pool.unit
    ann = pool.amp * n
    total, c = 0, d
    for k, each in enumerate(held):
        if k == j:
            continue
        if each <= 0:
            raise Unswappable("the pool lacks one of its coins")
        total += each
        c = _fits(c * d) // (each * n)
    c = _fits(c * d * one) // (ann * n)
    more = total + d * one // ann - d
    y = d
    for _ in range(ROUNDS):
        before, top = y, y * y + c
        if top > MOST_UINT256:
            raise Unswappable(OVERFLOWS)
        y = top // (2 * y + more)
        if -1 <= y - before <= 1:
            return y
    raise Unswappable("the pool's balance does not converge")


def fee_of(pool: StablePool, x: int, y: int, fee: int | None = None) -> int:
    """The fee at balances x and y (NG's _dynamic_fee), in 1e-10. fee: the one in balance, by default the pool's."""
    plain = pool.fee if fee is None else fee
    if pool.offpeg <= FEE_ONE:
        return plain
    return pool.offpeg * plain // ((pool.offpeg - FEE_ONE) * 4 * x * y // (x + y) ** 2 + FEE_ONE)


def exchange_output(pool: StablePool, i: int, j: int, dx: int, d: int | None = None) -> tuple[int, int]:
    """(output of ``exchange`` for ``dx`` base units, the output at the plain fee). Raises Unswappable where it reverts.

    d: the invariant, if known already.
    """
    xp = pool.xp
    x = xp[i] + dx * pool.rates[i] // PRECISION
    y = balance_of(pool, i, j, x, invariant(pool) if d is None else d)
    dy = xp[j] - y - 1
    if dx <= 0 or dy < 0:
        raise Unswappable("nothing comes out of the pool")
    fees = (fee_of(pool, (xp[i] + x) // 2, (xp[j] + y) // 2), pool.fee)
    given, most = ((dy - dy * fee // FEE_ONE) * PRECISION // pool.rates[j] for fee in fees)
    return given, most


def get_dy(pool: StablePool, i: int, j: int, dx: int) -> int:
    """The pool's own ``get_dy``: like ``exchange_output``, except that 3pool takes the fee off rounded base units."""
    if pool.flavour != "3pool":
        return exchange_output(pool, i, j, dx)[0]
    xp = pool.xp
    y = balance_of(pool, i, j, xp[i] + dx * pool.rates[i] // PRECISION, invariant(pool))
    dy = (xp[j] - y - 1) * PRECISION // pool.rates[j]
    return dy - pool.fee * dy // FEE_ONE


@dataclass(frozen=True, slots=True)
class StableVenue:
    """Exchange of coin i for coin j.

    NG's fee falls while a swap brings the pool nearer to balance, so the output is not quite concave. At the plain fee
    it is concave, and never lower. The difference is treated as rounding, so that bounds made from the output stay
    valid.
    """

    pool: StablePool
    """The pool."""
    i: int
    """Index of the coin that goes in."""
    j: int
    """Index of the coin that comes out."""
    d: int
    """The pool's invariant."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        lost = 2 + 3 * PRECISION // self.pool.rates[self.j]
        try:
            given, most = exchange_output(self.pool, self.i, self.j, taken, self.d)
        except Unswappable:
            if taken * self.pool.rates[self.i] // PRECISION > PRECISION // 10**6:
                raise
            return 0, lost  # dust: the pool itself refuses what brings nothing
        return given, most - given + lost

    def off(self, taken: int) -> int:
        return 2

    def quote_exact_out(self, given: int) -> int:
        if given <= 0 or given >= self.pool.balances[self.j]:
            raise Unswappable("nothing is asked for, or more than the pool has")
        return smallest_input(lambda taken: self._gives(taken, given))

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return exchange_output(self.pool, self.i, self.j, taken, self.d)[0] >= given
        except Unswappable:
            return False

    def amount_until_price(self, price: float) -> int:
        pool, rates = self.pool, self.pool.rates
        kept = (1.0 - pool.fee / FEE_ONE) * rates[self.i] / rates[self.j]
        ann, most = pool.amp * len(pool.xp) / pool.unit, MOST_IN / PRECISION * rates[self.i]
        added = added_until(pool.xp, self.i, self.j, ann, float(self.d), price / kept, most)
        if added >= most:
            return MOST_IN
        taken = int(added * PRECISION / rates[self.i])
        return taken if taken and self._gives(taken, 0) else 0


def added_until(xp: Sequence[int], i: int, j: int, ann: float, d: float, wanted: float, most: float) -> float:
    """What goes into coin i (18 decimals, at most ``most``) until the curve pays less than ``wanted`` of coin j for one
    more. xp: balances. ann: A times the number of coins. d: the invariant."""
    # dy / dx = (Ann + K / x) / (Ann + K / y), K = D ** (n + 1) / (n ** n prod(x)): it falls as x grows.
    n, start = len(xp), float(xp[i])
    others = [float(x) for k, x in enumerate(xp) if k not in (i, j)]
    offset = sum(others) + d / ann - d
    around = d * math.prod(d / (x * n) for x in others)

    def marginal(x: float) -> float:
        # y ** 2 + b y = c, the positive root
        b = x + offset
        c = around * d / (x * n) * d / (ann * n)
        root = math.sqrt(b * b + 4.0 * c)
        y = 2.0 * c / (b + root) if b > 0.0 else (root - b) / 2.0
        if y <= 0.0:
            return 0.0
        k = around * (d / (x * n)) * (d / (y * n))
        return (ann + k / x) / (ann + k / y)

    if marginal(start) < wanted:
        return 0.0
    end = start + most
    if marginal(end) >= wanted:
        return most
    high = 2.0 * start
    while high < end and marginal(high) >= wanted:
        high *= 4.0

    def level(x: float) -> float:
        found = math.log(max(LEAST, marginal(x) / wanted))
        return found if abs(found) > FLAT else 0.0

    return crossing(level, start, min(high, end), nothing=0.0)[0] - start


def _fits(value: int) -> int:
    if value > MOST_UINT256:
        raise Unswappable(OVERFLOWS)
    return value
