"""When lines of the audit are written: at once while they are few, else gathered, so that a flood of requests cannot
fill the journal."""

from __future__ import annotations

LOOK_SECONDS = 1.0
"""How often a process looks for lines that are to be written; as many seconds of them are lost if it is killed while
they are few."""
AT_ONCE = 20
"""Writes that need not be gathered."""


class AuditPace:
    """Allows ``AT_ONCE`` writes at once, and one more for each ``seconds``."""

    def __init__(self, seconds: float) -> None:
        """seconds: how long lines of a flood are gathered."""
        self._seconds, self._left, self._at = seconds, float(AT_ONCE), 0.0

    def due(self, clock: float) -> bool:
        """Whether lines may be written now; if so, this counts as one write. clock: seconds of a monotonic clock."""
        self._left = min(AT_ONCE, self._left + max(0.0, clock - self._at) / self._seconds)
        self._at = clock
        if self._left < 1 - 1e-9:  # what is left is a sum of parts
            return False
        self._left -= 1
        return True
