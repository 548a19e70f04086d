"""Figures as HTML: in tabular digits with their unit, with the exact value for the script that writes them in the
viewer's own locale and time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

NONE = Markup('<span class="none" title="not known">&ndash;</span>')


def number(value: float | int | None, digits: int = 0) -> Markup:
    """A number with so many decimal places."""
    if value is None:
        return NONE
    return Markup('<data class="n" value="{}" data-digits="{}">{}</data>').format(
        repr(value), digits, f"{value:,.{digits}f}"
    )


def percent(fraction: float | None, digits: int = 2) -> Markup:
    """A fraction as percent."""
    if fraction is None:
        return NONE
    shown = f"{fraction * 100:,.{digits}f}"
    return Markup('<data class="n" value="{}" data-digits="{}" data-percent>{}&#8239;%</data>').format(
        repr(fraction), digits, shown
    )


def money(amount: Any, digits: int = 2) -> Markup:
    """A ``Money`` document (``{"text", "symbol"}``) in whole tokens, rounded for the eye; the exact text is in its
    title."""
    if amount is None:
        return NONE
    text = amount["text"]
    return Markup('<data class="n" value="{}" data-digits="{}" title="{}">{}</data>').format(
        text, digits, text, f"{float(text):,.{digits}f}"
    )


def moment(seconds: int | None) -> Markup:
    """A time, in UTC until the script writes it in the viewer's zone."""
    if not seconds:
        return NONE
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime("%Y-%m-%d %H:%M UTC"))


def duration(seconds: float | None) -> str:
    """A duration in its largest unit, as ``3 h``."""
    if seconds is None:
        return "not known"
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.0f} s"


FILTERS = {"number": number, "percent": percent, "money": money, "moment": moment, "duration": duration}
