"""Counts the use of API keys to detect a spike in requests; and the part of an IP address that counts as one place."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from yieldbot.access.keys import plain
from yieldbot.model.dataclass import dataclass

MINUTE = 60
SPIKE_TIMES, SPIKE_LEAST = 10, 300
"""A minute counts as a spike if it has SPIKE_TIMES the usual number of requests, and at least SPIKE_LEAST."""
USUAL_MINUTES = 60
"""Minutes over which the usual number is averaged."""
LEAST_MINUTES = 5
"""Minutes of use before there is a usual number."""
MOST_KEYS = 10_000


@dataclass(slots=True)
class _Minute:
    at: int
    """The minute's number since 1970."""
    count: int = 0
    """Requests in this minute."""
    mean: float = 0.0
    """Mean number of requests in earlier minutes in which the key was used."""
    minutes: int = 0
    """Number of earlier minutes in which the key was used."""


class Usage:
    """Requests of each key in the present minute, and its usual number a minute. Pure except for its state."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Minute] = OrderedDict()

    def spike(self, name: str, now: float) -> float | None:
        """Count one request. Returns the usual number a minute where this request makes the minute a spike, once for
        each minute; else None."""
        one = self._known.setdefault(name, _Minute(int(now // MINUTE)))
        self._known.move_to_end(name)
        while len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        if (minute := int(now // MINUTE)) != one.at:
            one.minutes += 1
            one.mean += (one.count - one.mean) / min(one.minutes, USUAL_MINUTES)
            one.at, one.count = minute, 0
        one.count += 1
        limit = max(SPIKE_LEAST, int(SPIKE_TIMES * one.mean) + 1)
        return one.mean if one.minutes >= LEAST_MINUTES and one.count == limit else None


def place_of(address: str) -> str:
    """The part of an IP address by which callers are distinguished: of IPv6 the /64, which is one customer's."""
    try:
        found = plain(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
