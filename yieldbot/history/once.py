"""What memory says is computed once and shared by the jobs of a process.

An answer is kept under everything that it depends on: what was asked, and the files that it was made from
(``files_state``). Files of readings are never changed, so a new reading is a new file, and with it another question.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from yieldbot.history import files

T = TypeVar("T")
State = tuple[tuple[str, int, int, int], ...]
"""Of each file its path, inode, size and time of change in nanoseconds."""

MOST = 8
"""Most answers that are kept of one kind; the one that was used longest ago goes first."""

_lock = Lock()
_kept: dict[str, OrderedDict[Hashable, Any]] = {}


def once(kind: str, question: Hashable, answer: Callable[[], T], most: int = MOST) -> T:
    """The answer to a question, computed unless it is kept. question: all that the answer depends on, with the state of
    the files as it was before they are read; the answer is shared, so nobody may change it. An error is not kept."""
    with _lock:
        known = _kept.setdefault(kind, OrderedDict())
        if question in known:
            known.move_to_end(question)
            found: T = known[question]
            return found
    made = answer()
    with _lock:
        known[question] = made
        known.move_to_end(question)
        while len(known) > most:
            known.popitem(last=False)
    return made


def forget() -> None:
    """Keep nothing of what was computed."""
    with _lock:
        _kept.clear()


def file_state(path: Path) -> tuple[str, int, int, int]:
    """What identifies a file's content; of a file that does not exist its path alone."""
    try:
        said = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return str(path), 0, 0, 0
    return str(path), said.st_ino, said.st_size, said.st_mtime_ns


def files_state(root: Path, chain: str | None = None, start: int | None = None, end: int | None = None) -> State:
    """The state of the files in effect that may hold readings of a chain (None: of all) from ``start`` to ``end``."""
    return tuple(file_state(one.path) for one in files.within(root, chain, start, end))
