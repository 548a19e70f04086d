"""Balance changes as text."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.model.amounts import Amount
from yieldbot.model.numbers import significant
from yieldbot.model.tx import Delta

LAMPORTS = "1" * 32
"""The address of native SOL, in which fees and rent are paid (chains/solana/execution/account.py)."""


def signed(change: Delta) -> str:
    """A balance change, as +1,000 USDC: at most six decimals, or four significant digits below 0.0001."""
    value = Amount(change.token, change.raw).decimal
    text = f"{value:+z,.6f}".rstrip("0").rstrip(".") if abs(value) >= 1e-4 else significant(value, 4, sign="+")
    return f"{text} {change.token.symbol}"


def moved(changes: Sequence[Delta]) -> list[str]:
    """The changes that are not zero.

    If SOL is the asset, two changes have its symbol: the leg's own, and that of the wallet's lamports, which includes
    the first with fees and rent.
    """
    shown = [change for change in changes if change.raw]
    symbols = [change.token.symbol for change in shown]
    return [
        f"(in the wallet, fees and rent included: {signed(change)})"
        if change.token.address == LAMPORTS and change.token.symbol in symbols[:index]
        else signed(change)
        for index, change in enumerate(shown)
    ]
