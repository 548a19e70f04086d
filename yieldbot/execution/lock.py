"""Locks on the data directory, so that only one process of each kind works at a time. The operating system releases
them when a process ends in any way. Whoever holds the lock of runs writes beside it who it is and what it does."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import ConfigError, RunInProgress, YieldbotError
from yieldbot.model import json_text
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line
from yieldbot.resources import head, why

if TYPE_CHECKING:
    from filelock import BaseFileLock

HOLDER = "run.holder"
"""The file in the data directory that describes the run in progress."""
_MOST_BYTES, _LONGEST = 4096, 200


@dataclass(frozen=True, slots=True)
class Held:
    """The lock of runs, held by this process."""

    file: Path
    """The file that describes the holder."""
    work: str
    """What it does, as ``run``."""
    began: int
    """When it began, in unix seconds."""
    lock: BaseFileLock
    """The lock itself."""

    @contextmanager
    def aside(self, stage: str) -> Iterator[None]:
        """Let others have the lock meanwhile. Raises RunInProgress afterwards if another has it then; after an
        exception it is not taken again."""
        self.at(stage)
        self.left()
        self.lock.release()
        yield
        from filelock import Timeout  # a twentieth of a second to load

        try:
            self.lock.acquire()
        except Timeout:
            raise _busy(self.file.parent) from None
        self.at(stage)

    def at(self, stage: str) -> None:
        """Keep the step that the work is at, for whoever finds the lock taken. A disk that takes nothing stops no
        run."""
        facts = {"work": self.work, "pid": os.getpid(), "user": _user(), "began": self.began}
        text = json.dumps(facts | {"stage": one_line(stage, _LONGEST)})
        draft = self.file.with_name(f"{self.file.name}.new")
        with suppress(OSError):
            draft.unlink(missing_ok=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            draft.replace(self.file)

    def left(self) -> None:
        """Remove the description."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)


@contextmanager
def run_lock(data_dir: Path, work: str = "run") -> Iterator[Held]:
    """Hold the directory's lock of runs. work: what is done under it, for others' messages. Raises, without waiting:
    RunInProgress (exit code 6) where another has it, ConfigError when the directory cannot be used."""
    try:
        with _held(data_dir, "run.lock", 0o644) as lock:
            held = Held(data_dir / HOLDER, work, int(time.time()), lock)
            held.left()  # of a process that was killed, so that it is never named as the holder
            held.at("starting")
            try:
                yield held
            finally:
                if lock.is_locked:  # else the description is another's
                    held.left()
    except _Busy:
        raise _busy(data_dir) from None


def _busy(data_dir: Path) -> RunInProgress:
    return RunInProgress(
        f"another run is in progress in {data_dir}{holder(data_dir)}; it will end by itself, try again then"
    )


@contextmanager
def only_one(data_dir: Path, file: str, what: str) -> Iterator[None]:
    """Hold a lock for a long-running process, such as a server. file: the lock file's name; what: the process's name
    for messages, as ``signer``. Raises YieldbotError if another such process runs, ConfigError as ``run_lock``."""
    try:
        with _held(data_dir, file, 0o600):
            yield
    except _Busy:
        raise YieldbotError(f"another {what} runs on {data_dir}: end it first") from None


def holder(data_dir: Path) -> str:
    """``: `run` of anna (process 7), since 2026-01-02 03:04:05 UTC, at: ...``; empty where it cannot be known."""
    try:
        facts = json_text.loads(head(data_dir / HOLDER, _MOST_BYTES))
        work, pid, user, began, stage = (facts[key] for key in ("work", "pid", "user", "began", "stage"))
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(began)))
        return one_line(f": `{work}` of {user} (process {int(pid)}), since {since}, at: {stage}", 2 * _LONGEST)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, ConfigError):
        return ""


class _Busy(Exception):
    """Another process has the lock."""


@contextmanager
def _held(data_dir: Path, name: str, mode: int) -> Iterator[BaseFileLock]:
    from filelock import FileLock, Timeout

    file = data_dir / name
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # if the folder cannot be made, no process holds its lock
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode))
        lock = FileLock(file, timeout=0)
        lock.acquire()
    except Timeout:
        raise _Busy from None
    except OSError as failure:
        remedy = "free space on its disk, correct its permissions, or name another folder"
        raise ConfigError(f"data_dir {data_dir} cannot be used: {why(failure, file)}: {remedy}") from None
    try:
        yield lock
    finally:
        lock.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"user {os.getuid()}"
