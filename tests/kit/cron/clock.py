"""A wall clock that can be moved on, in place of ``time.time`` in this process, before yieldbot is imported."""

from __future__ import annotations

import time


class Clock:
    """Unix seconds that go on at the usual speed, and jump where it is told to."""

    def __init__(self, at: float) -> None:
        self._at, self._began = at, time.monotonic()

    def now(self) -> float:
        return self._at + time.monotonic() - self._began

    def go_to(self, at: float) -> None:
        self._at, self._began = at, time.monotonic()


CLOCK = Clock(time.time())


def install() -> None:
    """Let all of this process go by CLOCK. Defaults of parameters (``clock=time.time``) are taken when a module is
    imported, so this comes first."""
    time.time = CLOCK.now
