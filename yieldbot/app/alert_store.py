"""Where alerts are kept: ``alerts.json`` in the data directory.

They are not in the journal, whose entries are kept for ever: the last values change with every reading. Who made or
removed an alert is in the journal's audit.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import ConfigError
from yieldbot.resources import read_text, why

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from yieldbot.model.alerts import Kept

FILE = "alerts.json"


@contextmanager
def alone(data_dir: Path) -> Iterator[Path]:
    """Holds a lock on the file and yields its path; waits while another process holds it, which takes no longer than
    one write. Raises ConfigError where the folder cannot be written."""
    file = data_dir / FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(os.open(file.with_suffix(".lock"), os.O_CREAT | os.O_WRONLY, 0o600), "w")
    except OSError as failure:
        raise ConfigError(f"{file} cannot be written: {why(failure, file)}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file


def load(file: Path) -> tuple[Kept, ...]:
    """The alerts, the oldest first; none where there is no file. Raises ConfigError for one that cannot be read."""
    try:
        found: tuple[Kept, ...] = _codec().validate_json(read_text(file))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError):
        raise ConfigError(
            f"{file} cannot be read: restore it from a copy, or move it away and make the alerts anew"
        ) from None
    return found


def save(file: Path, alerts: Sequence[Kept]) -> None:
    """Store alerts, completely or not at all. Raises ConfigError where that is not possible."""
    new = file.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as out:
            out.write(_codec().dump_json(tuple(alerts), indent=1))
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except OSError as failure:
        raise ConfigError(f"{file} cannot be written: {why(failure, file)}") from None


@cache
def _codec() -> TypeAdapter[tuple[Kept, ...]]:
    from pydantic import TypeAdapter

    from yieldbot.model.alerts import Kept

    return TypeAdapter(tuple[Kept, ...])
