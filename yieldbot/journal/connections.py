"""The two ways to the journal's file: ``Written`` reads and writes it, ``ReadOnly`` only reads and leaves nothing
beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.journal.journal_file import cannot_be_written, database_error, is_damaged, read_from
from yieldbot.journal.rows import stored_text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Values = tuple[Any, ...]


class Written:
    """A connection that writes. Each transaction has the file's write lock."""

    def __init__(self, path: Path) -> None:
        """The file must exist."""
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        self.path = path
        self.engine: Engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": 10})

        @event.listens_for(self.engine, "connect")
        def _configure(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # we issue BEGIN ourselves, below
            connection.text_factory = stored_text
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(self.engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One write transaction; the database's own errors become one line that says what to do."""
        from sqlalchemy.exc import DatabaseError

        try:
            with self.engine.begin() as connection:
                yield connection
        except DatabaseError as failure:
            raise database_error(self.path, failure.orig) from None
        except UnicodeDecodeError:  # SQLite's message about a damaged schema, which quotes it
            raise is_damaged(self.path) from None

    def fetch(self, statement: str, values: Values = ()) -> list[Sequence[Any]]:
        """The rows that a SELECT finds."""
        with self.transaction() as connection:
            return list(connection.exec_driver_sql(statement, values).fetchall())

    def close(self) -> None:
        """Release the file; idempotent."""
        self.engine.dispose()


class ReadOnly:
    """Reads the file, each time for a moment: it needs no space on the disk and leaves no file beside the journal,
    unless a run was killed and left its log there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Refused."""
        raise cannot_be_written(self.path)
        yield

    def fetch(self, statement: str, values: Values = ()) -> list[Sequence[Any]]:
        """As ``Written.fetch``; nothing from a file that is still empty."""

        def taken(source: sqlite3.Connection) -> list[Sequence[Any]]:
            source.text_factory = stored_text
            return source.execute(statement, values).fetchall()

        try:
            return read_from(self.path, taken)
        except UnicodeDecodeError:
            raise is_damaged(self.path) from None

    def close(self) -> None:
        """Nothing is kept open."""
