"""Decides when audit lines are written: at once while they are few, else gathered, so that a flood of requests cannot
fill the journal."""

from __future__ import annotations

LOOK_SECONDS = 1.0
"""Seconds between two checks for audit lines that are to be written; a process that is killed loses the lines of its
last interval."""
AT_ONCE = 20
"""Number of writes that are made without delay before lines are gathered."""


class AuditPace:
    """A token bucket: allows ``AT_ONCE`` writes at once, and one more for each ``seconds``."""

    def __init__(self, seconds: float) -> None:
        """seconds: how long lines of a flood are gathered."""
        self._seconds, self._left, self._at = seconds, float(AT_ONCE), 0.0

    def due(self, clock: float) -> bool:
        """Whether lines may be written now; if so, a write is counted. clock: seconds of a monotonic clock."""
        self._left = min(AT_ONCE, self._left + max(0.0, clock - self._at) / self._seconds)
        self._at = clock
        if self._left < 1 - 1e-9:  # what is left is a sum of parts
            return False
        self._left -= 1
        return True
