"""Concentrated liquidity in a range: token amounts from liquidity, liquidity from amounts, and uncollected fees, exact
to the base unit.

Source: Uniswap v3 periphery's LiquidityAmounts, and core's Tick.getFeeGrowthInside and Position.update. Fee growth is
in Q128 for a unit of liquidity; it wraps around at 2^256, and so do its differences.
"""

from __future__ import annotations

import math

from yieldbot.math.concentrated import Q96, Q128, delta0, delta1, sqrt_at
from yieldbot.model.dataclass import dataclass

MASK256 = (1 << 256) - 1
MASK128 = (1 << 128) - 1
SETTLING = 3
"""Iterations that reduce the requested amounts to what they really take."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Fee growth for a unit of liquidity, Q128."""

    zero: int
    """Growth of the fees in token0, in base units for a unit of liquidity, times 2^128."""
    one: int
    """Growth of the fees in token1, in base units for a unit of liquidity, times 2^128."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of ticks."""

    low: int
    """Lower tick."""
    high: int
    """Upper tick."""

    def amounts(self, liquidity: int, sqrt_price_x96: int, *, up: bool = False) -> tuple[int, int]:
        """Base units of token0 and token1 that liquidity pays at a price when taken out, or takes when put in
        (``up``)."""
        low, high = sqrt_at(self.low), sqrt_at(self.high)
        price = min(max(sqrt_price_x96, low), high)
        zero = delta0(price, high, liquidity, up) if price < high else 0
        return zero, delta1(low, price, liquidity, up) if price > low else 0

    def liquidity(self, sqrt_price_x96: int, zero: int, one: int) -> int:
        """The most liquidity that these base units provide at a price (LiquidityAmounts.getLiquidityForAmounts)."""
        low, high = sqrt_at(self.low), sqrt_at(self.high)
        if sqrt_price_x96 <= low:
            return _of_zero(low, high, zero)
        if sqrt_price_x96 >= high:
            return one * Q96 // (high - low)
        return min(_of_zero(sqrt_price_x96, high, zero), one * Q96 // (sqrt_price_x96 - low))

    def settled(self, sqrt_price_x96: int, zero: int, one: int) -> tuple[int, tuple[int, int], tuple[int, int]]:
        """(liquidity, amounts to request, amounts really taken) for at most these base units.

        The amounts to request are close to those taken, and mostly equal. The position manager's own rounding can leave
        a little of them unused.
        """
        requested = (zero, one)
        for _ in range(SETTLING):
            liquidity = self.liquidity(sqrt_price_x96, *requested)
            taken = self.amounts(liquidity, sqrt_price_x96, up=True)
            if taken == requested:
                break
            requested = (min(requested[0], taken[0]), min(requested[1], taken[1]))
        liquidity = self.liquidity(sqrt_price_x96, *requested)
        return liquidity, requested, self.amounts(liquidity, sqrt_price_x96, up=True)

    def least_put(self, sqrt_price_x96: int, desired: tuple[int, int], slippage: float) -> tuple[int, int]:
        """The least of each token that ``desired`` takes, at any price within ``slippage`` (a fraction) of this one.

        Token0's minimum is at the upper end, token1's at the lower; the rounding of small liquidity is deducted.
        """
        prices = moved(sqrt_price_x96, -slippage), sqrt_price_x96, moved(sqrt_price_x96, slippage)
        made = [self.liquidity(price, *desired) for price in prices]
        taken = [self.amounts(each, price, up=True) for each, price in zip(made, prices, strict=True)]
        low, high = sqrt_at(self.low), sqrt_at(self.high)
        steps = max(1, min(*made, max(prices[0], low) * high // Q96))  # one in so many is lost at each rounding

        def least(amount: int) -> int:
            return max(0, amount - 4 * amount // steps - 1)

        return least(min(zero for zero, _ in taken)), least(min(one for _, one in taken))

    def least_out(self, sqrt_price_x96: int, liquidity: int, slippage: float) -> tuple[int, int]:
        """The least of each token that liquidity pays, at any price within ``slippage`` (a fraction) of this one."""
        low, high = moved(sqrt_price_x96, -slippage), moved(sqrt_price_x96, slippage)
        return self.amounts(liquidity, high)[0], self.amounts(liquidity, low)[1]

    def growth_inside(self, tick: int, everywhere: Growth, below: Growth, above: Growth) -> Growth:
        """Fees that a unit of liquidity in range has earned since the pool began. below, above: feeGrowthOutside of the
        two ticks."""

        def inside(whole: int, low: int, high: int) -> int:
            under = low if tick >= self.low else whole - low
            over = high if tick < self.high else whole - high
            return (whole - under - over) & MASK256

        return Growth(inside(everywhere.zero, below.zero, above.zero), inside(everywhere.one, below.one, above.one))


def moved(sqrt_price_x96: int, part: float) -> int:
    """The square root of a price that is higher by the fraction ``part`` (-0.01: 1 % lower), rounded down."""
    return sqrt_price_x96 * math.isqrt(round((1.0 + part) * 10**30)) // 10**15


def owed(liquidity: int, now: Growth, then: Growth, already: tuple[int, int]) -> tuple[int, int]:
    """Uncollected fees in base units: those counted ``already``, plus what grew since ``then``; each in 128 bits."""
    more = ((now.zero - then.zero) & MASK256, (now.one - then.one) & MASK256)
    zero, one = (had + (liquidity * grown // Q128) & MASK128 for had, grown in zip(already, more, strict=True))
    return zero & MASK128, one & MASK128


def _of_zero(low: int, high: int, zero: int) -> int:
    """LiquidityAmounts.getLiquidityForAmount0, its rounding in the middle included."""
    return zero * (low * high // Q96) // (high - low)
