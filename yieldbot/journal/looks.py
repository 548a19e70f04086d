"""Observations and ends of cycles that only repeat the last one: they are counted in a table beside the rows.

The last of each is kept whole. It is written as a row before anything is signed for its account, and before the next
one that differs, so that the rows have the state before each change. The counts are for people; nothing is decided by
them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from yieldbot.journal import unchanged
from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.journal_entries import AccountCleared, JournalEntry, Observed, TxSigned
from yieldbot.journal.relevant import Relevant
from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

_TABLE = (
    "CREATE TABLE IF NOT EXISTS looks (name TEXT PRIMARY KEY, kind TEXT NOT NULL, chain TEXT NOT NULL,"
    " owner TEXT NOT NULL, plan_id TEXT NOT NULL, at INTEGER NOT NULL, times INTEGER NOT NULL, body TEXT NOT NULL)"
    " STRICT"
)
_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'looks'"


@dataclass(frozen=True, slots=True)
class Look:
    """What only repeated the last row of its kind."""

    at: int
    """When it was last repeated: unix seconds by this machine's clock."""
    times: int
    """How often it was repeated since that row."""
    entry: Observed | RunEnded
    """The newest of them."""


def name_of(keys: RowKeys, doc: dict[str, Any]) -> str:
    """Under which name an entry is counted; empty: entries of its kind never are."""
    if keys.kind == "observed":
        comparable = unchanged.observed(doc) is not None
        return f"observed|{keys.chain}|{keys.owner}|{doc['facts'].get('asset', '')}" if comparable else ""
    found = unchanged.ended(doc, keys.plan_id)
    return f"run.ended|{keys.chain}|{keys.owner}|{found[0]}" if found else ""


def repeats(relevant: Relevant, keys: RowKeys, doc: dict[str, Any], *, same_day: bool = True) -> bool:
    """Whether an entry only repeats the last one of its kind. same_day: only if it is of the same day too."""
    if keys.kind == "observed":
        return relevant.repeats_holdings(keys.chain, keys.owner, doc, same_day=same_day)
    return relevant.repeats_end(keys.chain, keys.owner, doc, keys.plan_id, same_day=same_day)


def before_other(
    connection: sqlite3.Connection, relevant: Relevant, keys: RowKeys, doc: dict[str, Any]
) -> list[JournalEntry]:
    """What is to be written before an entry that is not counted: the newest counted entry, unless the new one says the
    same on another day, or an older program signed something meanwhile, so that its place is lost."""
    if name := name_of(keys, doc):
        names = [name]
    elif keys.kind == "run.ended":  # a failure: whatever of this wallet only repeated comes before it
        names = _named(connection, f"run.ended|{keys.chain}|{keys.owner}|{doc['wallet']}|")
    else:
        names = []
    found = taken(connection, names)
    lost = keys.kind == "observed" and relevant.moved(keys.chain, keys.owner, doc)
    return [] if lost or repeats(relevant, keys, doc, same_day=False) else found


def _named(connection: sqlite3.Connection, begins: str) -> list[str]:
    if connection.execute(_EXISTS).fetchone() is None:
        return []
    found = connection.execute("SELECT name FROM looks ORDER BY name")
    return [str(row[0]) for row in found if str(row[0]).startswith(begins)]


def count(connection: sqlite3.Connection, name: str, keys: RowKeys, body: str, at: int) -> None:
    """Count an entry that was not written."""
    connection.execute(_TABLE)
    connection.execute(
        "INSERT INTO looks (name, kind, chain, owner, plan_id, at, times, body) VALUES (?, ?, ?, ?, ?, ?, 1, ?)"
        " ON CONFLICT (name) DO UPDATE SET at = excluded.at, times = times + 1, body = excluded.body",
        (name, keys.kind, keys.chain, keys.owner, keys.plan_id, at, body),
    )


def taken(connection: sqlite3.Connection, names: Iterable[str]) -> list[JournalEntry]:
    """The newest counted entries under these names, which are counted no longer."""
    if connection.execute(_EXISTS).fetchone() is None:
        return []
    found = list[JournalEntry]()
    for name in names:
        rows = connection.execute(f"SELECT {_MEMBERS} FROM looks WHERE name = ?", (name,)).fetchall()
        found += [look.entry for look in map(_look, rows) if look is not None]
        connection.execute("DELETE FROM looks WHERE name = ?", (name,))
    return found


def before(connection: sqlite3.Connection, entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """What is to be written before these entries: the newest counted observations of accounts for which they say that
    something was signed, or that they were cleared."""
    accounts = {(one.chain, one.owner) for one in entries if isinstance(one, TxSigned | AccountCleared)}
    begins = [f"observed|{chain}|{owner}|" for chain, owner in sorted(accounts)]
    return taken(connection, [name for begin in begins for name in _named(connection, begin)])


def read(fetch: Callable[[str, tuple[Any, ...]], Sequence[Sequence[Any]]]) -> tuple[Look, ...]:
    """Everything that is counted now."""
    if not fetch(_EXISTS, ()):
        return ()
    found = map(_look, fetch(f"SELECT {_MEMBERS} FROM looks ORDER BY name", ()))
    return tuple(look for look in found if look is not None)


_MEMBERS = "kind, chain, owner, plan_id, at, times, body"


def _look(row: Sequence[Any]) -> Look | None:
    """A counted entry; None for one that cannot be read: nothing depends on it."""
    try:
        entry = decode(RowKeys(row[0], row[1], row[2], row[3]), loads(row[6]))
    except (ValueError, TypeError, AttributeError):
        return None
    return Look(row[4], row[5], entry) if isinstance(entry, Observed | RunEnded) else None
