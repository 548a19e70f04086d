"""Curve's crypto pools of two and three coins (twocrypto-ng, tricrypto-ng): what an exchange gives, to the base unit.

Source: Curve's whitepaper on automatic market-making with a dynamic peg (Egorov, 2021) and curvefi/twocrypto-ng and
tricrypto-ng: the maths contracts' get_y and newton_y, the pools' _exchange and _fee. The pools solve

    K D ** (n - 1) sum(x) + prod(x) = K D ** n + (D / n) ** n,  K = A K0 gamma ** 2 / (gamma + 1 - K0) ** 2,
    K0 = n ** n prod(x) / D ** n

for one balance by the closed form of a cubic equation in integers, and by Newton's method where that has no real root.
x are balances at 18 decimals, all but the first times the pool's own price scale, which only trades change. A is
stored as A n ** n 10,000, gamma and prices in 1e-18, fees in 1e-10.
"""

from __future__ import annotations

import math
from functools import cached_property

from yieldbot.math.concentrated import MOST_UINT256, TooLittle, Unswappable
from yieldbot.math.stableswap import OVERFLOWS
from yieldbot.math.venues import MOST_IN, amount_until, smallest_input
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import WAD

FEE_ONE, A_ONE = 10**10, 10_000
ROUNDS, CUBE_ROUNDS = 255, 7
MOST_GAMMA_SMALL = 2 * 10**16
"""Pools of two coins with a greater gamma allow less imbalance, in proportion."""
LEAST_PART, MOST_PART = 10**16, (5 * 10**19, 10**20)
"""Bounds of each balance over D, in 1e-18 (the upper one for two coins and for three): within those of every version of
the contracts. Beyond them nothing is quoted."""
LEAST_D, MOST_D = 10**17, 10**33
CUBE_LIMIT = MOST_UINT256 // 10**36
"""Largest number whose cube root is taken at 36 decimals more."""
CUBE_STARTS = (1, 1), (1260, 1000), (1260**2, 1000**2)
"""Cube roots of 1, 2 and 4, to start with."""
DIVIDERS = {
    2: (*((10 ** (24 + 2 * k), 10 ** (6 + 2 * k)) for k in range(12, -1, -1)), (10**20, 10**2)),
    3: tuple((10 ** (20 + 4 * k), 10 ** (2 + 4 * k)) for k in range(7, -1, -1)),
}
"""(limit, divisor) of the cubic's terms, the highest first: the terms are divided so that their products fit."""


@dataclass(frozen=True)
class CryptoPool:
    """A pool's state. The class has no slots, because ``cached_property`` needs a ``__dict__``."""

    balances: tuple[int, ...]
    """Base units of each coin."""
    precisions: tuple[int, ...]
    """What makes base units of each coin 18 decimals."""
    scales: tuple[int, ...]
    """The pool's price scale: whole first coins for one of each further coin, in 1e-18."""
    amp: int
    """A as the pool stores it."""
    gamma: int
    """Gamma as the pool stores it."""
    d: int
    """The invariant that the pool stores."""
    fees: tuple[int, int, int]
    """(fee in balance, fee far from it, in 1e-10; how fast the one becomes the other: fee_gamma in 1e-18)."""
    later_fee: bool = False
    """Whether the fee is that of twocrypto-ng of 2025, which reaches the higher one only in the limit."""

    @property
    def n(self) -> int:
        """How many coins it has."""
        return len(self.balances)

    @cached_property
    def rates(self) -> tuple[int, ...]:
        """The further coins' price scales behind 1e18 for the first."""
        return (WAD, *self.scales)

    def scaled(self, k: int, raw: int) -> int:
        """Base units of coin k as the pool counts them."""
        precise = raw * self.precisions[k]
        return precise if k == 0 else raw * self.rates[k] * self.precisions[k] // WAD

    @cached_property
    def xp(self) -> tuple[int, ...]:
        """Balances as the pool counts them."""
        return tuple(self.scaled(k, raw) for k, raw in enumerate(self.balances))


def fee_of(pool: CryptoPool, xp: tuple[int, ...]) -> int:
    """The fee at these balances, in 1e-10."""
    n, total = pool.n, sum(xp)
    mid, out, fee_gamma = pool.fees
    if n == 2:
        even = 4 * WAD * xp[0] // total * xp[1] // total
        if pool.later_fee:
            near = fee_gamma * even // (fee_gamma * even // WAD + WAD - even)
            return (mid * near + out * (WAD - near)) // WAD
        near = fee_gamma * WAD // (fee_gamma + WAD - even)
    else:
        even = WAD
        for x in xp:
            even = even * (n * x) // total
        near = fee_gamma * WAD // (fee_gamma + WAD - even) if fee_gamma else even
    return (mid * near + out * (WAD - near)) // WAD


def exchange_output(pool: CryptoPool, i: int, j: int, dx: int) -> tuple[int, int]:
    """(output of ``exchange`` for ``dx`` base units, the same before the fee). Raises Unswappable where it reverts."""
    if dx <= 0:
        raise TooLittle("nothing goes in")
    xp = list(pool.xp)
    xp[i] = pool.scaled(i, pool.balances[i] + dx)
    y = balance_of(pool, tuple(xp), j)
    out = xp[j] - y - 1
    if out < 0:
        raise TooLittle("nothing comes out of the pool")
    xp[j] = y
    if j:
        out = out * WAD // pool.rates[j]
    out //= pool.precisions[j]
    return out - fee_of(pool, tuple(xp)) * out // FEE_ONE, out


def balance_of(pool: CryptoPool, xp: tuple[int, ...], j: int) -> int:
    """get_y: balance of coin j at the pool's invariant when the others are those of ``xp``. Raises Unswappable."""
    d, others = pool.d, [x for k, x in enumerate(xp) if k != j]
    if not LEAST_D <= d <= MOST_D:
        raise Unswappable("the pool's invariant is out of bounds")
    least, most = LEAST_PART, MOST_PART[pool.n - 2]
    if pool.n == 2 and pool.gamma > MOST_GAMMA_SMALL:
        most = most * MOST_GAMMA_SMALL // pool.gamma
        least = max(least, 10**36 // (4 * most))
    if not all(least <= x * WAD // d <= most for x in others):
        raise Unswappable("the pool would be too far from balance")
    try:
        y = (_closed_two if pool.n == 2 else _closed_three)(pool, others)
    except ZeroDivisionError:
        raise Unswappable(OVERFLOWS) from None
    y = _newton(pool, others) if y is None else y
    if y <= 0 or not least <= y * WAD // d <= most:
        raise Unswappable("the pool would be too far from balance")
    return y


def _closed_two(pool: CryptoPool, others: list[int]) -> int | None:
    """The cubic's root for two coins; None: it has no real one."""
    d, gamma, (x,) = pool.d, pool.gamma, others
    weight = pool.amp * gamma * gamma
    a = 10**32
    b = _cut(_cut(d * weight, 4 * 10**8), x) - 3 * a - 2 * gamma * 10**14
    c = 3 * a + 4 * gamma * 10**14 + gamma * gamma // 10**4
    c += _cut(4 * weight // (4 * 10**8) * x, d) - 4 * weight // (4 * 10**8)
    e = -((WAD + gamma) ** 2 // 10**4)
    delta0 = _cut(3 * a * c, b) - b
    delta1 = 3 * delta0 + b - _cut(_cut(27 * a * a, b) * e, b)
    least = min(abs(delta0), abs(delta1), a)
    divider = next((by for limit, by in DIVIDERS[2] if least > limit), 1)
    a, b, c, e = (_cut(one, divider) for one in (a, b, c, e))
    delta0 = _cut(3 * a * c, b) - b
    delta1 = 3 * delta0 + b - _cut(_cut(27 * a * a, b) * e, b)
    if (under := _under(delta0, delta1, b)) <= 0:
        return None
    c1 = _cut(_cut(_root3(b) ** 2, WAD) * _half_root(delta1, math.isqrt(under)), WAD)
    root = _cut(WAD * c1 - WAD * b - _cut(WAD * b, c1) * delta0, 3 * a)
    return _cut(_cut(d * d // x * root, 4), WAD)


def _closed_three(pool: CryptoPool, others: list[int]) -> int | None:
    """The cubic's root for three coins; None: it has no real one."""
    d, gamma, amp, (x, z) = pool.d, pool.gamma, pool.amp, others
    a = 10**36 // 27
    b = 10**36 // 9 + 2 * WAD * gamma // 27
    b -= _cut(_cut(_cut(d * d // x * gamma * gamma * amp, 27**2), A_ONE), z)
    c = 10**36 // 9 + gamma * (gamma + 4 * WAD) // 27
    c += _cut(_cut(_cut(gamma * gamma * (x + z - d), d) * amp, 27), A_ONE)
    e = (WAD + gamma) ** 2 // 27
    size = abs(_cut(3 * a * c, b) - b)
    divider = next((by for limit, by in DIVIDERS[3] if size > limit), 1)
    if abs(a) > abs(b):
        more = abs(_cut(a, b))
        a, b, c, e = (_cut(one * more, divider) for one in (a, b, c, e))
    else:
        less = abs(_cut(b, a))
        a, b, c, e = (_cut(_cut(one, less), divider) for one in (a, b, c, e))
    delta0 = _cut(3 * a * c, b) - b
    delta1 = _cut(9 * a * c, b) - 2 * b - _cut(_cut(27 * a * a, b) * e, b)
    if (under := _under(delta0, delta1, b)) <= 0:
        return None
    c1 = _cut(_cut(_root3(b) ** 2, WAD) * _half_root(delta1, math.isqrt(under)), WAD)
    root = _cut(b + _cut(b * delta0, c1) - c1, 3)
    return _cut(_cut(d * d // 27 // z * d, x) * root, a)


def _under(delta0: int, delta1: int, b: int) -> int:
    """What the cubic's square root is taken of; the contracts revert where it overflows."""
    parts = delta1**2, _cut(4 * delta0**2, b) * delta0
    if max(4 * delta0**2, *map(abs, parts), abs(sum(parts))) > MOST_UINT256 // 2:
        raise Unswappable(OVERFLOWS)
    return sum(parts)


def _half_root(delta: int, root: int) -> int:
    """Cube root of (delta and the square root) / 2, by the sign of delta."""
    return _root3((delta + root) // 2) if delta > 0 else -_root3((root - delta) // 2)


def _root3(value: int) -> int:
    """The contracts' cube root, times 1e12; of a negative number the negative one's."""
    if value < 0:
        return -_root3(-value)
    times, after = (10**36, 1)
    if value >= CUBE_LIMIT * WAD:
        times, after = (1, 10**12)
    elif value >= CUBE_LIMIT:
        times, after = (WAD, 10**6)
    x = value * times
    bits = max(0, x.bit_length() - 1)
    found = (1 << bits // 3) * CUBE_STARTS[bits % 3][0] // CUBE_STARTS[bits % 3][1]
    for _ in range(CUBE_ROUNDS):
        found = (2 * found + x // (found * found)) // 3
    return found * after


def _newton(pool: CryptoPool, others: list[int]) -> int:
    """newton_y: the same balance by Newton's method. Raises Unswappable if it does not converge."""
    n, d, gamma = pool.n, pool.d, pool.gamma
    high = sorted(others, reverse=True)
    limit = max(high[0] // 10**14, d // 10**14, 100)
    if n == 2:
        y, k0_i = d * d // (high[0] * 4), 2 * WAD * high[0] // d
    else:
        y, k0_i = d // n, WAD
        for x in reversed(high):
            y = y * d // (x * n)
        for x in high:
            k0_i = k0_i * x * n // d
    for _ in range(ROUNDS):
        before = y
        if not y or not k0_i:
            break
        k0, total = k0_i * y * n // d, sum(others) + y
        apart = abs(gamma + WAD - k0) + 1
        mul1 = WAD * d // gamma * apart // gamma * apart * A_ONE // pool.amp
        mul2 = WAD + 2 * WAD * k0 // apart
        slope = WAD * y + total * mul2 + mul1
        if slope < d * mul2:
            y = before // 2
            continue
        slope -= d * mul2
        prime = slope // y
        if not prime or not k0:
            break
        less = mul1 // prime
        more = (slope + WAD * d) // prime + less * WAD // k0
        less += WAD * total // prime
        y = before // 2 if more < less else more - less
        if abs(y - before) < max(limit, y // 10**14):
            return y
    raise Unswappable("the pool's balance does not converge")


def _cut(value: int, by: int) -> int:
    """Division towards zero, as the contracts divide signed numbers."""
    found = abs(value) // abs(by)
    return found if (value < 0) == (by < 0) else -found


@dataclass(frozen=True, slots=True)
class CryptoVenue:
    """Exchange of coin i for coin j.

    The fee falls while a swap brings the pool nearer to balance, and grows away from it, so the output need not be
    concave. At the lowest fee on the way it is, and never lower. The difference is treated as rounding, so that bounds
    made from the output stay valid.
    """

    pool: CryptoPool
    """The pool."""
    i: int
    """Index of the coin that goes in."""
    j: int
    """Index of the coin that comes out."""
    least_fee: int
    """Lowest fee on the way, in 1e-10."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        lost = 3 + 3 * WAD // (self.pool.rates[self.j] * self.pool.precisions[self.j])
        try:
            given, whole = exchange_output(self.pool, self.i, self.j, taken)
        except TooLittle:
            return 0, lost
        most = whole - self.least_fee * whole // FEE_ONE
        return given, max(0, most - given) + lost + whole // 10**13

    def off(self, taken: int) -> int:
        return 2 + taken // 10**12

    def quote_exact_out(self, given: int) -> int:
        if given <= 0 or given >= self.pool.balances[self.j]:
            raise Unswappable("nothing is asked for, or more than the pool has")
        found = smallest_input(lambda taken: self._gives(taken, given) or self._too_much(taken))
        if not self._gives(found, given):
            raise Unswappable("the pool does not give so much")
        return found

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return exchange_output(self.pool, self.i, self.j, taken)[0] >= given
        except Unswappable:
            return False

    def _too_much(self, taken: int) -> bool:
        try:
            return exchange_output(self.pool, self.i, self.j, taken)[0] < 0
        except TooLittle:
            return False
        except Unswappable:
            return True

    def amount_until_price(self, price: float) -> int:
        """Searched on the prices of the invariant itself, which fall as more goes in, at the lowest fee."""
        wanted = price / (1.0 - self.least_fee / FEE_ONE)
        first = self.pool.balances[self.i] // 1000 + 2
        return amount_until(self._price, wanted, first, MOST_IN, lambda taken: self._gives(taken, 0))

    def _price(self, taken: int) -> float:
        """Output units for one more unit after ``taken`` went in, before the fee; 0 beyond what the pool takes."""
        pool, n = self.pool, self.pool.n
        xp = list(pool.xp)
        xp[self.i] = pool.scaled(self.i, pool.balances[self.i] + taken)
        try:
            xp[self.j] = balance_of(pool, tuple(xp), self.j)
        except Unswappable:
            return 0.0
        u, gamma = [x / pool.d for x in xp], pool.gamma / WAD
        product, total = math.prod(u), sum(u)
        ways = float(n) ** n
        k0 = product * ways
        near = gamma + 1.0 - k0
        k = pool.amp / (A_ONE * ways) * k0 * gamma**2 / near**2
        grows = k * (gamma + 1.0 + k0) / near
        slopes = (k + ((total - 1.0) * grows + product) / u[at] for at in (self.i, self.j))
        worth = (pool.rates[at] * pool.precisions[at] for at in (self.i, self.j))
        top, bottom = (slope * one for slope, one in zip(slopes, worth, strict=True))
        return top / bottom


def crypto_venue(pool: CryptoPool, i: int, j: int) -> CryptoVenue:
    """The venue from coin i to coin j. Away from balance the fee only grows; towards it the lowest is the one in
    balance."""
    away = pool.xp[i] >= pool.xp[j]
    return CryptoVenue(pool, i, j, min(pool.fees[0], pool.fees[1]) if not away else fee_of(pool, pool.xp))
