"""Numbers as people write them, with one grammar in every interface: digits, one optional point between digits, nothing
else.

A comma is a decimal point in half of the world and separates thousands in the other half, so it is refused with the
right spelling and never guessed at; so are spaces, underscores, exponents, signs and the digits of other scripts.
"""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal

LONGEST = 120
"""Characters of an amount: 2^256 has 78 digits, and no token more decimals than 36."""
MOST_DIGITS = 15
"""Significant digits that a float surely has."""
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EXPONENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)[eE]([+-]?[0-9]{1,2})")
_HOW = "write whole tokens, as 100.50"


def plain(text: str, how: str = _HOW) -> str:
    """The text, if it is a plain number of 0 or more. Raises ValueError with the right spelling. how: what the message
    recommends if no number can be recognised."""
    if len(text) <= LONGEST and _PLAIN.fullmatch(text):
        return text
    shown = f"{text[:40]!r}..." if len(text) > 40 else repr(text)
    if re.fullmatch(r"[-\u2212][0-9.,]*[0-9][0-9.,]*", text) and len(text) <= LONGEST:
        raise ValueError(f"{shown} is not an amount: it must be 0 or more, without a sign")
    intended = _intended(text) if len(text) <= LONGEST else ()
    raise ValueError(f"{shown} is not an amount: {'write ' + ' or '.join(intended) if intended else how}")


def fraction(text: str) -> str:
    """The digits after the point of a plain number; empty if there are none."""
    return text.partition(".")[2]


def base_units(text: str, decimals: int, unit: str) -> int:
    """A plain number of whole tokens as base units. Raises ValueError, also for more decimals than the token has."""
    whole, _, behind = plain(text).partition(".")
    if len(behind) > decimals:
        message = f"{text!r} is finer than {unit}'s {decimals} decimals"
        raise ValueError(message if behind[decimals:].strip("0") else f"{message}: write {shortest(text)}")
    return int(whole + behind.ljust(decimals, "0"))


def shortest(text: str) -> str:
    """A plain number without trailing zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(value: Decimal) -> str:
    """A Decimal as a plain number, without the exponent that Python's own text may have."""
    return f"{value:f}"


def significant(value: float | Decimal, digits: int, *, sign: str = "") -> str:
    """A number in so many significant digits, all digits before the point included, without trailing zeros and never
    with an exponent: 0.00001895, 1,234,568. sign: "+" shows it of positive numbers too."""
    if not math.isfinite(value):
        return f"{value:{sign}}"
    if abs(value) >= 10**digits:
        value, digits = round(value), MOST_DIGITS
    return f"{Decimal(f'{value:.{digits}g}').normalize():{sign}z,f}"


def number(text: str, how: str) -> float:
    """A plain number that is not an amount, such as days or a fraction. Raises ValueError."""
    try:
        return float(plain(text, how))
    except ValueError as bad:
        raise ValueError(str(bad).replace(" is not an amount: ", " is not a number here: ", 1)) from None


def _intended(text: str) -> tuple[str, ...]:
    """The numbers that the text may have been intended to be; empty if that is unclear."""
    text = "".join(_digit(sign) for sign in text.strip())
    text = text.removeprefix("+")
    if found := _EXPONENT.fullmatch(text):
        return (shortest(exact(Decimal(found[1]).scaleb(int(found[2])))),)
    text = re.sub(r"[ _'\u2019]", "", text)
    text = re.sub(r"^(?=\.[0-9])", "0", re.sub(r"(?<=[0-9])[.,]$", "", text))
    if not re.fullmatch(r"[0-9]+(?:[.,][0-9]+)*", text):
        return ()
    last = max(text.rfind("."), text.rfind(","))
    mark, marks = text[last] if last >= 0 else "", {sign for sign in text if sign in ".,"}
    joined = re.sub(r"[.,]", "", text)
    if not marks:
        return (text,)
    if len(marks) == 2:  # the last separator begins the decimals, unless it occurs twice
        before, behind = re.sub(r"[.,]", "", text[:last]), text[last + 1 :]
        return (f"{before}.{behind}",) if text.count(mark) == 1 else ()
    if text.count(mark) > 1:
        return (joined,) if re.fullmatch(r"[0-9]{1,3}(?:[.,][0-9]{3})+", text) else ()
    pointed = text.replace(",", ".")
    thousands = mark == "," and re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", text)
    return (pointed, f"{joined}, whichever you mean") if thousands else (pointed,)


def _digit(sign: str) -> str:
    """The ASCII character that a character of another script or width stands for."""
    if sign.isspace():
        return " "
    if sign in "\u066b\u066c":  # the Arabic decimal point, and the mark of thousands
        return "." if sign == "\u066b" else "'"
    value = unicodedata.decimal(sign, None)
    return str(value) if value is not None else unicodedata.normalize("NFKC", sign)
