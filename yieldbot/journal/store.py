"""The journal's file: SQLite, append-only by trigger, each row carrying the hash of the row before it.

``hash = sha256(JSON [seq, at, kind, chain, owner, plan_id, tx_hash, body, previous hash])``. An edited, inserted or
missing row breaks the chain; rows removed at the end do not show (compare ``head()`` with a copy kept elsewhere).
Written with synchronous=FULL: when ``append`` returns, the rows are on the disk.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from yieldbot.errors import InvariantError, TransientError
from yieldbot.journal import checkpoint, looks, verified
from yieldbot.journal.connections import ReadOnly, Written
from yieldbot.journal.entry_codec import encode
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import JournalEntry, Observed
from yieldbot.journal.journal_file import cannot_be_opened, is_damaged, refuse_emptied, refuse_other
from yieldbot.journal.queries import Queries
from yieldbot.journal.relevant import SHORT, Relevant
from yieldbot.journal.rows import COLUMNS, GENESIS, Row, row_digest
from yieldbot.journal.run_entries import RunEnded

SCHEMA_VERSION = 1
APPLICATION_ID = 0x79626A31  # "ybj1" in the SQLite header: no other program's file is taken for a journal
SOME_ROWS = 2000
"""How many of the rows that a checkpoint covers are verified at each opening, a random stretch of them; a journal with
fewer rows is verified as a whole."""

RESTORE = "restore the file from a backup, or move it away after checking the accounts by hand"
_SCHEMA = (
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, chain TEXT NOT NULL,"
    " owner TEXT NOT NULL, plan_id TEXT NOT NULL, tx_hash TEXT NOT NULL, body TEXT NOT NULL, prev TEXT NOT NULL,"
    " hash TEXT NOT NULL) STRICT",
    "CREATE INDEX events_kind ON events (kind)",
    "CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class Journal(Queries):
    """The journal, as a context manager: ``Journal.open`` to write, ``Journal.read`` to read alone.

    Every method may raise InvariantError (the file is damaged, or the disk full) and TransientError (another program
    holds it).
    """

    def __init__(
        self, way: Written | ReadOnly, path: Path, clock: Callable[[], float] = time.time, top: int | None = None
    ) -> None:
        """``clock`` returns the unix seconds that rows are stamped with: this machine's time, only for people."""
        super().__init__(way, path, top)
        self._clock = clock
        self._checkpoint: checkpoint.Checkpoint | None = None
        self._whole_at: int | None = None
        self._unreadable: InvariantError | None = None

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time, *, appended: bool = False) -> Journal:
        """Open or create the journal and verify it (``_verify_once``). Raises InvariantError when it is not sound.

        appended: verify only the rows since this process verified the file last (``journal/verified.py``). For a
        server, which signs nothing, so that a write does not cost more the longer the journal is.
        """
        fresh = not path.exists()
        refuse_other(path)
        refuse_emptied(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:  # readable by the owner alone: plans show what a wallet holds
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as failure:
            raise cannot_be_opened(path, failure) from None
        journal = cls(Written(path), path, clock)
        with journal._way.transaction() as connection:
            known = journal._pragmas(lambda statement: connection.execute(statement).fetchall())
            if not _is_one(path, known):
                for statement in _SCHEMA:
                    connection.execute(statement)
        journal._verify_once(appended)
        return journal

    @classmethod
    def read(cls, path: Path, *, appended: bool = False) -> Journal:
        """The journal as it is now, verified: for commands that write nothing. appended: as for ``open``.

        Rows that are appended later are not seen. Needs no space on the disk and leaves no file beside the journal,
        unless a run was killed and left its log there. Appending to it is refused. Raises InvariantError if the file
        is missing, not sound or unreadable, TransientError if it is being written all the time.
        """
        journal = cls(ReadOnly(path), path)
        journal._top = journal.head()[0] if _is_one(path, journal._pragmas(journal._way.fetch)) else 0
        journal._verify_once(appended)
        return journal

    def close(self) -> None:
        """Release the file; idempotent."""
        if self._relevant is not None:
            self._drop_old_records(self._relevant)
            verified.keep_fold(self.path, self._relevant, self._decoded)
            self._relevant = None
        self._way.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self._keep_checkpoint()
        self.close()

    def __repr__(self) -> str:
        return f"Journal({self.path})"

    def append(self, *entries: JournalEntry) -> None:
        """Write entries durably, all or none.

        Raises InvariantError when none was written: the disk is full, or the file is damaged.
        """
        with self._way.transaction() as connection:
            self._write(connection, entries)

    def append_unless_repeated(self, entry: Observed | RunEnded) -> None:
        """Write an observation, or the end of a cycle, durably; one that only repeats the last one is counted instead
        (``looks.py``), one a day excepted. Raises as ``append``."""
        keys, doc = encode(entry)
        relevant = self.relevant()
        name = looks.name_of(keys, doc)
        with self._way.transaction() as connection:
            if name and looks.repeats(relevant, keys, doc):
                looks.count(connection, name, keys, _text(doc), int(self._clock()))
                return
            earlier = looks.before_other(connection, relevant, keys, doc)
            self._write(connection, (*earlier, entry))

    def _write(self, connection: sqlite3.Connection, entries: Sequence[JournalEntry]) -> None:
        seq, prev = self._head_in(connection)
        for entry in (*looks.before(connection, entries), *entries):
            seq += 1
            keys, doc = encode(entry)
            row = (seq, int(self._clock()), *astuple(keys), _text(doc), prev)
            prev = row_digest(row)
            marks = ", ".join("?" * 10)
            connection.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({marks})", (*row, prev))
        if self._head_in(connection) != (seq, prev):  # a trigger that somebody added since the file was opened
            raise InvariantError(f"journal {self.path} does not keep what is written to it: {RESTORE}")

    def verify(self) -> int:
        """Check every row's hash and number against the row before it, that the file's index finds every row, that it
        has no triggers but our own, and that the checkpoint is what the rows give; returns the count of rows.

        Raises InvariantError naming the first row that was changed.
        """
        relevant: Relevant | None = Relevant(self._rows_of_plan)
        stored, self._unreadable, differs = checkpoint.load(self._fetch), None, False
        seq, prev = 0, GENESIS
        for row in self._pages(0):
            seq, prev = self._linked(row, seq, prev)
            if relevant is None:
                continue
            try:
                relevant.add(row)
            except (ValueError, TypeError, AttributeError, LookupError) as damage:
                self._unreadable = InvariantError(f"journal {self.path}: row {seq} cannot be read: {damage}")
                relevant = None
                continue
            if stored is not None and seq == stored.seq:
                differs = relevant.text() != stored.state
        self._refuse_damaged()
        self._refuse_strange()
        if relevant is not None:
            relevant.all_added()
        self._relevant, self._whole_at = relevant, int(self._clock())
        verified.note(self.path, seq, prev, None)
        if differs:
            checkpoint.remove(self._way)
            raise InvariantError(
                f"journal {self.path}: its checkpoint is not what its rows give: somebody changed it, or the disk "
                "fails. The rows are sound; compare their last hash with one that you keep elsewhere"
            )
        return seq

    def part(self, after: int, most: int) -> tuple[Record, ...]:
        """At most ``most`` rows after number ``after``, oldest first, each of which goes on from the one before."""
        found, seq, prev = list[Record](), after, self._hash_of(after)
        for row in self._pages(after, most):
            seq, prev = self._linked(row, seq, prev)
            found.append(self._record(row))
        return tuple(found)

    def relevant(self) -> Relevant:
        """Which rows count, up to date. Do not change it."""
        if self._unreadable is not None:
            raise self._unreadable
        if self._relevant is None and (kept := verified.take_fold(self.path)) is not None:
            relevant, decoded = kept
            if self._goes_on(relevant.seq, relevant.digest):
                self._relevant, self._decoded = relevant.with_find(self._rows_of_plan), decoded
        if self._relevant is None:
            found = self._checkpoint or checkpoint.load(self._fetch)
            if found is None or not self._goes_on(found.seq, found.hash):
                self.verify()
                return self.relevant()
            self._relevant, self._whole_at = Relevant.from_text(found.state, self._rows_of_plan), found.whole_at
        seq, prev = self._relevant.seq, self._relevant.digest
        for row in self._pages(seq):
            seq, prev = self._linked(row, seq, prev)
            try:
                self._relevant.add(row)
            except (ValueError, TypeError, AttributeError, LookupError) as damage:
                self._relevant = None
                raise InvariantError(f"journal {self.path}: row {seq} cannot be read: {damage}") from None
        return self._relevant

    def _keep_checkpoint(self) -> None:
        """Write a checkpoint if many rows were appended since the last one. A failure changes nothing: the rows are
        there, and the next program tries again."""
        if isinstance(self._way, ReadOnly):
            return
        try:
            known, verified_at = checkpoint.place(self._fetch)
            newer = self._whole_at is not None and 0 < verified_at < self._whole_at
            if self.head()[0] - known < checkpoint.AGAIN_ROWS and not newer:
                return
            relevant = self.relevant()
            whole_at = int(self._clock()) if self._whole_at is None else self._whole_at
            made = checkpoint.Checkpoint(relevant.seq, relevant.digest, whole_at, relevant.text())
            with self._way.transaction() as connection:
                for statement, values in checkpoint.statements(made):
                    connection.execute(statement, values)
        except (InvariantError, TransientError):
            pass

    def derived(self, name: str, version: int) -> checkpoint.Derived | None:
        """What was kept under a name as of a row, if it is sound and the journal goes on from that row; None: nothing
        is."""
        found = checkpoint.load_derived(self._fetch, name, version)
        return found if found is not None and self._goes_on(found.seq, found.hash) else None

    def remove_checkpoints(self) -> None:
        """Remove the checkpoint and what was kept beside it, if the file can be written: they are made again."""
        checkpoint.remove(self._way)

    def derived_up_to(self, name: str, version: int) -> int:
        """Number of the last row that it covers, without reading all of it; 0: there is none."""
        return checkpoint.derived_up_to(self._fetch, name, version)

    def keep_derived(self, name: str, version: int, state: str) -> None:
        """Keep what was made of all rows up to ``relevant().seq``. A failure changes nothing: it is made again."""
        relevant = self.relevant()
        made = checkpoint.Derived(name, version, relevant.seq, relevant.digest, state)
        try:
            with self._way.transaction() as connection:
                for statement, values in checkpoint.derived_statements(made):
                    connection.execute(statement, values)
        except (InvariantError, TransientError):
            pass

    def _verify_once(self, appended: bool) -> None:
        """Verify all of it; or only what was appended since this process verified it last; or, where a checkpoint
        stands, what was appended since, and a random stretch of SOME_ROWS of the rows before.

        Rows on which anything is decided are compared with the checkpoint when they are read.
        """
        since = verified.last(self.path) if appended else None
        verified.forget(self.path)  # whatever fails, all of it is verified the next time
        if since is not None and since.seq and self._goes_on(since.seq, since.digest):
            seq, prev = self._verify_rows(since.seq, since.digest)
            self._refuse_strange()
            verified.note(self.path, seq, prev, since)
            return
        found = checkpoint.load(self._fetch)
        age = 0 if found is None else int(self._clock()) - found.whole_at
        if found is None or not 0 <= age < checkpoint.WHOLE_SECONDS or not self._goes_on(found.seq, found.hash):
            self.verify()  # which names the row, unless the file was cut off at its end
            return
        seq, prev = self._verify_rows(found.seq, found.hash)
        begin = random.randint(1 - SOME_ROWS, found.seq - 1)  # each row is as likely as any other
        first = max(0, begin) if found.seq > SOME_ROWS else 0
        self._verify_rows(first, self._hash_of(first), min(found.seq, max(first, begin) + SOME_ROWS))
        if seq <= SOME_ROWS:
            self._refuse_damaged()
        self._refuse_strange()
        self._checkpoint = found
        verified.note(self.path, seq, prev, None)

    def _goes_on(self, seq: int, digest: str) -> bool:
        """Whether the journal has, and goes on from, a row with this number and hash."""
        row = next(iter(self._rows("seq = ?", (seq,))), None)
        return row is not None and row[9] == row_digest(row[:9]) == digest

    def _hash_of(self, seq: int) -> str:
        rows = self._rows("seq = ?", (seq,)) if seq else []
        if seq and not rows:
            raise self._changed(seq)
        return rows[0][9] if rows else GENESIS

    def _verify_rows(self, seq: int, prev: str, last: int | None = None) -> tuple[int, str]:
        """(number, hash) of the last row. seq, prev: those of the row before the first of these; last: number of the
        last one; None: to the end."""
        for row in self._pages(seq):
            if last is not None and seq >= last:
                break
            seq, prev = self._linked(row, seq, prev)
        if last is not None and seq < last:
            raise self._changed(seq + 1)
        return seq, prev

    def _linked(self, row: Row, seq: int, prev: str) -> tuple[int, str]:
        """(number, hash) of a row that must follow the row with this number and hash."""
        if row[0] != seq + 1 or row[8] != prev or row[9] != row_digest(row[:9]):
            raise self._changed(seq + 1)
        return row[0], row[9]

    def _check_kept(self, relevant: Relevant, row: Row) -> None:
        if row[9] != row_digest(row[:9]) or row[9][:SHORT] != relevant.short_of(row[0]):
            raise self._changed(row[0])

    def _changed(self, seq: int) -> InvariantError:
        return InvariantError(f"journal {self.path}: row {seq} was changed or is missing; {RESTORE}")

    def _refuse_damaged(self) -> None:
        """A damaged index would hide rows."""
        if self._top != 0 and self._fetch("PRAGMA integrity_check(1)")[0][0] != "ok":
            raise is_damaged(self.path)

    def _refuse_strange(self) -> None:
        """A foreign trigger could drop every row that is written; a row numbered below 1 was the last one perhaps, and
        no chain of hashes ends in it."""
        for (least,) in self._fetch("SELECT min(seq) FROM events"):
            if least is not None and least < 1:
                raise InvariantError(f"journal {self.path}: row {least} was changed: rows begin at 1; {RESTORE}")
        for name, statement in self._way.fetch("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"):
            if statement not in _SCHEMA:
                raise InvariantError(f"journal {self.path}: somebody added the trigger {name!r}; {RESTORE}")

    def _head_in(self, connection: sqlite3.Connection) -> tuple[int, str]:
        last = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(last[0]), str(last[1])) if last else (0, GENESIS)

    def _pragmas(self, fetch: Callable[[str], Sequence[Sequence[Any]]]) -> tuple[int, int, int]:
        """(number of tables, version, application id) of the file."""
        tables = fetch("SELECT count(*) FROM sqlite_master")[0][0]
        return int(tables), int(fetch("PRAGMA user_version")[0][0]), int(fetch("PRAGMA application_id")[0][0])


def _is_one(path: Path, known: tuple[int, int, int]) -> bool:
    """Whether the file has the journal's schema; False: it is empty. Raises InvariantError for a file that is not a
    journal of a version that we know."""
    tables, version, application = known
    if not tables and not version:
        return False
    if application != APPLICATION_ID:
        raise InvariantError(f"{path} is not a yieldbot journal; point data_dir elsewhere")
    if version > SCHEMA_VERSION:
        raise InvariantError(
            f"journal {path} has schema {version}, this yieldbot knows {SCHEMA_VERSION}: update yieldbot"
        )
    return True


def _text(doc: dict[str, Any]) -> str:
    return json.dumps(doc, sort_keys=True, separators=(",", ":"), allow_nan=False)
