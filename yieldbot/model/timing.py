"""When jobs of a server are due: at intervals, or at times of the clock. Pure."""

from __future__ import annotations

import re
from dataclasses import field
from itertools import pairwise

from yieldbot.model.cron import SHORT, Cron
from yieldbot.model.dataclass import dataclass

NEVER = "never"
LEAST_SECONDS = 15
"""Shortest interval, in seconds."""
MOST_SECONDS = 32 * 86_400
"""Longest interval, in seconds."""
JITTER = 0.1
"""Default of the jitter: the fraction of the time to the next run by which a job may be late."""
MOST_JITTER_SECONDS = 60.0
"""Largest default jitter, in seconds."""
_LENGTH = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
JOBS = {
    "observe": "5m",
    "watch": NEVER,
    "settle": NEVER,
    "claim": NEVER,
    "plan": NEVER,
}
"""A server's jobs with their default times; jobs that are due together begin in this order."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a job is due."""

    text: str
    """As it was written, as ``5m`` or ``7 * * * *``."""
    every_seconds: float | None = None
    """Seconds from one start to the next; None: it is due at times of the clock."""
    cron: Cron | None = None
    """The times of the clock, in UTC; None: it is due by interval."""

    @classmethod
    def parse(cls, text: str) -> Timing | None:
        """Parse a time as the configuration has it; None for ``never``. Raises ValueError that says what is wrong."""
        text = text.strip()
        if text == NEVER:
            return None
        if " " in text or text.lower() in SHORT:
            return cls(text, cron=Cron.parse(text))
        seconds = length(text)
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise ValueError(f"write {LEAST_SECONDS}s to {MOST_SECONDS // 86_400}d")
        return cls(text, float(seconds))

    def longest_seconds(self, now: float) -> float:
        """The longest time between two runs, in seconds; for times of the clock the longest gap between the next
        hundred. now: unix seconds."""
        if self.cron is None:
            assert self.every_seconds is not None
            return self.every_seconds
        times = [now]
        for _ in range(100):
            times.append(self.cron.after(times[-1]))
        return max(later - earlier for earlier, later in pairwise(times))


def length(text: str) -> int:
    """Seconds of a length as ``90s``, ``5m``, ``2h`` or ``1d``. Raises ValueError."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time: write 5m, 1h, 7 * * * * (minute, hour, day, month, weekday) or never")
    return int(found[1]) * _SECONDS[found[2]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The table ``[serve]``: the times of a server's jobs."""

    jobs: dict[str, str] = field(default_factory=dict)
    """When each job is due, as written; a job that is missing has its default in ``JOBS``."""
    jitter_seconds: float | None = None
    """Most seconds by which a job may be late; None: a tenth of the time to the next, at most a minute."""
    heartbeat_env: str | None = None
    """Environment variable with the URL that is requested after each successful job; None: there is none."""
