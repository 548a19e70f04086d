"""Quotas: how many requests a key may make each day (UTC). The count in the database is rounded up to the next step, so
that a server which is killed and starts again never admits more than the quota."""

from __future__ import annotations

import re
from contextlib import nullcontext, suppress
from typing import Protocol

from yieldbot.access.limits import Left
from yieldbot.errors import ConfigError, KeysHeld
from yieldbot.model.dataclass import dataclass

DAY = 86_400
STEPS = 100
"""Most times that a key's count is written to the database in a day, apart from once more when the server ends."""
MOST = 10**9
_FORM = re.compile(r"([0-9]{1,10})/d")


class Counts(Protocol):
    """The store of the counts."""

    def used_on(self, name: str, day: int) -> tuple[int, int]:
        """(day of the count, requests of the key on that day): of ``day``, or of a later day if one is stored. Days are
        numbered since 1970-01-01."""

    def keep_used(self, name: str, day: int, used: int) -> None:
        """Store the key's number of requests on a day."""


@dataclass(slots=True)
class _Today:
    day: int
    """Number of the day since 1970."""
    used: int
    """Requests on that day."""
    kept: int
    """Requests on that day as stored in the database; at least ``used``."""


class Quotas:
    """Requests of each key today. Used by one thread."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._known: dict[str, _Today] = {}

    def take(self, name: str, quota: int, now: float, *, always: bool = False) -> Left:
        """Count a request of a key, and return what is left of its quota. A request beyond it is not counted and is
        refused, unless ``always``. now: unix seconds. Raises InvariantError if the count cannot be written."""
        today = self._of(name, int(now // DAY))
        reset = max(1, (today.day + 1) * DAY - int(now))
        if today.used >= quota:
            return Left(quota, 0, reset, 0 if always else reset)
        if today.used >= today.kept:
            kept = min(quota, today.used + max(1, quota // STEPS))
            with suppress(KeysHeld) if always else nullcontext():
                self._counts.keep_used(name, today.day, kept)
                today.kept = kept
        today.used += 1
        return Left(quota, quota - today.used, reset, 0)

    def close(self) -> None:
        """Write the exact counts."""
        for name, today in self._known.items():
            if today.kept != today.used:
                self._counts.keep_used(name, today.day, today.used)
                today.kept = today.used

    def _of(self, name: str, day: int) -> _Today:
        today = self._known.get(name)
        if today is None or today.day < day:  # a clock that is set back begins no new day
            found, used = self._counts.used_on(name, day)
            today = self._known[name] = _Today(found, used, used)
        return today


def quota_of(text: str) -> int:
    """Requests a day of a quota such as ``5000/d``. Raises ConfigError."""
    found = _FORM.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= MOST:
        raise ConfigError(f"--quota {text}: write requests a day as 5000/d, at most {MOST}/d")
    return int(found[1])
