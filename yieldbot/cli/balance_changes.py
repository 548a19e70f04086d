"""Balance changes in words."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.model.amounts import Amount
from yieldbot.model.tx import Delta

LAMPORTS = "1" * 32
"""The address that stands for SOL as fees are paid in it (execution/svm/account.py)."""


def signed(change: Delta) -> str:
    """A balance change for people: +1,000 USDC. Six decimals at most, or four digits of what is smaller than one."""
    value = Amount(change.token, change.raw).decimal
    text = f"{value:+,.6f}" if abs(value) >= 1 else f"{float(value):+.4g}" if abs(value) < 1e-4 else f"{value:+.6f}"
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {change.token.symbol}"


def moved(changes: Sequence[Delta]) -> list[str]:
    """The changes that are not zero, for people.

    Where SOL is the asset there are two of that symbol: what the leg moves, and the wallet's own lamports, of which the
    former is a part.
    """
    told = [change for change in changes if change.raw]
    symbols = [change.token.symbol for change in told]
    return [
        f"(in the wallet, fees and rent included: {signed(change)})"
        if change.token.address == LAMPORTS and change.token.symbol in symbols[:place]
        else signed(change)
        for place, change in enumerate(told)
    ]
