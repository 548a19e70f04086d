"""Figures as HTML: in tabular digits with their unit, with the exact value for the script that writes them in the
viewer's own locale and time zone."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from yieldbot.model.amounts import Apr, Apy
from yieldbot.model.numbers import significant
from yieldbot.model.units import SECONDS_PER_YEAR

NONE = Markup('<span class="none" title="not known">&ndash;</span>')
DAY = 86_400
NEAR_DAYS = 300
"""Days around now within which a day needs no year."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LEAST_DAYS = 1e-3
"""A shorter time counts as this one."""
_OF_PLACE = re.compile(
    r"\b(?P<day>\d{4}-\d\d-\d\d) (?P<time>\d\d:\d\d(?::\d\d)?) UTC\b"
    r"|(?<![\w.,:/-])(?P<figure>[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w.])"
    r"|\d+\.\d+(?=[ \u202f]?%|[ \u202f][A-Za-z])))"
)
"""What is written in another way elsewhere: a time, or a number with marks for thousands or decimals."""
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def number(value: float | int | None, digits: int = 0, unit: str = "") -> Markup:
    """A number with so many decimal places. unit: a word behind it."""
    if value is None:
        return NONE
    shown = Markup('<data class="n" value="{}" data-digits="{}">{}</data>').format(
        repr(value), digits, f"{value:z,.{digits}f}"
    )
    return _with_unit(shown, unit)


def percent(fraction: float | None, digits: int = 2, signed: bool = False) -> Markup:
    """A fraction as percent."""
    if fraction is None:
        return NONE
    shown = f"{fraction * 100:{'+' if signed else ''}z,.{digits}f}"
    return Markup('<data class="n" value="{}" data-digits="{}" data-percent{}>{}&#8239;%</data>').format(
        repr(fraction), digits, Markup(" data-signed") if signed else "", shown
    )


def apy(rate: float | None, digits: int = 2) -> Markup:
    """A simple annual rate as the yield of a year in which it is reinvested all the time."""
    return percent(None if rate is None else compounded(rate), digits)


def apy_over(rate: float | None, days: float, digits: int = 2) -> Markup:
    """A mean simple annual rate over so many days as the yield of a year in which each such time brings as much."""
    return percent(None if rate is None else grown(rate, days), digits)


def compounded(rate: float) -> float:
    """See ``apy``."""
    return _finite(Apr(rate).compounded().value, rate)


def grown(rate: float, days: float) -> float:
    """See ``apy_over``; this is how documents state yields that are expected."""
    seconds = max(days, LEAST_DAYS) * DAY
    return _finite(Apy.from_growth(rate * seconds / SECONDS_PER_YEAR, seconds).value, rate)


def _finite(found: float, rate: float) -> float:
    """The yield; the rate itself where no float holds the yield, since nobody is paid that."""
    return found if math.isfinite(found) else rate


def money(amount: Mapping[str, Any] | None, digits: int | None = None, unit: bool = False) -> Markup:
    """A ``Money`` document (``{"text", "symbol"}``) in whole tokens, rounded for the eye (the smaller, the finer, where
    no digits are given); the exact text is in its title."""
    if amount is None:
        return NONE
    text = amount["text"]
    value = float(text)
    places = _places(value) if digits is None else digits
    shown = Markup('<data class="n" value="{}" data-digits="{}" title="{} {}">{}</data>').format(
        text, places, text, amount["symbol"], f"{value:z,.{places}f}"
    )
    return _with_unit(shown, amount["symbol"] if unit else "")


def compact(amount: Mapping[str, Any] | None) -> Markup:
    """A large ``Money`` document in three digits, as ``1.23M``; the exact text is in its title."""
    if amount is None:
        return NONE
    text = amount["text"]
    return Markup('<data class="n" value="{}" data-compact title="{} {}">{}</data>').format(
        text, text, amount["symbol"], short(float(text))
    )


def decimal(text: str | None, unit: str = "", signed: bool = False) -> Markup:
    """Decimal text as a document has it, with two places or, where it is small, more."""
    if text is None:
        return NONE
    value = float(text)
    places = _places(value)
    shown = Markup('<data class="n" value="{}" data-digits="{}"{} title="{}">{}</data>').format(
        text,
        places,
        Markup(" data-signed") if signed else "",
        text,
        f"{value:{'+' if signed else ''}z,.{places}f}",
    )
    return _with_unit(shown, unit)


def amount(value: float | None, unit: str = "", signed: bool = False) -> Markup:
    """Whole tokens with as many places as their size needs."""
    if value is None:
        return NONE
    places = _places(value)
    shown = Markup('<data class="n" value="{}" data-digits="{}"{}>{}</data>').format(
        repr(value), places, Markup(" data-signed") if signed else "", f"{value:{'+' if signed else ''}z,.{places}f}"
    )
    return _with_unit(shown, unit)


def short(value: float) -> str:
    """A number in about three digits, as ``1.23M``."""
    for size, letter in _SCALES:
        if abs(value) >= size:
            return f"{significant(value / size, 3)}{letter}"
    return significant(value, 3)


def moment(seconds: int | None, form: str = "both") -> Markup:
    """A time, in UTC until the script writes it in the viewer's zone. form: ``both``, ``day``, or ``ago`` for how long
    ago it was."""
    if not seconds:
        return NONE
    at = datetime.fromtimestamp(seconds, UTC)
    shown = f"{at:%Y-%m-%d %H:%M} UTC"
    if form == "day":  # as short as the script writes it
        near = abs(time.time() - seconds) < NEAR_DAYS * DAY
        shown = f"{MONTHS[at.month - 1]} {at.day}" + ("" if near else f", {at.year}")
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(at.isoformat(), form, shown)


def local(text: str) -> Markup:
    """A sentence of ours, which is in English and in UTC, whose figures and times the script writes in the viewer's own
    way: numbers before a word or a percent sign, and those with marks between thousands."""
    found, at = Markup(""), 0
    for one in _OF_PLACE.finditer(text):
        if (shown := _time(one) if one["day"] else _figure(one)) is not None:
            found, at = found + escape(text[at : one.start()]) + shown, one.end()
    return found + escape(text[at:])


def _time(found: re.Match[str]) -> Markup | None:
    try:
        at = datetime.fromisoformat(f"{found['day']}T{found['time']}+00:00")
    except ValueError:  # there is no such day
        return None
    return moment(int(at.timestamp()))


def _figure(found: re.Match[str]) -> Markup:
    text = found["figure"]
    exact, digits = text.replace(",", "").removeprefix("+"), len(text.partition(".")[2])
    signed = Markup(" data-signed") if text[0] == "+" else ""
    return Markup('<data class="n" value="{}" data-digits="{}"{}>{}</data>').format(exact, digits, signed, text)


def duration(seconds: float | None) -> Markup:
    """A duration in its largest unit, as ``3 h``."""
    if seconds is None:
        return Markup("not known")
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            shown = f"{seconds / length:.3g}"
            places = len(shown.partition(".")[2]) if "e" not in shown else 0
            return number(round(seconds / length, places), places, name)
    return number(round(seconds), 0, "s")


def leaving(exit_: Mapping[str, Any]) -> Markup:
    """How long money needs out of a market (a ``WayOut``), in words."""
    if exit_["kind"] == "instant":
        return Markup("at once")
    if exit_["hours"] is None:
        return Markup("open-ended")
    return duration(exit_["hours"] * 3600)


def words(code: str) -> str:
    """A code such as ``RATE_SPIKE`` in words."""
    return code.replace("_", " ").lower()


def address(*parts: str) -> str:
    """The path of a page of ours; each part is one step of it, with nothing in it that means something there."""
    return "/" + "/".join(quote(part, safe="~:-_.") for part in parts)


def _places(value: float) -> int:
    size = abs(value)
    return 2 if size >= 10 or not size else 4 if size >= 0.1 else 8


def _with_unit(shown: Markup, unit: str) -> Markup:
    return shown if not unit else Markup('{}&#8239;<bdi class="unit">{}</bdi>').format(shown, unit)


FILTERS = {
    "number": number,
    "percent": percent,
    "apy": apy,
    "apy_over": apy_over,
    "local": local,
    "amount": amount,
    "money": money,
    "compact": compact,
    "decimal": decimal,
    "moment": moment,
    "duration": duration,
    "leaving": leaving,
    "words": words,
}
