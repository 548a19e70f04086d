"""Limits of HTTP connections: as many as the process has room for, none that may stay idle for long, and where all are
taken, a new one in place of the oldest idle one of whoever has the most."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import resource
from collections import Counter
from typing import Any, ClassVar

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
    """Most connections at the same time; one more takes the place of an idle one, or is closed at once."""
    _open: ClassVar[dict[Connection, str]] = {}
    """The open connections with whose they are, the oldest first."""

    def __init_subclass__(cls) -> None:
        cls._open = {}  # each server counts its own

    def connection_made(self, transport: Any) -> None:
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._stalled: float | None = None
        self._answered = False
        self._timer: asyncio.TimerHandle | None = None
        self._open[self] = _whose(self.client)
        if len(self.connections) > self.most and not self._make_room():
            transport.abort()
        else:
            self._timer = self.loop.call_later(IDLE_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._open.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _make_room(self) -> bool:
        """End the oldest connection that waits for its caller: of whoever has the most, and one without any answer yet
        first; where all of theirs are being answered, one of anybody. Returns whether there was one."""
        ((whose, _),) = Counter(self._open.values()).most_common(1)
        ended, least = None, (True, True, True)
        for one, its in self._open.items():
            rank = (its != whose, one._answered, False)
            if one is not self and rank < least and one._waits_for_caller():
                ended, least = one, rank
                if not any(rank):
                    break
        if ended is None:
            return False
        del self._open[ended]
        ended.connections.discard(ended)
        ended.transport.abort()
        return True

    def _waits_for_caller(self) -> bool:
        """Whether no answer is being made: for its caller's request, the rest of it, or until the caller takes the
        answer."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body or self._stalled is not None

    def on_response_complete(self) -> None:
        """An answer was sent: the time for the next request's head begins."""
        self._since, self._answered = self.loop.time(), True
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


def _whose(client: tuple[str, int] | None) -> str:
    """The address of a caller; of IPv6 its /64, which one caller has whole."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
