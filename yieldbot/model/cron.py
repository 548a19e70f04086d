"""Times of a clock: five fields as in crontab, in UTC, which has no daylight saving time. Pure.

Minutes, hours, days of the month, months and days of the week; each a ``*``, a number, a name (``jan``, ``mon``), a
range, a list of these, and a step (``*/5``, ``8-18/2``). As crontab(5): where both kinds of days are restricted
(neither begins with ``*``), a day of either kind counts; Sunday is 0 and 7. ``@hourly``, ``@daily``, ``@weekly``,
``@monthly`` and ``@yearly`` stand for their fields.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from yieldbot.model.dataclass import dataclass

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST_TEXT = 200
YEARS = 40
"""Years ahead in which the next day is searched: from one 29 February that is a Monday to the next it can take 40
years, around a skipped leap year."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression."""

    text: str
    """The expression as it was written."""
    minutes: frozenset[int]
    """0 to 59."""
    hours: frozenset[int]
    """0 to 23."""
    days: frozenset[int]
    """Days of the month, 1 to 31."""
    months: frozenset[int]
    """1 to 12."""
    weekdays: frozenset[int]
    """0 to 6; 0 is Sunday."""
    either: bool
    """Whether a day is due if it matches ``days`` or ``weekdays``; False: it must match both."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Parse an expression. Raises ValueError that says what is wrong, also for an expression that no date
        matches."""
        if len(text) > LONGEST_TEXT:
            raise ValueError("it is too long")
        fields = SHORT.get(text.strip().lower(), text).split()
        if len(fields) != 5:
            raise ValueError("it needs five fields: minute, hour, day of the month, month, day of the week")
        minutes = _field(fields[0], "minute", 0, 59)
        hours = _field(fields[1], "hour", 0, 23)
        days = _field(fields[2], "day", 1, 31)
        months = _field(fields[3].lower(), "month", 1, 12, MONTHS)
        weekdays = _field(fields[4].lower(), "weekday", 0, 7, WEEKDAYS)
        either = not fields[2].startswith("*") and not fields[4].startswith("*")
        found = cls(text, minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)
        if found._day(datetime(2001, 1, 1, tzinfo=UTC)) is None:
            raise ValueError("no day of the calendar is meant by it")
        return found

    def after(self, moment: float) -> float:
        """The first time after ``moment`` that matches; both in unix seconds."""
        at = datetime.fromtimestamp(moment, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = at.replace(hour=0, minute=0)
        while (found := self._day(day)) is not None:
            earliest = (at.hour, at.minute) if found == day and found.date() == at.date() else (0, 0)
            times = ((hour, minute) for hour in sorted(self.hours) for minute in sorted(self.minutes))
            if (time := next((one for one in times if one >= earliest), None)) is not None:
                return found.replace(hour=time[0], minute=time[1]).timestamp()
            day = found + timedelta(days=1)
        raise AssertionError("parse refuses what no date has")

    def _day(self, day: datetime) -> datetime | None:
        """The first day from this one on that matches; None: there is none."""
        until = day + timedelta(days=366 * YEARS)
        while day < until:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            kinds = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
            if any(kinds) if self.either else all(kinds):
                return day
            day += timedelta(days=1)
        return None


def _field(text: str, name: str, least: int, most: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """The numbers that match a field, from ``least`` to ``most``. Raises ValueError."""
    found = set[int]()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most if name != "weekday" else 6
        else:
            low = _number(first, name, least, most, names)
            high = _number(last, name, least, most, names) if dash else most if slash else low
        if high < low:
            raise ValueError(f"{part}: the {name}s run backwards")
        found.update(range(low, high + 1, _step(step, name, most) if slash else 1))
    return frozenset(found)


def _number(text: str, name: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + (1 if name == "month" else 0)
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and least <= int(text) <= most):
        raise ValueError(f"{text or 'nothing'} is no {name}: write {least} to {most}")
    return int(text)


def _step(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= most):
        raise ValueError(
            f"{text or 'nothing'} is no step of {name}s: write 1 to {most}, or an interval such as 2h alone"
        )
    return int(text)
