"""Curve's metapools: a coin against the shares of another pool, the base, and through them against each of its coins.

Source: exchange_underlying and get_dy_underlying of the factory's metapools (2021) and of StableSwap-NG's. A base coin
is put into the base pool, and the metapool swaps the shares for its own coin; the other way it takes shares out of the
base pool in one coin. The value of a share is read before, so that both steps follow one another.
"""

from __future__ import annotations

from dataclasses import replace

from yieldbot.math.concentrated import Unswappable
from yieldbot.math.stableswap import FEE_ONE, PRECISION, StablePool, StableVenue, balance_of, exchange_output, invariant
from yieldbot.math.stableswap_liquidity import (
    DepositVenue,
    SharedPool,
    WithdrawalVenue,
    minted,
    minted_without_fee,
    paid_out,
)
from yieldbot.math.venues import VenuePath
from yieldbot.model.dataclass import dataclass
from yieldbot.model.exchange import Venue

OWN, SHARES = 0, 1
"""Places of a metapool's two coins."""


@dataclass(frozen=True, slots=True)
class MetaPool:
    """A metapool and its base pool at one block. Coins below are counted from 1 on; 0 is the metapool's own coin."""

    pool: StablePool
    """The metapool: its own coin, and shares of the base pool at their virtual price."""
    base: SharedPool
    """The base pool."""

    def venue(self, i: int, j: int) -> Venue:
        """The venue from coin i to coin j; one of them is 0."""
        d = invariant(self.pool)
        if i == OWN:
            return VenuePath(StableVenue(self.pool, OWN, SHARES, d), WithdrawalVenue(self.base, j - 1))
        return VenuePath(DepositVenue(self.base, i - 1), StableVenue(self.pool, SHARES, OWN, d))

    def own_quote(self, i: int, j: int, dx: int) -> int:
        """get_dy_underlying, which is not the output in two cases: metapools before NG forget the fee of the deposit in
        the base pool and take half of the base's fee off instead, and NG's views compute every base pool as an NG pool.
        Raises Unswappable where it reverts.
        """
        if i == OWN:
            return paid_out(self.base, j - 1, exchange_output(self.pool, OWN, SHARES, dx)[0])[0]
        if self.pool.flavour == "ng":
            return exchange_output(self.pool, SHARES, OWN, minted(self._as_ng(), i - 1, dx)[0])[0]
        shares = minted_without_fee(self.base, i - 1, dx)
        x = shares * self.pool.rates[SHARES] // PRECISION
        x += self.pool.xp[SHARES] - x * self.base.pool.fee // (2 * FEE_ONE)
        dy = self.pool.xp[OWN] - balance_of(self.pool, SHARES, OWN, x, invariant(self.pool)) - 1
        if dy < 0:
            raise Unswappable("nothing comes out of the pool")
        return (dy - dy * self.pool.fee // FEE_ONE) * PRECISION // self.pool.rates[OWN]

    def _as_ng(self) -> SharedPool:
        pool = self.base.pool
        if pool.flavour == "ng":
            return self.base
        return replace(self.base, pool=replace(pool, flavour="ng", amp=pool.amp // pool.unit * 100))
