"""The journal's file on the disk: reading it at one moment, and turning every failure into one line with the remedy."""

from __future__ import annotations

import errno
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from yieldbot.errors import DiskFull, InvariantError, JournalHeld, TransientError
from yieldbot.resources import why

Taken = TypeVar("Taken")
MAKING_SECONDS = 2.0
"""For so long a file that another program begins may be empty with SQLite's rollback journal beside it."""
READ_TRIES = 20
"""How often ``read_from`` starts again because a writer changed the file meanwhile; each try takes
milliseconds."""


def read_from(
    path: Path, take: Callable[[sqlite3.Connection], Taken], drop: Callable[[Taken], object] = lambda _: None
) -> Taken:
    """What ``take`` reads from the journal's file as it is at one moment. drop: frees a result of ``take`` that is
    discarded because a writer interfered.

    Without a write-ahead log beside it, the file alone is read (SQLite's ``immutable``: no lock, no file made),
    and read again when a writer came in between. With one, SQLite itself must join the two, for which it may need space
    on the disk. Raises InvariantError for a file that cannot be read, TransientError when READ_TRIES tries were
    disturbed by a writer.
    """
    refuse_other(path)
    for _ in range(READ_TRIES):
        before = _stamps(path)
        joined = before[1] is not None
        try:
            name = f"{path.absolute().as_uri()}?{'mode=ro' if joined else 'immutable=1'}"
            source = sqlite3.connect(name, uri=True, timeout=10)
            try:
                taken = take(source)
            finally:
                source.close()
        except sqlite3.DatabaseError as failure:
            if _stamps(path) == before:
                raise database_error(path, failure) from None
            continue
        if joined or _stamps(path) == before:
            return taken
        drop(taken)
    raise JournalHeld(f"journal {path} is being written; try again in a moment")


def _stamps(path: Path) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """(time of the last write in nanoseconds, size in bytes) of the file and of its write-ahead log; None for one that
    is absent or empty. Raises InvariantError when the system does not say.
    """
    found = []
    for file in (path, Path(f"{path}-wal")):
        try:
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_size) if status.st_size else None)
        except FileNotFoundError:
            found.append(None)
        except OSError as failure:
            raise cannot_be_opened(path, failure) from None
    return found[0], found[1]


def refuse_other(path: Path) -> None:
    """Raise InvariantError for a folder, a device or a FIFO, which SQLite would report as a failing disk."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # reported where it is opened
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is not a regular file"
        raise InvariantError(f"journal {path} {what}: move it away, or correct data_dir")


def refuse_emptied(path: Path) -> None:
    """Raise InvariantError for an empty file with a write-ahead log or a backup beside it: rows were lost.

    An empty file alone is what a run leaves that was killed before its first row. While another program makes the
    journal it looks the same, for a moment: what is new is looked at again for MAKING_SECONDS.
    """
    until = time.monotonic() + MAKING_SECONDS
    while found := _beside_emptied(path):
        new = all(name == f"{path.name}-journal" and time.time() - at < MAKING_SECONDS for name, at in found)
        if new and time.monotonic() < until:
            time.sleep(0.02)
            continue
        names = ", ".join(name for name, _ in found)
        message = f"is empty, though {names} lies beside it: what was signed is no longer known"
        raise InvariantError(f"journal {path} {message}; restore it from a backup before anything is signed")


def _beside_emptied(path: Path) -> list[tuple[str, float]]:
    """What lies beside an empty file and says that rows were lost: (name, unix seconds of its last change)."""
    try:
        if not path.exists() or path.stat().st_size:
            return []
        beside = [one for one in path.parent.glob(f"{path.name}?*") if one.name != f"{path.name}-shm"]
        found = [(one.name, one.stat()) for one in sorted(beside) if one.is_file()]
        return [(name, status.st_mtime) for name, status in found if status.st_size]
    except OSError:
        return []  # reported where it is opened


def cannot_be_opened(path: Path, failure: OSError) -> InvariantError:
    """The error for a file that the system cannot open."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return _disk_fails(path)
    return InvariantError(f"journal {path} cannot be opened: {why(failure, path)}: correct data_dir or its permissions")


def _disk_fails(path: Path) -> InvariantError:
    return DiskFull(
        f"journal {path}: the disk of {path.parent} is full or failing; nothing was written; free space there (`df` "
        "shows it; at least 1 MB), and run again"
    )


def cannot_be_written(path: Path) -> InvariantError:
    """The error for a file that may only be read."""
    return InvariantError(f"journal {path} cannot be written; correct its permissions")


def is_damaged(path: Path) -> InvariantError:
    """The error for a file that is not a valid database."""
    return InvariantError(f"journal {path} is damaged; restore it from a backup before anything is signed")


def database_error(path: Path, failure: BaseException | None) -> InvariantError | TransientError:
    """SQLite's own error as ours, by its primary result code (https://www.sqlite.org/rescode.html)."""
    primary = (getattr(failure, "sqlite_errorcode", 0) or 0) & 0xFF
    match primary:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:  # IOERR: no space for the log's index, or a fault of the disk
            return _disk_fails(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return JournalHeld(f"journal {path} is held by another program; try again when it has ended")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return is_damaged(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return cannot_be_written(path)
        case _:
            return InvariantError(f"journal {path} cannot be used: {failure}")
