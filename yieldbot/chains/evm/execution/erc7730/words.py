"""How a single value is written for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext

from yieldbot.model.text import one_line

PREFIXES = (("T", 12), ("G", 9), ("M", 6), ("k", 3))


def date(seconds: int) -> str:
    """A unix time as date and time in UTC; the number itself where it is no date."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def duration(seconds: int) -> str:
    """Seconds as HH:MM:SS; the number of seconds where it is negative or above 10^12."""
    if not 0 <= seconds < 10**12:
        return f"{seconds} s"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def unit(raw: int, decimals: int, base: str, prefix: bool) -> str:
    """A number divided by 10^decimals, with its unit ``base``. prefix: with the SI prefixes k, M, G, T."""
    with localcontext() as context:
        context.prec = 200  # 256 bits have 78 digits
        value = Decimal(raw).scaleb(-decimals)
        for sign, power in PREFIXES if prefix else ():
            if abs(value) >= Decimal(10) ** power:
                return f"{value.scaleb(-power).normalize():f}{sign}{base}"
        return f"{value.normalize():f}{base}"


def clean(text: str) -> str:
    """A stranger's text in one line, without characters that move a terminal's cursor or change the direction of
    writing."""
    return one_line(text)
