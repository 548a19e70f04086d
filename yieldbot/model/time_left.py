"""How long a step still takes, estimated from what it has done so far. Pure."""

from __future__ import annotations

LEAST_SECONDS = 2.0
"""A step must have lasted so long before its pace says anything."""
_MINUTE, _HOUR = 60, 3600


def about(seconds: float) -> str:
    """A duration as an estimate: "some 25 s", "some 4 min", "some 2.5 h"."""
    if seconds < 100:
        return f"some {max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * _MINUTE:
        return f"some {round(seconds / _MINUTE)} min"
    return f"some {seconds / _HOUR:z.1f} h"


def time_left(done: float, whole: float, spent: float) -> float | None:
    """Seconds that are left after ``spent`` seconds in which ``done`` of the ``whole`` work was done; None: too little
    was done to say."""
    if done <= 0.0 or spent < LEAST_SECONDS or whole <= done:
        return None
    return spent / done * (whole - done)
