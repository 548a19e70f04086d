"""Limits of HTTP connections: as many as the process has room for, and none that may stay idle for long."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 1000
"""Most connections at the same time."""
IDLE_SECONDS = 20.0
"""Seconds that a connection may take to send a request's head, or to accept more of an answer."""
FILES = 4096
"""Limit of open files that the process requests from the system."""


def room() -> int:
    """Number of connections that fit: at most half of the files that the process may open; the rest is for databases
    and workers. First raises the process's own limit as far as permitted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return MOST if soft == resource.RLIM_INFINITY else max(8, min(MOST, soft // 2))


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with timeouts, since uvicorn itself waits without limit for a first request and
    for a slow reader."""

    most = MOST
    """Most connections at the same time; one more is closed at once."""

    def connection_made(self, transport: Any) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._stalled: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._timer = self.loop.call_later(IDLE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """An answer was sent: the time for the next request's head begins."""
        self._since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The caller accepts no more data for now."""
        self._stalled = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller accepted the waiting data."""
        self._stalled = None
        super().resume_writing()

    def _look(self) -> None:
        """Close the connection if its caller exceeded the time limit; else check again when it could be exceeded."""
        answering = self.cycle is not None and not self.cycle.response_complete
        waits = self._stalled if answering else self._since
        now = self.loop.time()
        if waits is not None and now - waits >= IDLE_SECONDS:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(IDLE_SECONDS - (now - waits if waits is not None else 0.0), self._look)
