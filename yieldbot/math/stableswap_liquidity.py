"""Shares of Curve's StableSwap pools: what one coin that is put in mints, and what shares that are burnt bring in one
coin, exact to the base unit. Metapools swap the coins of their base pool in this way.

Source: add_liquidity, calc_token_amount and remove_liquidity_one_coin of 3pool (2020), the pool template, the factory's
plain pools and StableSwap-NG. The imbalance that one coin brings costs a part of the fee on every coin; NG's grows away
from balance. Shares have 18 decimals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from yieldbot.math.concentrated import TooLittle, Unswappable
from yieldbot.math.stableswap import FEE_ONE, PRECISION, StablePool, balance_beside, fee_of, invariant
from yieldbot.math.venues import MOST_IN, amount_until, smallest_input
from yieldbot.model.dataclass import dataclass


@dataclass(frozen=True)
class SharedPool:
    """A pool with its shares. The class has no slots, because ``cached_property`` needs a ``__dict__``."""

    pool: StablePool
    """The pool."""
    supply: int
    """Shares that exist, in base units."""

    @cached_property
    def d(self) -> int:
        """The invariant. Raises Unswappable as ``invariant``."""
        return invariant(self.pool)

    @property
    def price(self) -> int:
        """get_virtual_price: the invariant for one share, in 1e-18."""
        return self.d * PRECISION // self.supply

    @property
    def fee(self) -> int:
        """The fee on a coin's distance from balance, in 1e-10."""
        n = len(self.pool.balances)
        return self.pool.fee * n // (4 * (n - 1))

    def unit(self, i: int) -> int:
        """Shares that one base unit of coin i is worth, rounded up; at least 1."""
        return 1 + self.pool.rates[i] * self.supply // (PRECISION * self.d)


def minted(base: SharedPool, i: int, added: int) -> tuple[int, int]:
    """(shares for ``added`` base units of coin i, the shares at the plain fee). Raises Unswappable where it reverts."""
    old, rates, d0, n = base.pool.balances, base.pool.rates, base.d, len(base.pool.balances)
    new = (*old[:i], old[i] + added, *old[i + 1 :])
    d1 = invariant(base.pool, _held(base.pool, new))
    if d1 <= d0:
        raise TooLittle("nothing comes out of the pool")
    apart = [abs(d1 * before // d0 - after) for before, after in zip(old, new, strict=True)]
    ys = (d0 + d1) // n
    doubled = (rate * (before + after) // PRECISION for rate, before, after in zip(rates, old, new, strict=True))
    fees = [fee_of(base.pool, xs, ys, base.fee) for xs in doubled]
    given = _shares(base, new, apart, fees)
    most = given if base.pool.offpeg <= FEE_ONE else _shares(base, new, apart, [base.fee] * n)
    return given, most


def minted_without_fee(base: SharedPool, i: int, added: int) -> int:
    """calc_token_amount of the pools before NG, which forgets the fee."""
    old = base.pool.balances
    d1 = invariant(base.pool, _held(base.pool, (*old[:i], old[i] + added, *old[i + 1 :])))
    return (d1 - base.d) * base.supply // base.d


def paid_out(base: SharedPool, i: int, burnt: int) -> tuple[int, int]:
    """(base units of coin i for ``burnt`` shares, what the plain fee would leave). Raises Unswappable where it
    reverts."""
    pool, xp, d0, n = base.pool, base.pool.xp, base.d, len(base.pool.balances)
    if not 0 < burnt < base.supply:
        raise Unswappable("so many shares do not exist")
    d1 = d0 - burnt * d0 // base.supply
    left = balance_beside(pool, xp, i, d1)
    apart = [x * d1 // d0 - left if k == i else x - x * d1 // d0 for k, x in enumerate(xp)]
    if min(apart) < 0:
        raise TooLittle("nothing comes out of the pool")
    ys = (d0 + d1) // (2 * n)
    fees = [fee_of(pool, (x + left) // 2 if k == i else x, ys, base.fee) for k, x in enumerate(xp)]
    given = _coin(base, i, d1, apart, fees)
    most = given if pool.offpeg <= FEE_ONE else _coin(base, i, d1, apart, [base.fee] * n)
    return given, most


def _shares(base: SharedPool, new: Sequence[int], apart: Sequence[int], fees: Sequence[int]) -> int:
    kept = tuple(raw - fee * off // FEE_ONE for raw, fee, off in zip(new, fees, apart, strict=True))
    if min(kept) < 0 or (more := invariant(base.pool, _held(base.pool, kept)) - base.d) < 0:
        raise TooLittle("nothing comes out of the pool")
    return more * base.supply // base.d


def _coin(base: SharedPool, i: int, d1: int, apart: Sequence[int], fees: Sequence[int]) -> int:
    kept = tuple(x - fee * off // FEE_ONE for x, fee, off in zip(base.pool.xp, fees, apart, strict=True))
    out = kept[i] - balance_beside(base.pool, kept, i, d1) - 1
    if out < 0:
        raise TooLittle("nothing comes out of the pool")
    return out * PRECISION // base.pool.rates[i]


def _held(pool: StablePool, balances: Sequence[int]) -> tuple[int, ...]:
    """Balances at 18 decimals."""
    return tuple(rate * raw // PRECISION for rate, raw in zip(pool.rates, balances, strict=True))


def _slopes(pool: StablePool, held: Sequence[float], d: float) -> list[float]:
    """By how much the invariant grows with each balance."""
    n = len(held)
    ann, around = pool.amp * n / pool.unit, d * math.prod(d / (x * n) for x in held)
    bottom = ann - 1.0 + (n + 1) * around / d
    return [(ann + around / x) / bottom for x in held]


@dataclass(frozen=True, slots=True)
class DepositVenue:
    """Coin i in, shares out.

    At the plain fee the output is concave, and never lower than with a fee that grows away from balance. The difference
    is treated as rounding, so that bounds made from the output stay valid.
    """

    base: SharedPool
    """The pool."""
    i: int
    """Index of the coin that goes in."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        lost = 4 + 2 * sum(self.base.unit(k) for k in range(len(self.base.pool.balances)))
        try:
            given, most = minted(self.base, self.i, taken)
        except TooLittle:
            return 0, lost
        return given, max(0, most - given) + lost

    def off(self, taken: int) -> int:
        return 2 + taken // 10**12

    def quote_exact_out(self, given: int) -> int:
        if given <= 0:
            raise Unswappable("nothing is asked for")
        return smallest_input(lambda taken: self._gives(taken, given))

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return minted(self.base, self.i, taken)[0] >= given
        except TooLittle:
            return False

    def amount_until_price(self, price: float) -> int:
        return amount_until(self._price, price, self.base.pool.balances[self.i] // 1000 + 2, MOST_IN, self._pays)

    def _pays(self, taken: int) -> bool:
        try:
            return minted(self.base, self.i, taken)[0] >= 0
        except Unswappable:
            return False

    def _price(self, taken: int) -> float:
        """Shares for one more base unit after ``taken`` went in, at the plain fee; 0 beyond what the pool takes."""
        base, i = self.base, self.i
        old, d0 = base.pool.balances, base.d
        new = _held(base.pool, (*old[:i], old[i] + taken, *old[i + 1 :]))
        try:
            d1 = invariant(base.pool, new)
            slope, fee = _slopes(base.pool, new, d1)[i], base.fee / FEE_ONE
            pairs = zip(new, base.pool.xp, strict=True)
            kept = [x - fee * abs(d1 * before // d0 - x) for x, before in pairs]
            d2 = invariant(base.pool, tuple(map(int, kept)))
        except Unswappable:
            return 0.0
        grows = [
            1.0 - fee * (1.0 - slope * before / d0) if k == i else -fee * slope * before / d0
            for k, before in enumerate(base.pool.xp)
        ]
        whole = sum(a * b for a, b in zip(_slopes(base.pool, kept, d2), grows, strict=True))
        return base.supply / d0 * whole * base.pool.rates[i] / PRECISION


@dataclass(frozen=True, slots=True)
class WithdrawalVenue:
    """Shares in, coin i out; see ``DepositVenue``."""

    base: SharedPool
    """The pool."""
    i: int
    """Index of the coin that comes out."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        lost = 2 + (6 + 2 * len(self.base.pool.balances)) * PRECISION // self.base.pool.rates[self.i]
        try:
            given, most = paid_out(self.base, self.i, taken)
        except TooLittle:
            return 0, lost
        return given, max(0, most - given) + lost

    def off(self, taken: int) -> int:
        return 2 + taken // 10**12

    def quote_exact_out(self, given: int) -> int:
        if given <= 0 or given >= self.base.pool.balances[self.i]:
            raise Unswappable("nothing is asked for, or more than the pool has")
        found = smallest_input(lambda taken: taken >= self.base.supply or self._gives(taken, given))
        if found >= self.base.supply:
            raise Unswappable("the pool does not give so much")
        return found

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return paid_out(self.base, self.i, taken)[0] >= given
        except TooLittle:
            return False

    def amount_until_price(self, price: float) -> int:
        return amount_until(self._price, price, self.base.supply // 1000 + 2, self.base.supply - 1, self._pays)

    def _pays(self, taken: int) -> bool:
        try:
            return paid_out(self.base, self.i, taken)[0] >= 0
        except Unswappable:
            return False

    def _price(self, taken: int) -> float:
        """Base units for one more share after ``taken`` were burnt, at the plain fee; 0 beyond what the pool pays."""
        base, i, xp = self.base, self.i, self.base.pool.xp
        d0, fee = base.d, base.fee / FEE_ONE
        d1 = d0 - taken * d0 // base.supply
        if taken >= base.supply or d1 <= 0:
            return 0.0
        try:
            left = balance_beside(base.pool, xp, i, d1)
            apart = [x * d1 // d0 - left if k == i else x - x * d1 // d0 for k, x in enumerate(xp)]
            kept = [x - fee * off for x, off in zip(xp, apart, strict=True)]
            rest = balance_beside(base.pool, tuple(map(int, kept)), i, d1)
        except (Unswappable, ZeroDivisionError):
            return 0.0
        if not left or not rest:
            return 0.0
        # Each share takes d0 / supply off the invariant: what follows is for one unit less of it.
        now = _slopes(base.pool, [*xp[:i], left, *xp[i + 1 :]], d1)
        then = _slopes(base.pool, [*kept[:i], rest, *kept[i + 1 :]], d1)
        others = sum(-fee * x / d0 * slope for k, (x, slope) in enumerate(zip(xp, then, strict=True)) if k != i)
        own = fee * (xp[i] / d0 - 1.0 / now[i])
        whole = own + (1.0 + others) / then[i]
        return max(0.0, whole) * d0 / base.supply * PRECISION / base.pool.rates[i]
