"""What registries list, kept in one SQLite file: entries, the blocks whose events were read, and when each market was
first confirmed.

Each part of the events is one transaction, so that an interrupted reading loses nothing that it had read.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from yieldbot.errors import ConfigError, DiskFull
from yieldbot.model.dataclass import dataclass
from yieldbot.model.discovery import FoundMarket, Listed
from yieldbot.model.json_text import loads

FILE = "discovered.sqlite3"
VERSION = 1
WAIT_SECONDS = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS registry (
  id TEXT PRIMARY KEY, height INTEGER, hash TEXT, last_run INTEGER, times INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS span (registry TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS span_of ON span (registry);
CREATE TABLE IF NOT EXISTS entry (
  registry TEXT NOT NULL, key TEXT NOT NULL, asset TEXT NOT NULL, block INTEGER, tx TEXT NOT NULL,
  first_time INTEGER, read_time INTEGER, gone_time INTEGER, fact TEXT,
  PRIMARY KEY (registry, key)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a registry, with what was read of it last."""

    listed: Listed
    """The entry."""
    first_time: int | None
    """Unix seconds of the run that first confirmed it; None: none has."""
    read_time: int | None
    """Unix seconds at which it was last read; None: never."""
    gone_time: int | None
    """Unix seconds of the run that found it gone; None: it is there."""
    found: FoundMarket | None
    """What was read last; None: nothing was."""


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """What a run read of one entry."""

    found: FoundMarket
    """What its contract states."""
    there: bool | None
    """Whether the registry knows it; None: it could not be read."""


@dataclass(frozen=True, slots=True)
class Known:
    """How far a registry has been read."""

    spans: tuple[tuple[int, int], ...]
    """First and last block of each span whose events were read, in order."""
    height: int | None
    """The last block of the newest reading; None: there was none."""
    hash: str
    """Its hash."""
    last_run: int | None
    """Unix seconds of the last run that read the registry to its end; None: there was none."""


def merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Spans of blocks in order, with those joined that overlap or touch."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def gaps(spans: Iterable[tuple[int, int]], first: int, last: int) -> tuple[tuple[int, int], ...]:
    """The spans from ``first`` to ``last`` that are not covered, the newest first."""
    found, at = [], first
    for start, end in merged(spans):
        if start > at:
            found.append((at, min(start - 1, last)))
        at = max(at, end + 1)
    if at <= last:
        found.append((at, last))
    return tuple(one for one in reversed(found) if one[0] <= one[1] <= last)


def _after_last(db: sqlite3.Connection, registry: str, now: int) -> int:
    """``now``, and later than the registry's last complete run: what is found in the second in which that ended is
    new all the same."""
    row = db.execute("SELECT last_run FROM registry WHERE id = ?", (registry,)).fetchone()
    return now if row is None or row[0] is None else max(now, int(row[0]) + 1)


class FoundStore:
    """The file in a data directory. Raises ConfigError if it cannot be used, DiskFull if the disk takes nothing."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE

    def known(self, registry: str) -> Known:
        with self._open() as db:
            row = db.execute("SELECT height, hash, last_run FROM registry WHERE id = ?", (registry,)).fetchone()
            spans = db.execute("SELECT first, last FROM span WHERE registry = ?", (registry,)).fetchall()
        height, block_hash, last_run = row or (None, "", None)
        return Known(merged(spans), height, block_hash or "", last_run)

    def forget_spans(self, registry: str) -> None:
        """Forget which blocks were read, so that all are read again; entries stay until they are confirmed again."""
        with self._open() as db:
            db.execute("DELETE FROM span WHERE registry = ?", (registry,))

    def add(self, registry: str, listed: Iterable[Listed], span: tuple[int, int] | None) -> int:
        """Store entries, and the span of blocks that they were read from. Returns the number of new entries."""
        with self._open() as db:
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO entry (registry, key, asset, block, tx) VALUES (?, ?, ?, ?, ?)",
                [(registry, one.key, one.asset, one.block, one.tx) for one in listed],
            )
            new = db.total_changes - before
            if span is not None:
                spans = db.execute("SELECT first, last FROM span WHERE registry = ?", (registry,)).fetchall()
                db.execute("DELETE FROM span WHERE registry = ?", (registry,))
                rows = [(registry, *one) for one in merged([*spans, span])]
                db.executemany("INSERT INTO span VALUES (?, ?, ?)", rows)
        return new

    def reached(self, registry: str, height: int, block_hash: str) -> None:
        """Store the last block up to which events were read."""
        with self._open() as db:
            db.execute(
                "INSERT INTO registry (id, height, hash) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET height = excluded.height, hash = excluded.hash",
                (registry, height, block_hash),
            )

    def count(self, registry: str) -> int:
        """Number of entries."""
        with self._open() as db:
            (found,) = db.execute("SELECT count(*) FROM entry WHERE registry = ?", (registry,)).fetchone()
        return int(found)

    def entries(self, registry: str) -> tuple[Entry, ...]:
        """All entries of a registry, by key."""
        with self._open() as db:
            rows = db.execute(
                "SELECT key, asset, block, tx, first_time, read_time, gone_time, fact FROM entry"
                " WHERE registry = ? ORDER BY key",
                (registry,),
            ).fetchall()
        return tuple(
            Entry(Listed(key, asset, block, tx), first, read, gone, None if fact is None else _found(fact))
            for key, asset, block, tx, first, read, gone, fact in rows
        )

    def confirmed(self, registry: str, readings: Sequence[ReadEntry], unlisted: Collection[str], now: int) -> None:
        """Store what was read of entries at ``now`` (unix seconds). unlisted: keys that the registry's own list no
        longer has."""
        with self._open() as db:
            now = _after_last(db, registry, now)
            db.executemany(
                "UPDATE entry SET asset = CASE WHEN :asset = '' THEN asset ELSE :asset END, fact = :fact,"
                " read_time = :now, first_time = CASE WHEN :there = 1 THEN coalesce(first_time, :now)"
                " ELSE first_time END, gone_time = CASE WHEN :there = 1 THEN NULL"
                " WHEN :there = 0 AND first_time IS NOT NULL THEN coalesce(gone_time, :now) ELSE gone_time END"
                " WHERE registry = :registry AND key = :key",
                [
                    {
                        "registry": registry,
                        "key": one.found.key,
                        "asset": one.found.asset,
                        "fact": json.dumps(asdict(one.found)),
                        "now": now,
                        "there": one.there,
                    }
                    for one in readings
                ],
            )
            db.executemany(
                "UPDATE entry SET gone_time = coalesce(gone_time, ?) WHERE registry = ? AND key = ?"
                " AND first_time IS NOT NULL",
                [(now, registry, key) for key in unlisted],
            )

    def finished(self, registry: str, now: int) -> None:
        """Store that the registry was read to its end at ``now`` (unix seconds)."""
        with self._open() as db:
            now = _after_last(db, registry, now)
            db.execute(
                "INSERT INTO registry (id, last_run, times) VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET"
                " last_run = excluded.last_run, times = times + 1",
                (registry, now),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction on the file, which is made if it is missing, readable by its owner only."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as failure:
            raise ConfigError(f"{self.path} cannot be made ({failure.strerror}): correct data_dir") from None
        db = None
        try:
            db = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
            db.execute("PRAGMA synchronous = FULL")
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise ConfigError(f"{self.path} is of another version of yieldbot: update, or move it away")
            if version == 0:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as failure:
            code = (getattr(failure, "sqlite_errorcode", 0) or 0) & 0xFF
            if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise DiskFull(f"{self.path} cannot be written: free space on its disk (`df` shows it)") from None
            remedy = "move it away: the next `yieldbot discover` reads everything again"
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                remedy = "another program holds it: try again when that has ended"
            raise ConfigError(f"{self.path} cannot be used ({failure}): {remedy}") from None
        finally:
            if db is not None:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                db.close()


def _found(text: str) -> FoundMarket | None:
    """A stored reading; None if it cannot be decoded: it is read again."""
    try:
        fields = loads(text)
        if not isinstance(fields, Mapping):
            return None
        return FoundMarket(**{**fields, "limits": tuple(fields.get("limits", ()))})
    except (TypeError, ValueError):
        return None
