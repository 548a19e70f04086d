"""How far this process has verified a journal's file, so that a long-running process need not verify all of it each
time that it writes one row."""

from __future__ import annotations

import time
from pathlib import Path

from yieldbot.journal.fold import Record
from yieldbot.journal.relevant import Relevant
from yieldbot.model.dataclass import dataclass

WHOLE_SECONDS = 600.0
"""After this many seconds a file is verified as a whole again."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A state of a file that was verified."""

    file: tuple[int, int]
    """Device and inode number: another file under the same name is not this one."""
    seq: int
    """Number of the last row."""
    digest: str
    """Hash of the last row."""
    whole_at: float
    """When the whole file was last verified, in seconds of a monotonic clock."""


_verified: dict[Path, Verified] = {}


def last(path: Path) -> Verified | None:
    """The state of the file that this process verified last. None if there is none, if another file is there now, or if
    it is time to verify all of it."""
    found = _verified.get(path.absolute())
    if found is None or found.file != _file(path) or time.monotonic() - found.whole_at >= WHOLE_SECONDS:
        return None
    return found


def note(path: Path, seq: int, digest: str, since: Verified | None) -> None:
    """Remember that the file is sound up to this row. since: the state from which it was verified; None: all was."""
    whole_at = time.monotonic() if since is None else since.whole_at
    _verified[path.absolute()] = Verified(_file(path), seq, digest, whole_at)


def forget(path: Path) -> None:
    """Verify the whole file the next time."""
    _verified.pop(path.absolute(), None)


def keep_fold(path: Path, relevant: Relevant, decoded: dict[int, Record]) -> None:
    """Keep what was folded for the next time that this process reads the file."""
    _folds[path.absolute()] = _file(path), relevant, decoded


def take_fold(path: Path) -> tuple[Relevant, dict[int, Record]] | None:
    """What ``keep_fold`` kept, once: nobody else gets it meanwhile. None: nothing, or of another file."""
    found = _folds.pop(path.absolute(), None)
    return None if found is None or found[0] != _file(path) else (found[1], found[2])


_folds: dict[Path, tuple[tuple[int, int], Relevant, dict[int, Record]]] = {}


def _file(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino
