"""The database of keys and answers: ``access.sqlite3`` in the data directory, or any other by its URL."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from yieldbot.errors import ConfigError, DiskFull, InvariantError, KeysHeld
from yieldbot.resources import why

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData

FILE = "access.sqlite3"
SERVER_WAITS, HELD_WAITS = 0.5, 0.02
"""Seconds for which a server waits for a program that holds the database, and for which it waits again within
HELD_SECONDS: each wait stops all other requests too."""
HELD_SECONDS = 2.0
_held = WeakKeyDictionary["Engine", float]()
"""When each server's engine last found its database held, by ``time.monotonic``."""


def url_of(data_dir: Path) -> str:
    """The URL of a data directory's database, a file that only its owner can read. Raises ConfigError."""
    path = data_dir / FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        others = path.stat().st_mode & 0o077
    except OSError as failure:
        cause = why(failure, path)
        raise ConfigError(f"{path} cannot be made: {cause}: free space or correct its permissions") from None
    if others:
        raise ConfigError(f"{path} can be read or changed by other users: chmod 600 {path}")
    return f"sqlite:///{path}"


def engine_of(url: str, server: bool) -> Engine:
    """An engine. server: whether it waits only SERVER_WAITS for a program that holds the database, else 5 seconds."""
    from sqlalchemy import create_engine

    found = create_engine(url)
    if server and found.dialect.name == "sqlite":
        _held[found] = -HELD_SECONDS
    return found


def make_tables(engine: Engine, tables: MetaData) -> None:
    """Make the tables that are not there. Another program may make the same ones at the same time. Raises KeysHeld and
    InvariantError."""
    from sqlalchemy.schema import CreateTable

    with usable(), engine.begin() as connection:
        for table in tables.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))


@contextmanager
def begin(engine: Engine, but: type[Exception] | tuple[type[Exception], ...] = ()) -> Iterator[Connection]:
    """One transaction. Raises KeysHeld while another program holds the database, InvariantError if it cannot be used,
    and errors of type ``but`` as they are."""
    try:
        with usable(but), engine.begin() as connection:
            if engine in _held:
                again = time.monotonic() - _held[engine] < HELD_SECONDS
                waits = HELD_WAITS if again else SERVER_WAITS
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(waits * 1000)}")
            yield connection
    except KeysHeld:
        if engine in _held:
            _held[engine] = time.monotonic()
        raise


@contextmanager
def usable(but: type[Exception] | tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Context in which the database's errors become KeysHeld or InvariantError, except those of type ``but``."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except but:
        raise
    except SQLAlchemyError as error:
        orig = getattr(error, "orig", None)
        primary = (getattr(orig, "sqlite_errorcode", 0) or 0) & 0xFF
        if primary in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise DiskFull(
                f"the API keys cannot be written: the disk of {FILE} is full or failing: free space there "
                "(`df` shows it), and try again"
            ) from None
        if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            raise InvariantError(f"the API keys cannot be written: correct the permissions of {FILE}") from None
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise KeysHeld(f"{FILE} is held by another program: try again when it has ended") from None
        cause = str(orig or error)
        raise InvariantError(
            f"the API keys cannot be read or written ({cause}): restore {FILE}, or move it away and make new keys"
        ) from None
