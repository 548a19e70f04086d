"""The store of API keys: a table in ``access.sqlite3`` of the data directory, or in any database given by its URL."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.access.caller import Scope
from yieldbot.access.database import begin, engine_of, make_tables, url_of
from yieldbot.access.keys import NAME, PREFIX_BYTES, SECRET_BYTES, StoredKey, digest, made
from yieldbot.errors import ConfigError
from yieldbot.model.json_text import loads

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Select

MINUTE = 60
MOST_PLACES = 200
MOST_KNOWN = 1000
"""Most keys that are kept in memory between two changes of the database."""


class KeyRing:
    """All API keys. Every method may raise KeysHeld while another program holds the database, and InvariantError if it
    cannot be used."""

    def __init__(self, url: str, random: Callable[[int], bytes] = secrets.token_bytes, *, server: bool = False) -> None:
        """server: whether others wait while it waits for the database (``database.engine_of``)."""
        from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text

        self._random = random
        self._engine: Engine = engine_of(url, server)
        self._watch: sqlite3.Connection | None = None
        self._watches = 0
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int] | None, dict[str, StoredKey]] = (None, {})
        """(version of the database's content, keys by prefix that were read from it)."""
        self._table = Table(
            "api_keys",
            MetaData(),
            Column("prefix", String(8), primary_key=True),
            Column("name", String(64), nullable=False),
            Column("digest", String(64), nullable=False),
            Column("scopes", Text, nullable=False),
            Column("accounts", Text),
            Column("networks", Text, nullable=False),
            Column("created_at", BigInteger, nullable=False),
            Column("expires_at", BigInteger),
            Column("used_at", BigInteger),
            Column("revoked_at", BigInteger),
        )
        self._places = Table(
            "key_places",
            self._table.metadata,
            Column("name", String(64), primary_key=True),
            Column("place", String(64), primary_key=True),
            Column("at", BigInteger, nullable=False),
        )
        self._quotas = Table(
            "key_quotas",
            self._table.metadata,
            Column("prefix", String(8), primary_key=True),
            Column("a_day", BigInteger, nullable=False),
        )
        self._days = Table(
            "key_days",
            self._table.metadata,
            Column("name", String(64), primary_key=True),
            Column("day", BigInteger, nullable=False),
            Column("used", BigInteger, nullable=False),
        )
        make_tables(self._engine, self._table.metadata)

    @classmethod
    def of(cls, data_dir: Path) -> KeyRing:
        """The keys of a data directory. Raises ConfigError."""
        return cls(url_of(data_dir))

    def new(
        self,
        name: str,
        scopes: frozenset[Scope],
        now: int,
        *,
        accounts: frozenset[str] | None = None,
        networks: tuple[str, ...] = (),
        expires_at: int | None = None,
        quota: int | None = None,
    ) -> tuple[str, StoredKey]:
        """Makes a key; returns (its text, which is stored nowhere; what is stored). Raises ConfigError if a valid key
        has this name already, or the name is invalid."""
        if not NAME.fullmatch(name):
            raise ConfigError(f"key name {name}: write letters, digits, dots, dashes, at most 64, a letter first")
        text, prefix, secret = made(self._random(PREFIX_BYTES + SECRET_BYTES))
        stored = StoredKey(
            prefix=prefix,
            name=name,
            digest=digest(secret),
            scopes=scopes,
            accounts=accounts,
            networks=networks,
            created_at=now,
            expires_at=expires_at,
            used_at=None,
            revoked_at=None,
            quota=quota,
        )
        with begin(self._engine) as connection:
            if any(one.ended(now) is None for one in self._named(connection, name)):
                raise ConfigError(f"a key named {name} is in use already: revoke it, rotate it, or choose another name")
            self._insert(connection, stored)
        return text, stored

    def rotate(self, name: str, now: int, overlap: int) -> tuple[str, StoredKey]:
        """Makes the successor of a key, with the same rights, networks and length of life. The old one stays valid for
        another ``overlap`` seconds. Raises ConfigError if there is no such valid key."""
        text, prefix, secret = made(self._random(PREFIX_BYTES + SECRET_BYTES))
        with begin(self._engine) as connection:
            living = [one for one in self._named(connection, name) if one.ended(now) is None]
            if not living:
                raise ConfigError(f"no key named {name} counts now: `yieldbot key list` shows all")
            old = max(living, key=lambda one: one.created_at)
            life = None if old.expires_at is None else old.expires_at - old.created_at
            stored = StoredKey(
                prefix=prefix,
                name=name,
                digest=digest(secret),
                scopes=old.scopes,
                accounts=old.accounts,
                networks=old.networks,
                created_at=now,
                expires_at=None if life is None else now + life,
                used_at=None,
                revoked_at=None,
                quota=old.quota,
            )
            self._end(connection, living, now + overlap)
            self._insert(connection, stored)
        return text, stored

    def revoke(self, name: str, now: int) -> tuple[StoredKey, ...]:
        """Ends every key of this name at once; returns those that were valid. Raises ConfigError if there is none."""
        with begin(self._engine) as connection:
            found = self._named(connection, name)
            if not found:
                raise ConfigError(f"no key named {name}: `yieldbot key list` shows all")
            living = [one for one in found if one.ended(now) is None]
            self._end(connection, living, now)
        return tuple(living)

    def revoke_one(self, prefix: str, now: int) -> StoredKey | None:
        """Ends the key with this prefix at once; returns it where it was valid until now."""
        found = self.find(prefix)
        if found is None or found.ended(now) is not None:
            return None
        with begin(self._engine) as connection:
            self._end(connection, (found,), now)
        return found

    def find(self, prefix: str) -> StoredKey | None:
        """The key with this prefix, valid or not, as it is stored now."""
        with self._lock:
            version = self._version()
            if version is not None and version == self._known[0] and prefix in self._known[1]:
                return self._known[1][prefix]
        with begin(self._engine) as connection:
            row = connection.execute(self._select().where(self._table.c.prefix == prefix)).mappings().first()
        found = None if row is None else _key(row)
        with self._lock:
            if version != self._known[0] or len(self._known[1]) >= MOST_KNOWN:
                self._known = (version, {})
            if version is not None and found is not None:  # it was read after the version was
                self._known[1][prefix] = found
        return found

    def _version(self) -> tuple[int, int] | None:
        """What changes when anybody commits a change to the database; None: it is not known."""
        url = self._engine.url
        if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
            return None
        try:
            if self._watch is None:  # a connection that writes nothing: SQLite does not count its own changes
                self._watch = sqlite3.connect(url.database, timeout=0.0, isolation_level=None, check_same_thread=False)
                self._watches += 1  # each connection counts from its own beginning
            return self._watches, int(self._watch.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:  # the query itself says what is wrong
            self._watch = None
            return None

    def those(self, prefixes: Collection[str]) -> tuple[StoredKey, ...]:
        """The stored keys with these prefixes, valid or not."""
        with begin(self._engine) as connection:
            found = connection.execute(self._select().where(self._table.c.prefix.in_(prefixes))).mappings().all()
        return tuple(_key(row) for row in found)

    def used(self, key: StoredKey, now: int) -> None:
        """Records that it was used; written at most once a minute."""
        if key.used_at is not None and now - key.used_at < MINUTE:
            return
        with begin(self._engine) as connection:
            connection.execute(self._table.update().where(self._table.c.prefix == key.prefix).values(used_at=now))

    def from_new_place(self, name: str, place: str, now: int) -> bool:
        """Record where a key is used from (``usage.place_of``); whether it was used elsewhere before and never from
        there. Of each name the last MOST_PLACES are remembered."""
        from sqlalchemy import func, select

        table = self._places
        mine = table.c.name == name
        with begin(self._engine) as connection:
            if connection.execute(table.select().where(mine & (table.c.place == place))).first() is not None:
                return False
            before = connection.execute(select(func.count()).select_from(table).where(mine)).scalar_one()
            connection.execute(table.insert().values(name=name, place=place, at=now))
            if before >= MOST_PLACES:
                oldest = select(table.c.place).where(mine).order_by(table.c.at).limit(1).scalar_subquery()
                connection.execute(table.delete().where(mine & (table.c.place == oldest)))
        return bool(before)

    def all(self) -> tuple[StoredKey, ...]:
        """Every key, the oldest first."""
        with begin(self._engine) as connection:
            rows = connection.execute(self._select().order_by(self._table.c.created_at)).mappings().all()
        return tuple(_key(row) for row in rows)

    def used_on(self, name: str, day: int) -> tuple[int, int]:
        """(day of the count, requests of the key on that day): of ``day``, or of a later day if one is stored. Days are
        numbered since 1970-01-01."""
        with begin(self._engine) as connection:
            row = connection.execute(self._days.select().where(self._days.c.name == name)).mappings().first()
        return (row["day"], row["used"]) if row is not None and row["day"] >= day else (day, 0)

    def keep_used(self, name: str, day: int, used: int) -> None:
        """Store the key's number of requests on a day."""
        with begin(self._engine) as connection:
            connection.execute(self._days.delete().where(self._days.c.name == name))
            connection.execute(self._days.insert().values(name=name, day=day, used=used))

    def _select(self) -> Select[Any]:
        """The query for all keys with their quotas and last stored counts."""
        from sqlalchemy import select

        keys, quotas, days = self._table, self._quotas, self._days
        joined = keys.outerjoin(quotas, quotas.c.prefix == keys.c.prefix).outerjoin(days, days.c.name == keys.c.name)
        return select(keys, quotas.c.a_day, days.c.day, days.c.used).select_from(joined)

    def _named(self, connection: Connection, name: str) -> list[StoredKey]:
        rows = connection.execute(self._select().where(self._table.c.name == name)).mappings()
        return [_key(row) for row in rows]

    def _insert(self, connection: Connection, key: StoredKey) -> None:
        row = {
            "prefix": key.prefix,
            "name": key.name,
            "digest": key.digest,
            "scopes": json.dumps(sorted(key.scopes)),
            "accounts": None if key.accounts is None else json.dumps(sorted(key.accounts)),
            "networks": json.dumps(list(key.networks)),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        connection.execute(self._table.insert().values(**row))
        if key.quota is not None:
            connection.execute(self._quotas.insert().values(prefix=key.prefix, a_day=key.quota))

    def _end(self, connection: Connection, keys: Iterable[StoredKey], at: int) -> None:
        """Ends keys at a time (unix seconds), but never later than they would have ended anyway."""
        for key in keys:
            end = at if key.revoked_at is None else min(at, key.revoked_at)
            connection.execute(self._table.update().where(self._table.c.prefix == key.prefix).values(revoked_at=end))


def _key(row: Any) -> StoredKey:
    accounts = row["accounts"]
    return StoredKey(
        prefix=row["prefix"],
        name=row["name"],
        digest=row["digest"],
        scopes=frozenset(Scope(one) for one in loads(row["scopes"])),
        accounts=None if accounts is None else frozenset(loads(accounts)),
        networks=tuple(loads(row["networks"])),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
        quota=row["a_day"],
        counted=(row["day"] or 0, row["used"] or 0),
    )
