"""Locks on the data directory, so that only one process of each kind works at a time. The operating system releases
them when a process ends in any way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.resources import why


@contextmanager
def run_lock(data_dir: Path) -> Iterator[None]:
    """Hold the directory's lock of runs. Raises, without waiting: YieldbotError (exit code 1) where another run has it,
    ConfigError when the directory cannot be used."""
    busy = f"another run is in progress in {data_dir}; it will end by itself, try again then"
    with _held(data_dir, "run.lock", 0o644, busy):
        yield


@contextmanager
def only_one(data_dir: Path, file: str, what: str) -> Iterator[None]:
    """Hold a lock for a long-running process, such as a server. file: the lock file's name; what: the process's name
    for messages, as ``signer``. Raises YieldbotError if another such process runs, ConfigError as ``run_lock``."""
    with _held(data_dir, file, 0o600, f"another {what} runs on {data_dir}: end it first"):
        yield


@contextmanager
def _held(data_dir: Path, name: str, mode: int, busy: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    file = data_dir / name
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # if the folder cannot be made, no process holds its lock
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode))
        lock = FileLock(file, timeout=0)
        lock.acquire()
    except Timeout:
        raise YieldbotError(busy) from None
    except OSError as failure:
        remedy = "free space on its disk, correct its permissions, or name another folder"
        raise ConfigError(f"data_dir {data_dir} cannot be used: {why(failure, file)}: {remedy}") from None
    try:
        yield
    finally:
        lock.release()
