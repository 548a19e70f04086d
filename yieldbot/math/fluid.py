"""Fluid's integer arithmetic on EVM chains: the words of its Liquidity layer, and exchange prices.

Source: Instadapp/fluid-contracts-public@a9949b4 (liquiditySlotsLink.sol, liquidityCalcs.sol, bigMathMinified.sol,
liquidity/userModule/main.sol). Exchange prices have 12 decimals, rates, ratios and utilisation are whole basis points.
Interest is simple between two writes of the rate, which happen once utilisation has moved by more than a threshold, or
after a day. What Jupiter Lend has in common with it is in ``math/jupiter_lend.py``.
"""

from __future__ import annotations

from itertools import pairwise

from yieldbot.math.curves import Points
from yieldbot.math.jupiter_lend import PRICE_ONE, Position
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

PARTS = 10**27
"""Scale of ratios in the course of a computation."""
PRICES_SLOT, RATES_SLOT, TOTALS_SLOT, SUPPLIES_SLOT = 5, 6, 7, 8
"""Storage slots of the layer's mappings by token; of the last, by user and then by token."""


def bits(word: int, start: int, count: int) -> int:
    """Part of a word."""
    return word >> start & ((1 << count) - 1)


def big(number: int) -> int:
    """The amount in a number of a coefficient and 8 bits of exponent."""
    return (number >> 8) << (number & 0xFF)


def rate_points(word: int) -> Points:
    """(utilisation, borrow rate), both in basis points, of a rate model's word. Raises OverflowError for a word of
    another version, or whose points are out of order."""
    version = bits(word, 0, 4)
    first = [(0, bits(word, 4, 16)), (bits(word, 20, 16), bits(word, 36, 16))]
    if version == 1:
        first.append((BPS, bits(word, 52, 16)))
    elif version == 2:
        first += [(bits(word, 52, 16), bits(word, 68, 16)), (BPS, bits(word, 84, 16))]
    else:
        raise OverflowError(f"its rate model is of version {version}")
    if any(low[0] >= high[0] for low, high in pairwise(first)):
        raise OverflowError("its rate model's points are out of order")
    return tuple((float(u), float(rate)) for u, rate in first)


def position(word: int) -> Position:
    """What a protocol has supplied, and its withdrawal limit; without what decays of it, which only lets more out."""
    return Position(
        amount=big(bits(word, 1, 64)),
        limit=big(bits(word, 65, 64)),
        timestamp=bits(word, 129, 33),
        expand_bps=bits(word, 162, 14),
        expand_seconds=bits(word, 176, 24),
    )


def earns_interest(word: int) -> bool:
    """Whether a protocol's supply is in the mode that earns interest."""
    return bool(word & 1)


def paused(word: int) -> bool:
    """Whether a protocol's supply is paused."""
    return bool(bits(word, 255, 1))


@dataclass(frozen=True, slots=True)
class Prices:
    """The layer's word of one token: prices and rate since the last write."""

    word: int
    """The word as it is stored."""

    @property
    def rate_bps(self) -> int:
        """The borrow rate in force."""
        return bits(self.word, 0, 16)

    @property
    def fee_bps(self) -> int:
        """The layer's fraction of the interest."""
        return bits(self.word, 16, 14)

    @property
    def threshold_bps(self) -> int:
        """The change of utilisation beyond which the rate is written before a day is over."""
        return bits(self.word, 44, 14)

    @property
    def paying(self) -> int:
        """The fraction of the debt that pays interest, in ``PARTS``."""
        ratio = bits(self.word, 234, 15)
        part = ratio >> 1
        small = part * PARTS // (BPS + part)
        return small if ratio & 1 else PARTS - small

    @property
    def earned_bps(self) -> int:
        """What interest-bearing supply earns of the borrow rate, before the fee."""
        ratio, used = bits(self.word, 219, 15), bits(self.word, 30, 14)
        if ratio & 1:  # most of the supply earns nothing
            whole = used * (PARTS + PARTS * BPS // (ratio >> 1)) // BPS
        else:
            whole = PARTS * used * (BPS + (ratio >> 1)) // (BPS * BPS)
        return BPS * whole * self.paying // PARTS**2

    def at(self, now: int) -> tuple[int, int]:
        """(supply price, borrow price) at a time (LiquidityCalcs.calcExchangePrices). Raises OverflowError where the
        contract reverts."""
        supply, borrow = bits(self.word, 91, 64), bits(self.word, 155, 64)
        seconds = now - bits(self.word, 58, 33)
        if not supply or not borrow or seconds < 0:
            raise OverflowError("its exchange price is 0, or was written in the future")
        if not seconds or not self.rate_bps or bits(self.word, 234, 15) == 1:
            return supply, borrow
        borrow += borrow * self.rate_bps * seconds // (SECONDS_PER_YEAR * BPS)
        if bits(self.word, 219, 15) == 1:  # nobody's supply earns interest
            return supply, borrow
        rate = self.rate_bps * self.earned_bps * (BPS - self.fee_bps)
        return supply + supply * rate * seconds // (SECONDS_PER_YEAR * BPS**3), borrow


@dataclass(frozen=True, slots=True)
class Totals:
    """The layer's word of one token: supply and debt of all protocols."""

    word: int
    """The word as it is stored."""

    def earning_raw(self, supply_price: int) -> int:
        """Supply that earns interest, in base units."""
        return big(bits(self.word, 0, 64)) * supply_price // PRICE_ONE

    @property
    def free_raw(self) -> int:
        """Supply that earns none, in base units."""
        return big(bits(self.word, 64, 64))

    def borrowed_raw(self, borrow_price: int) -> int:
        """All debt, in base units."""
        return big(bits(self.word, 192, 64)) + big(bits(self.word, 128, 64)) * borrow_price // PRICE_ONE
