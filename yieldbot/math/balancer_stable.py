"""Balancer v3's stable pools: the output of a swap through the Vault, exact to the base unit.

Source: balancer/balancer-v3-monorepo 0a5890a: StableMath, StablePool.onSwap, Vault._swap, ScalingHelpers. It is Curve's
equation with A in thousandths. The Vault takes its fee off what goes in, and rounds each step for the pool: amounts in
18 decimals at the tokens' rates, the balance that stays in the pool up, what comes out down at a rate one unit higher.
"""

from __future__ import annotations

from functools import cached_property

from yieldbot.math.concentrated import MOST_UINT256, TooLittle, Unswappable
from yieldbot.math.stableswap import OVERFLOWS, added_until
from yieldbot.math.venues import MOST_IN, smallest_input
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import WAD

AMP_ONE = 1000
MOST_UNEVEN = 10_000
"""The largest balance over the smallest one at which the pool still swaps."""
ROUNDS = 255


@dataclass(frozen=True)
class BalancerPool:
    """A pool's state. The class has no slots, because ``cached_property`` needs a ``__dict__``."""

    balances: tuple[int, ...]
    """The Vault's live balances: 18 decimals at the tokens' rates, less the fees that are due."""
    scaling: tuple[int, ...]
    """What makes base units of each token 18 decimals."""
    rates: tuple[int, ...]
    """What one of each token counts as, in 1e-18, by its rate provider."""
    amp: int
    """A times 1,000."""
    fee: int
    """The swap fee, in 1e-18 of what goes in."""
    least: int
    """The Vault's smallest amount in or out of a pool, at 18 decimals."""

    @cached_property
    def d(self) -> int:
        """computeInvariant. Raises Unswappable where it does not converge, or a token is missing."""
        n, total, ann = len(self.balances), sum(self.balances), self.amp * len(self.balances)
        if not all(self.balances):
            raise Unswappable("the pool lacks one of its tokens")
        found = total
        for _ in range(ROUNDS):
            product = found
            for x in self.balances:
                product = product * found // (x * n)
            before = found
            top = (ann * total // AMP_ONE + product * n) * found
            if top > MOST_UINT256:
                raise Unswappable(OVERFLOWS)
            found = top // ((ann - AMP_ONE) * found // AMP_ONE + (n + 1) * product)
            if abs(found - before) <= 1:
                return found
        raise Unswappable("the pool's invariant does not converge")


def curve_output(pool: BalancerPool, i: int, j: int, added: int) -> int:
    """onSwap: output at 18 decimals for ``added`` at 18 decimals, the fee taken off. Raises Unswappable."""
    balances = list(pool.balances)
    balances[i] += added
    out = balances[j] - _balance_of(balances, j, pool.amp, pool.d) - 1
    if out < 0:
        raise TooLittle("nothing comes out of the pool")
    uneven = max(*pool.balances, balances[i]) // max(1, min(*pool.balances, balances[j] - out))
    if balances[j] - out <= 0 or uneven >= MOST_UNEVEN:
        raise Unswappable("the pool would be too uneven")
    return out


def _balance_of(balances: list[int], j: int, amp: int, d: int) -> int:
    """computeBalance: balance of token j at the invariant, rounded up."""
    n = len(balances)
    ann, product = amp * n, balances[0] * n
    for x in balances[1:]:
        product = product * x * n // d
    c = _up(d * d * AMP_ONE, ann * product) * balances[j]
    b = sum(balances) - balances[j] + d * AMP_ONE // ann
    y = _up(d * d + c, d + b)
    for _ in range(ROUNDS):
        before, top = y, y * y + c
        if top > MOST_UINT256:
            raise Unswappable(OVERFLOWS)
        y = _up(top, 2 * y + b - d)
        if abs(y - before) <= 1:
            return y
    raise Unswappable("the pool's balance does not converge")


def swap_output(pool: BalancerPool, i: int, j: int, taken: int) -> int:
    """Base units out for exactly ``taken`` base units in. Raises Unswappable where the Vault or the pool refuses."""
    amount = taken * pool.scaling[i] * pool.rates[i] // WAD
    amount -= _up(amount * pool.fee, WAD)
    if amount < pool.least:
        raise TooLittle("the Vault refuses so little")
    out = curve_output(pool, i, j, amount)
    if out < pool.least:
        raise TooLittle("the Vault refuses so little")
    return out * WAD // (pool.scaling[j] * _rate_up(pool.rates[j]))


def _up(value: int, by: int) -> int:
    if not by:
        raise Unswappable(OVERFLOWS)
    return -(-value // by)


def _rate_up(rate: int) -> int:
    """A rate as the Vault divides by it: one unit higher unless it is whole."""
    return rate if rate % WAD == 0 else rate + 1


@dataclass(frozen=True, slots=True)
class BalancerVenue:
    """Exchange of token i for token j."""

    pool: BalancerPool
    """The pool."""
    i: int
    """Index of the token that goes in."""
    j: int
    """Index of the token that comes out."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        pool = self.pool
        amount, unit = (
            taken * pool.scaling[self.i] * pool.rates[self.i] // WAD,
            pool.scaling[self.j] * pool.rates[self.j],
        )
        try:
            out = swap_output(pool, self.i, self.j, taken)
        except TooLittle:
            return 0, 2 + (20 * pool.least + 20) * WAD // unit
        each = 1 + out * unit // WAD // max(1, amount)  # what a unit of rounding in is worth in units out
        return out, 2 + (4 + 3 * each) * WAD // unit + 2 * out // WAD

    def off(self, taken: int) -> int:
        return 2 + 4 * WAD // (self.pool.scaling[self.i] * self.pool.rates[self.i])

    def quote_exact_out(self, given: int) -> int:
        balance = self.pool.balances[self.j] * WAD // (self.pool.scaling[self.j] * self.pool.rates[self.j])
        if given <= 0 or given >= balance:
            raise Unswappable("nothing is asked for, or more than the pool has")
        found = smallest_input(lambda taken: self._gives(taken, given) or self._too_much(taken))
        if not self._gives(found, given):
            raise Unswappable("the pool does not give so much")
        return found

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return swap_output(self.pool, self.i, self.j, taken) >= given
        except Unswappable:
            return False

    def amount_until_price(self, price: float) -> int:
        pool, kept = self.pool, 1.0 - self.pool.fee / WAD
        units = [scale * rate / WAD for scale, rate in zip(pool.scaling, pool.rates, strict=True)]
        wanted, most = price / kept * units[self.j] / units[self.i], MOST_IN * units[self.i] * kept
        ann = pool.amp * len(pool.balances) / AMP_ONE
        added = added_until(pool.balances, self.i, self.j, ann, float(pool.d), wanted, most)
        taken = min(MOST_IN, int(added / kept / units[self.i]))
        if not taken or self._gives(taken, 0):
            return taken
        return self._most(taken)

    def _most(self, refused: int) -> int:
        """The largest amount below a refused one that the pool still takes; 0 if it takes none."""
        low, high = 0, refused
        while high - low > 1 + (low >> 40):
            middle = (low + high) // 2
            low, high = (low, middle) if self._too_much(middle) else (middle, high)
        return low if self._gives(low, 0) else 0

    def _too_much(self, taken: int) -> bool:
        try:
            return swap_output(self.pool, self.i, self.j, taken) < 0
        except TooLittle:
            return False
        except Unswappable:
            return True
