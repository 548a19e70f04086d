"""Balancer v3's buffers: an asset for the shares of an ERC-4626 vault and back, as its Vault computes it.

Source: balancer/balancer-v3-monorepo 0a5890a, Vault._wrapWithBuffer and _unwrapWithBuffer. Whether the buffer has
enough or the Vault deposits and redeems itself, the output is what the ERC-4626 vault says for one unit less, less one.
"""

from __future__ import annotations

from yieldbot.math.balancer_stable import BalancerVenue
from yieldbot.math.concentrated import TooLittle, Unswappable
from yieldbot.math.venues import MOST_IN, smallest_input
from yieldbot.model.dataclass import dataclass

LARGE = 10**33
"""The amount for which an ERC-4626 vault is asked what it gives; its rate follows. Less than 2**112, which is the most
that some vaults take."""


def converted(amount: int, for_large: int) -> int:
    """What the vault gives for ``amount``, rounded down; it gives ``for_large`` for LARGE. A unit may be missing where
    the exact value is within amount / LARGE above a whole number."""
    return amount * for_large // LARGE


@dataclass(frozen=True, slots=True)
class Wrapping:
    """Wraps or unwraps at one rate, until the vault takes or pays no more."""

    for_large: int
    """Base units out for LARGE in, by the ERC-4626 vault."""
    least: int
    """The smallest amount in or out of a buffer."""
    most: int
    """The largest amount in that the buffer can serve, or that the vault says it takes now."""

    @property
    def rate(self) -> float:
        """Units out for one in."""
        return self.for_large / LARGE

    def output(self, taken: int) -> int:
        """Base units out. Raises Unswappable where the Vault refuses."""
        if taken > self.most:
            raise Unswappable("the ERC-4626 vault takes or pays no more now")
        out = converted(taken - 1, self.for_large) - 1
        if taken < self.least or out < self.least:
            raise TooLittle("the Vault wraps no amount so small")
        return out


@dataclass(frozen=True, slots=True)
class BoostedVenue:
    """One direction of a boosted pool: what goes in is wrapped, the shares are swapped, and what comes out unwrapped,
    each only where the pool's coin has a buffer."""

    into: Wrapping | None
    """Wraps what goes in; None: it goes in as it is."""
    pool: BalancerVenue
    """Exchange of the pool's coins."""
    out_of: Wrapping | None
    """Unwraps what comes out; None: it comes out as it is."""

    def quote_exact_in(self, taken: int) -> tuple[int, int]:
        if taken == 0:
            return 0, 0
        try:
            shares, lost = (taken, 0) if self.into is None else (self.into.output(taken), 3 + int(self.into.rate))
        except TooLittle:
            return 0, self._least()
        swapped, more = self.pool.quote_exact_in(shares)
        # A share lost before the pool is worth at most what the pool pays for one on average.
        more += -(-lost * swapped // shares) if shares else 0
        if self.out_of is None:
            return swapped, more
        try:
            out = self.out_of.output(swapped)
        except TooLittle:
            return 0, self._least()
        return out, 4 + int((more + 1) * self.out_of.rate)

    def _least(self) -> int:
        """Units out that the smallest amounts of both buffers and of the pool may be worth."""
        end = self.out_of.rate if self.out_of else 1.0
        smallest = (self.out_of.least if self.out_of else 0) + self.pool.quote_exact_in(1)[1]
        if self.into is not None:
            given = int(self.into.least * (1.0 + self.into.rate)) + 3
            smallest += sum(self.pool.quote_exact_in(given))
        return int((smallest + 4) * max(1.0, end)) + 4

    def off(self, taken: int) -> int:
        return 2 + taken // 10**12 + int(4.0 / (self.into.rate if self.into else 1.0))

    def quote_exact_out(self, given: int) -> int:
        if given <= 0:
            raise Unswappable("nothing is asked for")
        found = smallest_input(lambda taken: self._gives(taken, given) or self._too_much(taken))
        if not self._gives(found, given):
            raise Unswappable("the pool does not give so much")
        return found

    def _gives(self, taken: int, given: int) -> bool:
        try:
            return self.quote_exact_in(taken)[0] >= given
        except Unswappable:
            return False

    def _too_much(self, taken: int) -> bool:
        try:
            self.quote_exact_in(taken)
        except Unswappable:
            return True
        return False

    def amount_until_price(self, price: float) -> int:
        """The pool's own, at the price of the shares; at most what can be wrapped and unwrapped."""
        before, after = (one.rate if one else 1.0 for one in (self.into, self.out_of))
        shares = self.pool.amount_until_price(price / (before * after))
        taken = shares if self.into is None else min(self.into.most, int(shares / before))
        if taken and self._too_much(taken):
            low, high = 0, taken
            while high - low > 1 + (low >> 40):
                middle = (low + high) // 2
                low, high = (low, middle) if self._too_much(middle) else (middle, high)
            taken = low
        return taken


def most_in(for_large: int, in_buffer: int, ready: int, beside: int) -> int:
    """The largest amount in: what the buffer serves alone, or what the vault says it takes.

    in_buffer: what the buffer has of what comes out. ready: what the vault says that it takes or pays, in units of what
    goes in. beside: what the buffer has of what goes in, which may be taken along.
    """
    served = (in_buffer * LARGE // for_large) if for_large else 0
    return min(MOST_IN, max(served, ready - beside, 0))
