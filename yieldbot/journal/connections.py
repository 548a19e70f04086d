"""The two ways to the journal's file: ``Written`` reads and writes it, ``ReadOnly`` only reads and leaves nothing
beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from yieldbot.journal.journal_file import cannot_be_written, database_error, is_damaged, read_from
from yieldbot.journal.rows import stored_text

Values = tuple[Any, ...]
LOCKED_SECONDS = 10.0
"""How long to wait for another program that has the file's lock."""


class Written:
    """The file, to be read and written. Each transaction has a connection of its own, and the file's write lock."""

    def __init__(self, path: Path) -> None:
        """The file must exist."""
        self.path = path

    def connected(self) -> sqlite3.Connection:
        """A new connection. Raises sqlite3.DatabaseError."""
        connection = sqlite3.connect(self.path, timeout=LOCKED_SECONDS, isolation_level=None)  # BEGIN is ours
        try:
            connection.text_factory = stored_text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, undone where the block raises; the database's own errors become one line that says
        what to do."""
        try:
            with closing(self.connected()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
        except sqlite3.DatabaseError as failure:
            raise database_error(self.path, failure) from None
        except UnicodeDecodeError:  # SQLite's message about a damaged schema, which quotes it
            raise is_damaged(self.path) from None

    def fetch(self, statement: str, values: Values = ()) -> list[Sequence[Any]]:
        """The rows that a SELECT finds."""
        with self.transaction() as connection:
            return connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Nothing is kept open."""


class ReadOnly:
    """Reads the file, each time for a moment: it needs no space on the disk and leaves no file beside the journal,
    unless a run was killed and left its log there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
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
