"""How many large things run at once on this machine: forks and the opening of keystores. The bound holds for all
processes of a user together, so that many runs that cron starts in the same minute share the memory.

A slot is a lock on a file. The kernel releases it when its process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import resource
import stat
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from weakref import WeakKeyDictionary

from yieldbot.errors import ConfigError

GIB = 2**30
FORK_BYTES, KEY_BYTES = 192 * 2**20, 320 * 2**20
"""The memory that one fork takes, and one scrypt with the usual work factors: an upper end of what was measured."""
MOST_FORKS = 16
MOST_ACCOUNTS = 16
OWN_FILES, ACCOUNT_FILES = 128, 48
"""Files that are open for a run itself, and for each account: connections to three endpoints, and to a fork."""
LEAST_ADDRESSES = 768 * 2**20
"""The address space that a run needs, in bytes: it uses a third, libraries reserve the rest."""
POLL_SECONDS = 0.05
"""Pause between two attempts at a slot."""
PATIENT_SECONDS, QUIET_SECONDS = 5.0, 60.0
"""A wait that is longer is reported, and then no other for so long."""
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """The memory of this machine, or of the container where that has less."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            found = min(found, int(file.read_text()))
    return found


def forks_at_once(cores: int | None = None, memory: int | None = None) -> int:
    """How many forks may run at once: two for each core, in half of the memory."""
    half = (memory_bytes() if memory is None else memory) // 2
    return max(1, min(MOST_FORKS, 2 * (cores or os.cpu_count() or 1), half // FORK_BYTES))


def keys_at_once(cores: int | None = None, memory: int | None = None) -> int:
    """How many keystores may be opened at once: one for each core, in a third of the memory."""
    third = (memory_bytes() if memory is None else memory) // 3
    return max(1, min(cores or os.cpu_count() or 1, third // KEY_BYTES))


def accounts_at_once(files: int | None = None) -> int:
    """How many accounts a run works on at once: as many as the files that the process may open are enough for.
    files: that number; None: this process's."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if files is None else files
    return max(1, min(MOST_ACCOUNTS, (soft - OWN_FILES) // ACCOUNT_FILES)) if soft >= 0 else MOST_ACCOUNTS


def needs_addresses() -> None:
    """Raises ConfigError where ``ulimit -v`` leaves less address space than a run needs."""
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY and soft < LEAST_ADDRESSES:
        raise ConfigError(
            f"`ulimit -v` leaves {soft >> 20} MiB of address space, and a run needs {LEAST_ADDRESSES >> 20}, though it "
            "uses less memory: raise it, and bound memory by systemd's MemoryMax or a container's limit instead"
        )


class Slots:
    """Some slots of one kind, shared by all processes of this user."""

    def __init__(self, kind: str, number: int, folder: Path | None = None) -> None:
        """kind: the name of the lock files. folder: where they are; by default the user's folder for such files, and
        where there is none that only this user may write, the bound holds for this process alone."""
        self.number = number
        self._kind = kind
        self._folder = folder or runtime_folder()
        self._inside = ContextVar[bool](f"holds a slot of {kind}s", default=False)
        self._said = -QUIET_SECONDS
        self._here = threading.BoundedSemaphore(number)
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @property
    def inside(self) -> bool:
        """Whether the caller is in a block of ``held`` or ``entered``."""
        return self._inside.get()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A block whose caller has a slot already, taken by ``take``."""
        self._inside.set(True)
        try:
            yield
        finally:
            self._inside.set(False)

    @asynccontextmanager
    async def held(self, waits: Callable[[str], None] | None = None) -> AsyncIterator[None]:
        """Hold a slot, as long as the block takes; a block in such a block needs no other. waits: see ``take``."""
        if self.inside:
            yield
            return
        slot = await self.take(waits)
        try:
            with self.entered():
                yield
        finally:
            self.give(slot)

    async def take(self, waits: Callable[[str], None] | None = None) -> int:
        """A slot, for ``give``. Whoever asks first in a process gets one first. waits: is called with what is waited
        for if that takes long, at most once in QUIET_SECONDS whoever waits."""
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        with self.reported(waits):
            async with turn:
                while (slot := self._taken()) is None:
                    await asyncio.sleep(POLL_SECONDS * (1 + random.random()))
        return slot

    def give(self, slot: int) -> None:
        """Give back a slot that was taken."""
        if slot >= 0:
            os.close(slot)
        self._here.release()

    @contextmanager
    def reported(self, waits: Callable[[str], None] | None) -> Iterator[None]:
        """A block that waits for a slot, or for what holds one. waits: see ``take``."""
        if waits is None:
            yield
            return

        def say() -> None:
            now = time.monotonic()
            if now - self._said >= QUIET_SECONDS:
                self._said = now
                waits(f"waiting for a {self._kind}: at most {self.number} at once, of this run and others together")

        late = asyncio.get_running_loop().call_later(PATIENT_SECONDS, say)
        try:
            yield
        finally:
            late.cancel()

    @contextmanager
    def held_here(self) -> Iterator[None]:
        """As ``held``, for a thread."""
        while (slot := self._taken()) is None:
            time.sleep(POLL_SECONDS * (1 + random.random()))
        try:
            yield
        finally:
            self.give(slot)

    def _taken(self) -> int | None:
        """The descriptor of a locked file, -1 without a folder; None: all slots are in use."""
        if not self._here.acquire(blocking=False):
            return None
        if self._folder is None:
            return -1
        try:
            for at in range(self.number):
                file = os.open(
                    self._folder / f"{self._kind}-{at}.lock",
                    os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
                    0o600,
                )
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(file)
                    continue
                except OSError:  # a file system without locks
                    os.close(file)
                    return -1
                return file
        except OSError:  # a folder that is gone or full: the bound of this process remains
            return -1
        self._here.release()
        return None


def runtime_folder() -> Path | None:
    """A folder that this user alone may write, made if need be; None: there is none."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    parents = [Path(given) / "yieldbot"] if given else []
    for folder in (*parents, Path(tempfile.gettempdir()) / f"yieldbot-{os.getuid()}"):
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
                return folder
    return None


_MADE = dict[str, Slots]()


def fork_slots() -> Slots:
    """The slots of forks."""
    return _MADE.setdefault("fork", Slots("fork", forks_at_once()))


def key_slots() -> Slots:
    """The slots of keystores that are being opened."""
    return _MADE.setdefault("keystore", Slots("keystore", keys_at_once()))
