"""Constant-product pools: inputs and outputs of Uniswap v2 and its forks, exact to the base unit.

Source: Uniswap v2 periphery, UniswapV2Library.getAmountOut and getAmountIn. fee: (numerator, denominator) of the
fraction of the input that is swapped: 997 of 1,000 in Uniswap v2, other numbers in forks.
"""

from __future__ import annotations

from yieldbot.math.concentrated import Unswappable

UNISWAP_FEE = (997, 1000)


def amount_out(amount_in: int, reserve_in: int, reserve_out: int, fee: tuple[int, int] = UNISWAP_FEE) -> int:
    """Base units out for ``amount_in``. Raises Unswappable where the library reverts."""
    if amount_in <= 0 or reserve_in <= 0 or reserve_out <= 0:
        raise Unswappable("nothing is put in, or the pool is empty")
    counted = amount_in * fee[0]
    return counted * reserve_out // (reserve_in * fee[1] + counted)


def amount_in(amount_out: int, reserve_in: int, reserve_out: int, fee: tuple[int, int] = UNISWAP_FEE) -> int:
    """Base units in for ``amount_out``. Raises Unswappable where the library reverts."""
    if amount_out <= 0 or reserve_in <= 0 or reserve_out <= amount_out:
        raise Unswappable("nothing is asked for, or more than the pool has")
    return reserve_in * amount_out * fee[1] // ((reserve_out - amount_out) * fee[0]) + 1
