"""Answers to requests with an Idempotency-Key, kept for a day: a request that is sent again gets the first one's
answer, and does nothing."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from yieldbot.access.database import begin, engine_of, make_tables
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from sqlalchemy import Engine

KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an earlier request with the same key."""

    same: bool
    """Whether it was the same request; one key must not be used for two different ones."""
    status: int | None
    """The HTTP status of the earlier answer; None: that request is still in progress."""
    body: str
    """The body of the earlier answer."""


class Answers:
    """Stored answers by caller and Idempotency-Key. Every method may raise KeysHeld while another program holds the
    database, and InvariantError if it cannot be used."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

        self._engine: Engine = engine_of(url, server=True)
        self._table = Table(
            "answers",
            MetaData(),
            Column("caller", String(64), primary_key=True),
            Column("key", String(200), primary_key=True),
            Column("asked", String(64), nullable=False),
            Column("at", BigInteger, nullable=False),
            Column("status", Integer),
            Column("body", Text, nullable=False),
        )
        make_tables(self._engine, self._table.metadata)

    def claim(self, caller: str, key: str, asked: bytes, now: int) -> Kept | None:
        """Claim a key for a request; None: it is the first, and must be answered by ``keep`` or given up by ``drop``.

        asked: method, path and body. Of two requests at the same time only one can be the first.
        """
        from sqlalchemy.exc import IntegrityError

        table, digest = self._table, hashlib.sha256(asked).hexdigest()
        row = {"caller": caller, "key": key, "asked": digest, "at": now, "status": None, "body": str(os.getpid())}
        with begin(self._engine) as connection:
            connection.execute(table.delete().where(table.c.at < now - KEPT_SECONDS))
        try:
            with begin(self._engine, IntegrityError) as connection:
                connection.execute(table.insert().values(**row))
        except IntegrityError:
            with begin(self._engine) as connection:
                where = (table.c.caller == caller) & (table.c.key == key)
                found = connection.execute(table.select().where(where)).mappings().first()
            if found is None:  # another process gave it up in between
                return Kept(True, None, "")
            answered = found["status"] is not None  # until then the body names the process that works on it
            return Kept(found["asked"] == digest, found["status"], found["body"] if answered else "")
        return None

    def keep(self, caller: str, key: str, status: int, body: str) -> None:
        """Keep the answer to the request that claimed the key."""
        table = self._table
        with begin(self._engine) as connection:
            where = (table.c.caller == caller) & (table.c.key == key)
            connection.execute(table.update().where(where).values(status=status, body=body))

    def drop(self, caller: str, key: str) -> None:
        """Give up a key: its request had no effect and may be tried again."""
        table = self._table
        with begin(self._engine) as connection:
            connection.execute(table.delete().where((table.c.caller == caller) & (table.c.key == key)))

    def drop_unanswered(self) -> None:
        """Give up the keys of requests that a server had not answered when it ended. Another process that still runs
        (for instance an assistant's) keeps those of its requests."""
        table = self._table
        with begin(self._engine) as connection:
            for row in connection.execute(table.select().where(table.c.status.is_(None))).mappings().all():
                if not _runs_beside(row["body"]):
                    where = (table.c.caller == row["caller"]) & (table.c.key == row["key"])
                    connection.execute(table.delete().where(where & table.c.status.is_(None)))


def _runs_beside(process: str) -> bool:
    """Whether a process with this id (as text) runs and is not this one."""
    if not process.isascii() or not process.isdigit() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
