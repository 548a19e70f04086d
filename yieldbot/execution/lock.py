"""One run at a time: a lock on the data directory. The system releases it when the process ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.resources import why


@contextmanager
def run_lock(data_dir: Path) -> Iterator[None]:
    """Hold the directory's lock. Raises, without waiting: YieldbotError (exit code 1) when another run holds it,
    ConfigError when the directory cannot be used."""
    from filelock import FileLock, Timeout

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = data_dir / "run.lock"
        os.close(
            os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        )  # a file that cannot be made is not held by another run
        lock = FileLock(file, timeout=0)
        lock.acquire()
    except Timeout:
        raise YieldbotError(
            f"another run is in progress in {data_dir}; it will end by itself, try again then"
        ) from None
    except OSError as failure:
        remedy = "free space on its disk, correct its permissions, or name another folder"
        cause = why(failure, data_dir / "run.lock")
        raise ConfigError(f"data_dir {data_dir} cannot be used: {cause}: {remedy}") from None
    try:
        yield
    finally:
        lock.release()
