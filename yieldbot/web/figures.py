"""Figures as HTML: in tabular digits with their unit, with the exact value for the script that writes them in the
viewer's own locale and time zone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from yieldbot.model.amounts import Apr, Apy
from yieldbot.model.units import SECONDS_PER_YEAR

NONE = Markup('<span class="none" title="not known">&ndash;</span>')
DAY = 86_400
LEAST_DAYS = 1e-3
"""A shorter time counts as this one."""
_MOMENT = re.compile(r"\b(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC\b")
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
    try:
        return Apr(rate).compounded().value
    except (OverflowError, ValueError):  # no rate that anybody is paid
        return rate


def grown(rate: float, days: float) -> float:
    """See ``apy_over``; this is how documents state yields that are expected."""
    seconds = max(days, LEAST_DAYS) * DAY
    growth = rate * seconds / SECONDS_PER_YEAR
    try:
        return Apy.from_growth(growth, seconds).value
    except (OverflowError, ValueError):
        return rate


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
            return f"{value / size:.3g}{letter}"
    return f"{value:z.3g}"


def moment(seconds: int | None, form: str = "both") -> Markup:
    """A time, in UTC until the script writes it in the viewer's zone. form: ``both``, ``day``, or ``ago`` for how long
    ago it was."""
    if not seconds:
        return NONE
    at = datetime.fromtimestamp(seconds, UTC)
    shown = at.strftime("%Y-%m-%d" if form == "day" else "%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(at.isoformat(), form, shown)


def zoned(text: str) -> Markup:
    """A message of ours whose times, which are in UTC, the script writes in the viewer's zone."""

    def written(found: re.Match[str]) -> str:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00")
        return str(moment(int(at.timestamp())))

    try:
        return Markup(_MOMENT.sub(written, str(escape(text))))
    except ValueError:  # no such day
        return escape(text)


def duration(seconds: float | None) -> str:
    """A duration in its largest unit, as ``3 h``."""
    if seconds is None:
        return "not known"
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g}\u202f{name}"
    return f"{seconds:z.0f}\u202fs"


def leaving(exit_: Mapping[str, Any]) -> str:
    """How long money needs out of a market (a ``WayOut``), in words."""
    if exit_["kind"] == "instant":
        return "at once"
    if exit_["hours"] is None:
        return "open-ended"
    return duration(exit_["hours"] * 3600) or "at once"


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
    "zoned": zoned,
    "amount": amount,
    "money": money,
    "compact": compact,
    "decimal": decimal,
    "moment": moment,
    "duration": duration,
    "leaving": leaving,
    "words": words,
}
