"""How long something takes, as a person thinks of it: in minutes, hours or days, whichever fits. Pure."""

from __future__ import annotations

from yieldbot.model.numbers import significant

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def duration(seconds: float) -> str:
    """A duration in three digits: "under a minute", "14 min", "24 h", "7 days", "347 days"; hours from two hours on,
    days from two days on. A negative one has its sign."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < _MINUTE:
        return "0 min" if seconds == 0 else "under a minute"
    name, length = "min", _MINUTE
    if seconds >= 2 * _HOUR:
        name, length = ("days", _DAY) if seconds >= 2 * _DAY else ("h", _HOUR)
    count = seconds / length
    return f"{count:z,.0f} {name}" if count >= 100 or length == _MINUTE else f"{significant(count, 3)} {name}"


def days_long(days: float) -> str:
    """``duration`` of a number of days."""
    return duration(days * _DAY)
