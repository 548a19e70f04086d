"""How many requests a caller may make, and how attempts with wrong keys are slowed down: token buckets in memory. Pure
except for the buckets' state."""

from __future__ import annotations

import math
from collections import OrderedDict

from yieldbot.model.dataclass import dataclass

TINY = 1e-6
"""Tolerance, in requests, for rounding errors of times."""
MOST_KNOWN = 10_000
"""Most callers that are remembered; the one seen longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: requests a second on average, and requests at once."""

    a_second: float
    """Requests a second that a caller may make indefinitely."""
    at_once: int
    """Requests that may come together after a pause."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a caller has left."""

    limit: int
    """Requests that may come together (``Rate.at_once``)."""
    remaining: int
    """Number of requests that are admitted now."""
    reset_seconds: int
    """Seconds until the full number of requests is admitted again."""
    wait_seconds: int
    """Seconds until the next may come; 0: this one was let in."""

    @property
    def refused(self) -> bool:
        """Whether this request exceeded the limit."""
        return self.wait_seconds > 0


class Buckets:
    """One token bucket for each caller: filled at the rate, emptied by requests."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float, count: int = 1) -> Left:
        """Let a request in, or return how long to wait. now: seconds of a clock that never goes back."""
        rate = self._rate
        tokens, since = self._known.get(caller, (float(rate.at_once), now))
        tokens = min(float(rate.at_once), tokens + max(0.0, now - since) * rate.a_second)
        let_in = tokens >= count - TINY
        tokens = max(0.0, tokens - count) if let_in else tokens
        self._known[caller] = (tokens, now)
        self._known.move_to_end(caller)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        wait = 0 if let_in else max(1, math.ceil((count - tokens) / rate.a_second))
        full = math.ceil((rate.at_once - tokens) / rate.a_second)
        return Left(rate.at_once, max(0, int(tokens)), full, wait)
