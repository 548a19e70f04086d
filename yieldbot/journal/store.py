"""The journal's file: SQLite, append-only by trigger, each row carrying the hash of the row before it.

``hash = sha256(JSON [seq, at, kind, chain, owner, plan_id, tx_hash, body, previous hash])``. An edited, inserted or
missing row breaks the chain; rows removed at the end do not show (compare ``head()`` with a copy kept elsewhere).
Written with synchronous=FULL: when ``append`` returns, the rows are on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.errors import InvariantError
from yieldbot.journal import verified
from yieldbot.journal.access_entries import ApprovalGiven, SignerCopied
from yieldbot.journal.entry_codec import RowKeys, decode, encode
from yieldbot.journal.fold import (
    Record,
    StoredPlan,
    StoredTx,
    fold_faulted,
    fold_plans,
    fold_stopped,
    fold_transactions,
)
from yieldbot.journal.journal_entries import JournalEntry, PlanStatus, TxSigned
from yieldbot.journal.journal_file import (
    cannot_be_opened,
    database_error,
    is_damaged,
    read_into_memory,
    refuse_emptied,
    refuse_other,
)
from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.json_text import loads

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SCHEMA_VERSION = 1
APPLICATION_ID = 0x79626A31  # "ybj1" in the SQLite header: no other program's file is taken for a journal
MOST_KNOWN = 4096
"""Most rows whose decoded entries are kept in memory while the file is open: beyond it they are decoded anew."""
GENESIS = "0" * 64
"""The first row's value in place of the previous row's hash."""

RESTORE = "restore the file from a backup, or move it away after checking the accounts by hand"
COLUMNS = "seq, at, kind, chain, owner, plan_id, tx_hash, body, prev, hash"
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

Row = tuple[int, int, str, str, str, str, str, str, str, str]
"""A row: seq, at, kind, chain, owner, plan_id, tx_hash, body, hash of the row before, its own hash."""


class Journal:
    """The journal, as a context manager: ``Journal.open`` to write, ``Journal.read`` to read alone.

    Every method may raise InvariantError (the file is damaged, or the disk full) and TransientError (another program
    holds it).
    """

    def __init__(self, engine: Engine, path: Path, clock: Callable[[], float] = time.time) -> None:
        """``clock`` returns the unix seconds that rows are stamped with: this machine's time, only for people."""
        self._engine = engine
        self._clock = clock
        self._known: dict[int, tuple[Row, Record]] = {}
        self.path = path

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time, *, appended: bool = False) -> Journal:
        """Open or create the journal and verify its chain. Raises InvariantError when it is not sound.

        appended: verify only the rows since this process verified the file last (``journal/verified.py``). For a
        server, which signs nothing, so that a write does not cost more the longer the journal is.
        """
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        fresh = not path.exists()
        refuse_other(path)
        refuse_emptied(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:  # readable by the owner alone: plans show what a wallet holds
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as failure:
            raise cannot_be_opened(path, failure) from None
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 10})

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # we issue BEGIN ourselves, below
            connection.text_factory = stored_text
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        journal = cls(engine, path, clock)
        journal._prepare()
        journal._verify_once(appended)
        return journal

    @classmethod
    def read(cls, path: Path, *, appended: bool = False) -> Journal:
        """The journal as it is now, verified and in memory: for commands that write nothing. appended: as for ``open``.

        Needs no space on the disk and leaves no file beside the journal, unless a run was killed and left its log
        there. Appending to it is refused. Raises InvariantError if the file is missing, not sound or unreadable,
        TransientError if it is being written all the time.
        """
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import StaticPool

        copy = read_into_memory(path)
        engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: copy)

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            connection.text_factory = stored_text

        journal = cls(engine, path)
        journal._prepare()
        copy.execute("PRAGMA query_only = 1")
        journal._verify_once(appended)
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

    def append(self, *entries: JournalEntry) -> None:
        """Write entries durably, all or none.

        Raises InvariantError when none was written: the disk is full, or the file is damaged.
        """
        with self._transaction() as connection:
            seq, prev = self._head(connection)
            for entry in entries:
                seq += 1
                keys, doc = encode(entry)
                body = json.dumps(doc, sort_keys=True, separators=(",", ":"), allow_nan=False)
                row = (seq, int(self._clock()), *astuple(keys), body, prev)
                prev = row_digest(row)
                marks = ", ".join("?" * 10)
                connection.exec_driver_sql(f"INSERT INTO events ({COLUMNS}) VALUES ({marks})", (*row, prev))
            if self._head(connection) != (seq, prev):  # a trigger that somebody added since the file was opened
                raise InvariantError(f"journal {self.path} does not keep what is written to it: {RESTORE}")

    def verify(self) -> int:
        """Check every row's hash and number against the row before it, that the file's index finds every row, and that
        it has no triggers but our own; returns the count of rows.

        Raises InvariantError naming the first row that was changed.
        """
        seq, prev = self._verify_rows("", 0, GENESIS)
        with self._transaction() as connection:  # a damaged index would hide transactions that are still open
            if connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one() != "ok":
                raise is_damaged(self.path)
        self._refuse_triggers()
        verified.note(self.path, seq, prev, None)
        return seq

    def _verify_once(self, appended: bool) -> None:
        """Verify all of it, or only what was appended since this process verified it last."""
        since = verified.last(self.path) if appended else None
        verified.forget(self.path)  # whatever fails, all of it is verified the next time
        if since is None or not since.seq:
            self.verify()
            return
        row = next(iter(self._rows("WHERE seq = ?", (since.seq,))), None)
        if row is None or not row[9] == row_digest(row[:9]) == since.digest:
            self.verify()  # which names the row, unless the file was cut off at its end
            return
        seq, prev = self._verify_rows(f"WHERE seq > {since.seq}", since.seq, since.digest)
        self._refuse_triggers()
        verified.note(self.path, seq, prev, since)

    def _verify_rows(self, where: str, seq: int, prev: str) -> tuple[int, str]:
        """(number, hash) of the last row. seq, prev: those of the row before the first of these."""
        for row in self._rows(where, ()):
            seq += 1
            if row[0] != seq or row[8] != prev or row[9] != row_digest(row[:9]):
                raise InvariantError(f"journal {self.path}: row {seq} was changed or is missing; {RESTORE}")
            prev = row[9]
        return seq, prev

    def _refuse_triggers(self) -> None:
        """A foreign trigger could drop every row that is written."""
        with self._transaction() as connection:
            triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            for name, statement in triggers:
                if statement not in _SCHEMA:
                    raise InvariantError(f"journal {self.path}: somebody added the trigger {name!r}; {RESTORE}")

    def head(self) -> tuple[int, str]:
        """The last row's number and hash: (0, 64 zeros) for an empty journal. Keep a copy elsewhere to notice rows
        removed at the end."""
        with self._transaction() as connection:
            return self._head(connection)

    def history(self, limit: int | None = None) -> tuple[Record, ...]:
        """The last ``limit`` rows (all for None), oldest first."""
        if limit is None:
            return self._records("", ())
        return self._records(f"WHERE seq > (SELECT coalesce(max(seq), 0) FROM events) - {int(limit)}", ())

    def rows_after(self, seq: int, most: int) -> tuple[Row, ...]:
        """The rows after number ``seq`` as they are on the disk, at most ``most`` of them: for a copy elsewhere, which
        ``journal/copied.py`` checks."""
        return tuple(self._rows(f"WHERE seq > {int(seq)} AND seq <= {int(seq) + int(most)}", ()))

    def copied(self) -> tuple[int, str]:
        """Number and hash of the last row of the signer's journal that was copied; (0, 64 zeros): none was."""
        for record in reversed(self._records("WHERE kind = 'signer.copied'", ())):
            assert isinstance(record.entry, SignerCopied)
            return record.entry.seq, record.entry.hash
        return 0, GENESIS

    def plan(self, plan_id: str) -> StoredPlan | None:
        """One plan by its id, or None."""
        return fold_plans(self._records("WHERE kind GLOB 'plan.*' AND plan_id = ?", (plan_id,))).get(plan_id)

    def plans(self, status: PlanStatus | None = None) -> tuple[StoredPlan, ...]:
        """Plans in the order they were written, those of one status or all."""
        stored = self._folded(fold_plans, "WHERE kind GLOB 'plan.*'", ()).values()
        return tuple(plan for plan in stored if status is None or plan.status is status)

    def places_of_plans(self) -> dict[str, tuple[str, str]]:
        """(chain, owner) of each plan that was written, by its id."""
        with self._transaction() as connection:
            found = connection.exec_driver_sql("SELECT plan_id, chain, owner FROM events WHERE kind = 'plan.written'")
            return {row[0]: (row[1], row[2]) for row in found}

    def approvals(self, plan_id: str) -> tuple[ApprovalGiven, ...]:
        """Signatures that were given for a plan, in order; none of them is checked here."""
        records = self._records("WHERE kind = 'approval.given' AND plan_id = ?", (plan_id,))
        return tuple(record.entry for record in records if isinstance(record.entry, ApprovalGiven))

    def asked_by(self) -> dict[str, str]:
        """Who asked for the run that made each plan, by the plan's id; a plan whose run has not ended is left out."""
        found = dict[str, str]()
        for record in self._records("WHERE kind = 'run.ended' AND plan_id <> ''", ()):
            if isinstance(record.entry, RunEnded):
                found.setdefault(record.entry.plan_id, record.entry.by)
        return found

    def run_of(self, plan_id: str) -> str:
        """The id of the run that made a plan, once it has ended; empty: none is known."""
        records = self._records("WHERE kind = 'run.ended' AND plan_id = ?", (plan_id,))
        return next((record.entry.run for record in records if isinstance(record.entry, RunEnded)), "")

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

    def faulted_accounts(self) -> dict[tuple[ChainId, Address], str]:
        """Accounts among them that were stopped because a transaction did not do what was simulated."""
        return self._folded(fold_faulted, "WHERE kind GLOB 'account.*'", ())

    def _folded(
        self, fold: Callable[[Iterable[Record]], dict[Any, Any]], where: str, values: tuple[str, ...]
    ) -> dict[Any, Any]:
        try:
            return fold(self._records(where, values))
        except ValueError as damage:
            raise InvariantError(f"journal {self.path} contradicts itself: {damage}") from None

    def _records(self, where: str, values: tuple[str, ...]) -> tuple[Record, ...]:
        return tuple(self._record(row) for row in self._rows(where, values))

    def _record(self, row: Row) -> Record:
        known = self._known.get(row[0])
        if known is not None and known[0] == row:  # read before; a run asks for the same rows again and again
            return known[1]
        try:
            record = Record(row[0], row[1], decode(RowKeys(*row[2:7]), loads(row[7])))
        except (ValueError, TypeError, AttributeError) as damage:
            raise InvariantError(f"journal {self.path}: row {row[0]} cannot be read: {damage}") from None
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[row[0]] = row, record
        return record

    def _rows(self, where: str, values: tuple[str | int, ...]) -> Sequence[Row]:
        with self._transaction() as connection:
            found = connection.exec_driver_sql(f"SELECT {COLUMNS} FROM events {where} ORDER BY seq", values)
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
            raise database_error(self.path, failure.orig) from None
        except UnicodeDecodeError:  # SQLite's message about a damaged schema, which quotes it
            raise is_damaged(self.path) from None


def stored_text(stored: bytes) -> str:
    """Decodes stored text. Bytes that are not UTF-8 become surrogates: a damaged text then fails as a changed row, by
    its hash."""
    return stored.decode("utf-8", "surrogateescape")


def _row(row: Any) -> Row:
    return (row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])


def row_digest(row: Sequence[Any]) -> str:
    """The hash of a row: of all its members but the hash itself."""
    text = json.dumps(list(row), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
