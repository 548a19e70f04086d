"""Reads the rows appended to a journal since it was last read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_file import read_from
from yieldbot.journal.rows import COLUMNS, Row, row_digest, stored_text
from yieldbot.model.json_text import loads


def grown(path: Path, seq: int, digest: str) -> tuple[tuple[Record, ...], str] | None:
    """(the rows after the row with this number and hash, decoded; the last row's hash). None where the journal does
    not simply continue from there: it was cut off, rewritten or damaged, so that all of it must be read anew.

    Rows before that one are not looked at. Raises as ``read_from``.
    """

    def rows_from(source: sqlite3.Connection) -> list[Row]:
        source.text_factory = stored_text
        return source.execute(f"SELECT {COLUMNS} FROM events WHERE seq >= ? ORDER BY seq", (seq,)).fetchall()

    rows = read_from(path, rows_from)
    if not rows or (rows[0][0], rows[0][9], row_digest(rows[0][:9])) != (seq, digest, digest):
        return None
    records = []
    for number, row in enumerate(rows[1:], seq + 1):
        if row[0] != number or row[8] != digest or row[9] != row_digest(row[:9]):
            return None
        try:
            records.append(Record(row[0], row[1], decode(RowKeys(*row[2:7]), loads(row[7]))))
        except (ValueError, TypeError, AttributeError):
            return None
        digest = row[9]
    return tuple(records), digest
