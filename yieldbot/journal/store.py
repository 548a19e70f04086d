"""The journal's file: SQLite, append-only by trigger, each row carrying the hash of the row before it.

``hash = sha256(JSON [seq, at, kind, chain, owner, plan_id, tx_hash, body, previous hash])``. An edited, inserted or
missing row breaks the chain; rows cut from the end do not show (compare ``head()`` with a copy kept elsewhere).
Written with synchronous=FULL: when ``append`` returns, the rows are on the disk.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.errors import InvariantError, TransientError
from yieldbot.journal.events import Event, Keys, PlanStatus, TxSigned, decode, encode
from yieldbot.journal.fold import (
    Record,
    StoredPlan,
    StoredTx,
    fold_plans,
    fold_stopped,
    fold_transactions,
)
from yieldbot.model.ids import Address, ChainId
from yieldbot.resources import why

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SCHEMA_VERSION = 1
APPLICATION_ID = 0x79626A31  # "ybj1" in the SQLite header: no other program's file is taken for a journal
GENESIS = "0" * 64

RESTORE = "restore the file from a backup, or move it away after checking the accounts by hand"
READ_TRIES = 20
"""How often ``Journal.read`` begins again because a writer came in between; each try takes milliseconds."""

_COLUMNS = "seq, at, kind, chain, owner, plan_id, tx_hash, body, prev, hash"
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

_Row = tuple[int, int, str, str, str, str, str, str, str, str]


class Journal:
    """Open with ``Journal.open(path)``; use as a context manager. Every method may raise InvariantError.

    ``clock`` gives the unix seconds written into rows (this machine's time, for people; nothing is decided by it).
    """

    def __init__(self, engine: Engine, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock
        self.path = path

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time) -> Journal:
        """Open or create the journal and verify its chain. Raises InvariantError when it is not sound."""
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        fresh = not path.exists()
        _refuse_other(path)
        _refuse_emptied(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:  # owner alone may read: plans tell what a wallet holds
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as failure:
            raise _unopened(path, failure) from None
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 10})

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # our own BEGIN, below
            connection.text_factory = _text
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        journal = cls(engine, path, clock)
        journal._prepare()
        journal.verify()
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """The journal as it is now, in memory and verified: for commands that write nothing.

        Needs no space on the disk and leaves no file beside the journal, unless a run was killed and left its log
        there. Appending to it is refused. Raises InvariantError when the file is not there, not sound or cannot be
        read, TransientError when it is being written all the time.
        """
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import StaticPool

        copy = _copied(path)
        engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: copy)

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            connection.text_factory = _text

        journal = cls(engine, path)
        journal._prepare()
        copy.execute("PRAGMA query_only = 1")
        journal.verify()
        return journal

    def close(self) -> None:
        """Release the file; idempotent."""
        self._engine.dispose()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Journal({self.path})"

    def append(self, *events: Event) -> None:
        """Write events durably, all or none. Raises InvariantError (disk full, file damaged): none was written."""
        with self._transaction() as connection:
            seq, prev = self._head(connection)
            for happened in events:
                seq += 1
                keys, doc = encode(happened)
                body = json.dumps(doc, sort_keys=True, separators=(",", ":"), allow_nan=False)
                row = (seq, int(self._clock()), *astuple(keys), body, prev)
                prev = _digest(row)
                marks = ", ".join("?" * 10)
                connection.exec_driver_sql(f"INSERT INTO events ({_COLUMNS}) VALUES ({marks})", (*row, prev))
            if self._head(connection) != (seq, prev):  # somebody's trigger, added since the file was opened
                raise InvariantError(f"journal {self.path} does not keep what is written to it: {RESTORE}")

    def verify(self) -> int:
        """Check every row's hash and number against the row before it, that the file's index finds every row, and that
        it has no triggers but our own; returns the count of rows.

        Raises InvariantError naming the first row that was changed.
        """
        expected_seq, prev = 1, GENESIS
        for row in self._rows("", ()):
            if row[0] != expected_seq or row[8] != prev or row[9] != _digest(row[:9]):
                raise InvariantError(f"journal {self.path}: row {expected_seq} was changed or is missing; {RESTORE}")
            expected_seq, prev = expected_seq + 1, row[9]
        with self._transaction() as connection:  # a damaged index would hide transactions that are still open
            if connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one() != "ok":
                raise _damaged(self.path)
            triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            for name, statement in triggers:  # one of somebody else's could drop each row that is written
                if statement not in _SCHEMA:
                    raise InvariantError(f"journal {self.path}: somebody added the trigger {name!r}; {RESTORE}")
        return expected_seq - 1

    def head(self) -> tuple[int, str]:
        """The last row's number and hash: (0, 64 zeros) for an empty journal. Keep it elsewhere to notice a cut."""
        with self._transaction() as connection:
            return self._head(connection)

    def history(self, limit: int | None = None) -> tuple[Record, ...]:
        """The last ``limit`` events (all for None), oldest first."""
        if limit is None:
            return self._records("", ())
        return self._records(f"WHERE seq > (SELECT coalesce(max(seq), 0) FROM events) - {int(limit)}", ())

    def plan(self, plan_id: str) -> StoredPlan | None:
        """One plan by its id, or None."""
        return fold_plans(self._records("WHERE kind GLOB 'plan.*' AND plan_id = ?", (plan_id,))).get(plan_id)

    def plans(self, status: PlanStatus | None = None) -> tuple[StoredPlan, ...]:
        """Plans in the order they were written, those of one status or all."""
        stored = self._folded(fold_plans, "WHERE kind GLOB 'plan.*'", ()).values()
        return tuple(plan for plan in stored if status is None or plan.status is status)

    def transactions(self, chain: ChainId | None = None, owner: Address | None = None) -> tuple[StoredTx, ...]:
        """Signed transactions in order, of one account or all."""
        if chain is None or owner is None:
            return tuple(self._folded(fold_transactions, "WHERE kind GLOB 'tx.*'", ()).values())
        where = "WHERE kind GLOB 'tx.*' AND chain = ? AND owner = ?"
        return tuple(self._folded(fold_transactions, where, (chain, owner)).values())

    def transaction(self, tx_hash: str) -> StoredTx | None:
        """One transaction by its hash, or None."""
        where = "WHERE kind GLOB 'tx.*' AND tx_hash = ?"
        return self._folded(fold_transactions, where, (tx_hash,)).get(tx_hash)

    def open_transactions(self, chain: ChainId, owner: Address) -> tuple[StoredTx, ...]:
        """The account's signed transactions without an outcome, in order of signing."""
        return tuple(tx for tx in self.transactions(chain, owner) if tx.outcome is None)

    def signed(self, tx_hash: str) -> TxSigned | None:
        """What was signed under a hash, or None."""
        found = self.transaction(tx_hash)
        return found.signed if found else None

    def stopped_accounts(self) -> dict[tuple[ChainId, Address], str]:
        """Accounts that may sign nothing, with the reason of each."""
        return self._folded(fold_stopped, "WHERE kind GLOB 'account.*'", ())

    def _folded(
        self, fold: Callable[[Iterable[Record]], dict[Any, Any]], where: str, values: tuple[str, ...]
    ) -> dict[Any, Any]:
        try:
            return fold(self._records(where, values))
        except ValueError as damage:
            raise InvariantError(f"journal {self.path} contradicts itself: {damage}") from None

    def _records(self, where: str, values: tuple[str, ...]) -> tuple[Record, ...]:
        return tuple(self._record(row) for row in self._rows(where, values))

    def _record(self, row: _Row) -> Record:
        try:
            return Record(row[0], row[1], decode(Keys(*row[2:7]), json.loads(row[7])))
        except (ValueError, TypeError, AttributeError) as damage:
            raise InvariantError(f"journal {self.path}: row {row[0]} cannot be read: {damage}") from None

    def _rows(self, where: str, values: tuple[str, ...]) -> Sequence[_Row]:
        with self._transaction() as connection:
            found = connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM events {where} ORDER BY seq", values)
            return [_row(row) for row in found]

    def _head(self, connection: Connection) -> tuple[int, str]:
        last = connection.exec_driver_sql("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").first()
        return (int(last[0]), str(last[1])) if last else (0, GENESIS)

    def _prepare(self) -> None:
        """Create the schema in an empty file; refuse a file that is not a journal of a version we know."""
        with self._transaction() as connection:

            def pragma(name: str) -> int:
                return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

            tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
            if not tables and pragma("user_version") == 0:
                for statement in _SCHEMA:
                    connection.exec_driver_sql(statement)
                return
            if pragma("application_id") != APPLICATION_ID:
                raise InvariantError(f"{self.path} is not a yieldbot journal; point data_dir elsewhere")
            version = pragma("user_version")
            if version > SCHEMA_VERSION:
                raise InvariantError(
                    f"journal {self.path} has schema {version}, this yieldbot knows {SCHEMA_VERSION}: update yieldbot"
                )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One write transaction; the database's own errors become one line that says what to do."""
        from sqlalchemy.exc import DatabaseError

        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as failure:
            raise _database_error(self.path, failure.orig) from None
        except UnicodeDecodeError:  # SQLite's own words about a damaged schema, which quote it
            raise _damaged(self.path) from None


def _text(stored: bytes) -> str:
    """Text that somebody has damaged is no other error than a changed row: its hash does not hold."""
    return stored.decode("utf-8", "surrogateescape")


def _row(row: Any) -> _Row:
    return (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])


def _digest(row: Sequence[Any]) -> str:
    text = json.dumps(list(row), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _copied(path: Path) -> sqlite3.Connection:
    """The file's content in memory.

    Without a write-ahead log beside it the file alone is read (``immutable``: no lock, no file made), and read again
    when a writer came in between. With one, SQLite must join the two, for which it may need space of its own.
    """
    _refuse_other(path)
    for _ in range(READ_TRIES):
        before = _stamps(path)
        joined = before[1] is not None
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            name = f"{path.absolute().as_uri()}?{'mode=ro' if joined else 'immutable=1'}"
            source = sqlite3.connect(name, uri=True, timeout=10)
            try:
                source.backup(copy)
            finally:
                source.close()
        except sqlite3.DatabaseError as failure:
            copy.close()
            if _stamps(path) == before:
                raise _database_error(path, failure) from None
            continue
        if joined or _stamps(path) == before:
            return copy
        copy.close()
    raise TransientError(f"journal {path} is being written; try again in a moment")


def _stamps(path: Path) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """When the file and its write-ahead log were last written, and their sizes; None for one that is absent or empty.

    Raises InvariantError when this cannot be told.
    """
    found = []
    for file in (path, Path(f"{path}-wal")):
        try:
            status = file.stat()
            found.append((status.st_mtime_ns, status.st_size) if status.st_size else None)
        except FileNotFoundError:
            found.append(None)
        except OSError as failure:
            raise _unopened(path, failure) from None
    return found[0], found[1]


def _refuse_other(path: Path) -> None:
    """Raise InvariantError for what is neither a file nor absent: SQLite tells a FIFO as a failing disk."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # told where it is opened
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        raise InvariantError(f"journal {path} {what}: move it away, or correct data_dir")


def _refuse_emptied(path: Path) -> None:
    """Raise InvariantError for an empty file beside which lies what only a journal with rows leaves, or a copy of
    one. Alone it is what a start leaves that was killed before its first row."""
    try:
        if not path.exists() or path.stat().st_size:
            return
        beside = [one for one in path.parent.glob(f"{path.name}?*") if one.name != f"{path.name}-shm"]
        if found := [one.name for one in sorted(beside) if one.is_file() and one.stat().st_size]:
            message = f"is empty, though {', '.join(found)} lies beside it: what was signed is no longer known"
            raise InvariantError(f"journal {path} {message}; restore it from a backup before anything is signed")
    except OSError:
        return  # told where it is opened


def _unopened(path: Path, failure: OSError) -> InvariantError:
    if failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return _disk(path)
    return InvariantError(f"journal {path} cannot be opened: {why(failure, path)}: correct data_dir or its permissions")


def _disk(path: Path) -> InvariantError:
    return InvariantError(
        f"journal {path}: the disk of {path.parent} is full or failing; nothing was written; free space there (`df` "
        "shows it; at least 1 MB), and run again"
    )


def _damaged(path: Path) -> InvariantError:
    return InvariantError(f"journal {path} is damaged; restore it from a backup before anything is signed")


def _database_error(path: Path, failure: BaseException | None) -> InvariantError | TransientError:
    primary = (getattr(failure, "sqlite_errorcode", 0) or 0) & 0xFF
    match primary:
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:  # IOERR: no space for the log's index, or a fault of the disk
            return _disk(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return TransientError(f"journal {path} is held by another program; try again when it has ended")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return _damaged(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return InvariantError(f"journal {path} cannot be written; correct its permissions")
        case _:
            return InvariantError(f"journal {path} cannot be used: {failure}")
