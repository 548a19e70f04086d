"""The socket: who may connect, one bounded request a connection, and a bounded time for each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Callable, Collection
from dataclasses import field
from pathlib import Path

from yieldbot.app.signer_requests import HEAD, MOST_REQUEST, problem
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.resources import refuse_if_others_change, why

MOST_CONNECTIONS = 16
"""Most connections at the same time; one more is closed at once."""
PART, MOST_UNREAD_PARTS = 2**16, 32
"""Bytes of a part, and most parts that are read and thrown away after an answer."""
SECONDS = 5.0
"""Seconds that a caller may take to send its request, and again to read its answer."""
LONGEST_PATH = 107
"""Most bytes of a Unix socket's path on Linux (unix(7): ``sun_path`` has 108 bytes, the last of them zero)."""
CREDENTIALS = struct.Struct("3i")
"""Linux's ``struct ucred``: pid, uid, gid."""


@dataclass(slots=True)
class Listener:
    """Accepts connections, checks who connects, and answers one request on each."""

    answer: Callable[[bytes, str], bytes]
    """Called with (the request's bytes, the caller for the audit); returns the answer's bytes. Runs in a thread, one
    call at a time."""
    note: Callable[[str, str, str], None]
    """Called with each line of the audit: (who, what, outcome)."""
    allowed: Collection[int] | None = None
    """User ids that may connect; None: everybody whom the socket's file mode admits."""
    seconds: float = SECONDS
    """Seconds that a caller may take to send its request, and again to read its answer."""
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    """The tasks that serve open connections."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Lock held while a request is answered."""

    async def begin(self, listening: socket.socket) -> asyncio.Server:
        """Accept connections at a listening socket until the returned server is closed."""
        return await asyncio.start_unix_server(self._connected, sock=listening, backlog=MOST_CONNECTIONS)

    async def end(self) -> None:
        """Close every open connection without an answer."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._open.add(task)
        try:
            await self._served(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, uid, gid = CREDENTIALS.unpack(
            writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        )
        who = f"uid {uid} gid {gid}"
        if self.allowed is not None and uid not in self.allowed:
            self.note(who, "connection", "NOT_ALLOWED")
            answer = problem("NOT_ALLOWED", f"user {uid} may not ask: start the signer with --allow")
        else:
            answer = await self._answered(reader, who)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                writer.write(answer)
                writer.write_eof()
                await writer.drain()
                for _ in range(MOST_UNREAD_PARTS):  # a caller that is refused unread would lose our answer otherwise
                    if not await reader.read(PART):
                        break

    async def _answered(self, reader: asyncio.StreamReader, who: str) -> bytes:
        try:
            async with asyncio.timeout(self.seconds):
                (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
                if not 0 < length <= MOST_REQUEST:
                    self.note(who, "a request", "TOO_LARGE")
                    return problem("TOO_LARGE", f"a request has 1 to {MOST_REQUEST} bytes")
                body = await reader.readexactly(length)
        except TimeoutError:
            self.note(who, "a request", "TOO_SLOW")
            return problem("TOO_SLOW", f"the request did not come within {self.seconds:g} s")
        except asyncio.IncompleteReadError:
            self.note(who, "a request", "MALFORMED")
            return problem("MALFORMED", "the request ended early")
        async with self._one:
            return await asyncio.to_thread(self.answer, body, who)


def answers(path: Path) -> bool:
    """Whether a process accepts connections at a socket's path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(path))
        except TimeoutError:  # its queue of connections is full, so it listens
            return True
        except OSError as failure:
            return failure.errno == errno.EAGAIN
    return True


def ended(path: Path, inode: int) -> None:
    """Remove the socket's file if it is still the one that we bound, by its inode number."""
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def bound(path: Path, group: int | None) -> socket.socket:
    """A listening socket with mode 0660. group: the socket's group by number; None: the group of this process.

    Raises ConfigError where the path is too long, the folder does not exist, another process listens there, or other
    users could replace the socket.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(f"--socket {path}: the system takes at most {LONGEST_PATH} bytes: name a shorter path")
    if not path.parent.is_dir():
        raise ConfigError(f"--socket {path}: there is no folder {path.parent}: make it, for our user alone to write")
    refuse_if_others_change(path.parent / ".", "the socket's folder")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        if path.is_symlink() or (path.exists() and not stat.S_ISSOCK(path.stat().st_mode)):
            raise ConfigError(f"--socket {path}: something else is there: name another place")
        if answers(path):
            raise ConfigError(f"--socket {path}: another signer listens there: end it first, or name another place")
        path.unlink(missing_ok=True)  # left over from a signer that was killed
        made.bind(str(path))
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(0o660)
        made.listen(MOST_CONNECTIONS)
        made.setblocking(False)
    except OSError as failure:
        made.close()
        raise ConfigError(f"--socket {path} cannot be listened on: {why(failure, path)}") from None
    finally:
        os.umask(before)
    return made
