"""Checks rows of another journal that came over a socket: they must continue the hash chain where the copy ends.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yieldbot.errors import InvariantError
from yieldbot.journal.entry_codec import RowKeys, decode
from yieldbot.journal.fold import Record
from yieldbot.journal.rows import Row, row_digest
from yieldbot.model.json_text import loads

COLUMNS = (int, int, str, str, str, str, str, str, str, str)


def copied(rows: Sequence[Any], seq: int, last: str) -> tuple[tuple[Row, Record], ...]:
    """The rows with their decoded entries. seq, last: number and hash of the row that they must follow.

    Raises InvariantError if they do not follow it, or one of them cannot be decoded.
    """
    found = list[tuple[Row, Record]]()
    for row in rows:
        if not isinstance(row, list | tuple) or tuple(map(type, row)) != COLUMNS:
            raise InvariantError("the signer's journal: a row is none")
        one: Row = tuple(row)
        if one[0] != seq + 1 or one[8] != last or one[9] != row_digest(one[:9]):
            raise InvariantError(
                f"the signer's journal: its row {seq + 1} does not continue what was copied: it was changed, or "
                "replaced by an older one"
            )
        try:
            entry = decode(RowKeys(*one[2:7]), loads(one[7]))
        except (ValueError, TypeError, AttributeError, RecursionError) as damage:
            raise InvariantError(f"the signer's journal: row {one[0]} cannot be read: {damage}") from None
        found.append((one, Record(one[0], one[1], entry)))
        seq, last = one[0], one[9]
    return tuple(found)
