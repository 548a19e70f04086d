"""The checkpoint: which rows of the journal still count (``relevant.py``), as of one row, kept in the journal's file.

It is derived from the rows and may be deleted at any time. It is used only if it has the version of this program, its
own digest is right, and the row that it names still has the hash that it names; else all rows are read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from yieldbot.errors import InvariantError, TransientError
from yieldbot.journal.connections import ReadOnly, Written
from yieldbot.journal.relevant import VERSION
from yieldbot.model.dataclass import dataclass

WHOLE_SECONDS = 7 * 86_400
"""After this time all rows are verified and read again, and the checkpoint is made anew."""
AGAIN_ROWS = 1000
"""How many rows are appended before the next checkpoint is written."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, hash TEXT NOT NULL, whole_at INTEGER NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL)"
    " STRICT",
    "CREATE INDEX IF NOT EXISTS events_plan ON events (plan_id) WHERE plan_id <> ''",
    "CREATE INDEX IF NOT EXISTS events_tx ON events (tx_hash) WHERE tx_hash <> ''",
)
"""Made with the first checkpoint; programs that know no checkpoints ignore them."""
DERIVED = (
    "CREATE TABLE IF NOT EXISTS derived (name TEXT PRIMARY KEY, version INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " hash TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL) STRICT"
)
"""What other rooms made of the rows up to one, by name: kept and believed as a checkpoint is."""

Fetch = Callable[[str, tuple[Any, ...]], Sequence[Sequence[Any]]]
"""Runs one SELECT."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as it was written."""

    seq: int
    """Number of the last row that it covers."""
    hash: str
    """That row's hash."""
    whole_at: int
    """When all rows were last verified, in unix seconds by this machine's clock."""
    state: str
    """``Relevant.text()``."""


def load(fetch: Fetch) -> Checkpoint | None:
    """The checkpoint; None: there is none that this program can use."""
    if not fetch("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'checkpoint'", ()):
        return None
    for version, seq, row_hash, whole_at, state, digest in fetch(
        "SELECT version, seq, hash, whole_at, state, digest FROM checkpoint", ()
    ):
        found = Checkpoint(seq, row_hash, whole_at, state)
        if version == VERSION and digest == _digest(found):
            return found
    return None


def place(fetch: Fetch) -> tuple[int, int]:
    """(number of the last row, ``whole_at``) of the checkpoint of this program's version, without reading all of it;
    (0, 0): there is none."""
    if not fetch("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'checkpoint'", ()):
        return 0, 0
    for seq, whole_at in fetch("SELECT seq, whole_at FROM checkpoint WHERE version = ?", (VERSION,)):
        return int(seq), int(whole_at)
    return 0, 0


@dataclass(frozen=True, slots=True)
class Derived:
    """What another room made of all rows up to one."""

    name: str
    """What it is."""
    version: int
    """Of the rules by which it was made."""
    seq: int
    """Number of the last row that it covers."""
    hash: str
    """That row's hash."""
    state: str
    """Its text."""

    @property
    def digest(self) -> str:
        """Hash of all of it."""
        text = json.dumps([VERSION, self.name, self.version, self.seq, self.hash, self.state], separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def load_derived(fetch: Fetch, name: str, version: int) -> Derived | None:
    """What was kept under a name; None: nothing of this version, or it was changed."""
    if not fetch("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'derived'", ()):
        return None
    select = "SELECT seq, hash, state, digest FROM derived WHERE name = ? AND version = ?"
    for seq, row_hash, state, digest in fetch(select, (name, version)):
        found = Derived(name, version, seq, row_hash, state)
        if digest == found.digest:
            return found
    return None


def derived_up_to(fetch: Fetch, name: str, version: int) -> int:
    """Number of the last row that it covers, without reading all of it; 0: there is none."""
    if not fetch("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'derived'", ()):
        return 0
    found = fetch("SELECT seq FROM derived WHERE name = ? AND version = ?", (name, version))
    return int(found[0][0]) if found else 0


def derived_statements(found: Derived) -> list[tuple[str, tuple[Any, ...]]]:
    """What writes it, in one transaction."""
    values = (found.name, found.version, found.seq, found.hash, found.state, found.digest)
    insert = "INSERT OR REPLACE INTO derived (name, version, seq, hash, state, digest) VALUES (?, ?, ?, ?, ?, ?)"
    return [(DERIVED, ()), (insert, values)]


def statements(found: Checkpoint) -> list[tuple[str, tuple[Any, ...]]]:
    """What writes a checkpoint, in one transaction."""
    values = (VERSION, found.seq, found.hash, found.whole_at, found.state, _digest(found))
    insert = "INSERT OR REPLACE INTO checkpoint (id, version, seq, hash, whole_at, state, digest)"
    return [*((one, ()) for one in TABLES), (f"{insert} VALUES (1, ?, ?, ?, ?, ?, ?)", values)]


def remove(way: Written | ReadOnly) -> None:
    """Remove the checkpoint, if the file can be written: the next program makes one from the rows."""
    try:
        with (Written(way.path) if isinstance(way, ReadOnly) else way).transaction() as connection:
            for made, name in ((TABLES[0], "checkpoint"), (DERIVED, "derived")):
                connection.execute(made)
                connection.execute(f"DELETE FROM {name}")
    except (InvariantError, TransientError):
        pass


def _digest(found: Checkpoint) -> str:
    text = json.dumps([VERSION, found.seq, found.hash, found.whole_at, found.state], separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
