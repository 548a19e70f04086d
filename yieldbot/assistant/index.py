"""Finds the passages that a question is about. ``Index`` is what an index of embeddings would implement too."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Protocol

from yieldbot.app.passages import Passage

MOST_WORDS = 24
COMMON = frozenset(
    re.findall(
        r"\w+",
        "the a an and or of to in is are was were be do did does what why how when which who you we our my it its this "
        "that for from with on at by as not no can could would should will have has had i me your us they there about "
        "if",
    )
)
"""Words that say nothing of what is looked for."""


class Index(Protocol):
    """An index of passages."""

    def search(self, query: str, most: int) -> list[Passage]:
        """The passages nearest to a query, the best first."""
        ...


class FullText:
    """SQLite's full-text index (FTS5), in memory."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)
        self._data = sqlite3.connect(":memory:", check_same_thread=False)
        self._data.execute(
            "CREATE VIRTUAL TABLE passages USING fts5(place, text, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        self._data.executemany(
            "INSERT INTO passages (rowid, place, text) VALUES (?, ?, ?)",
            ((number, one.place, one.text) for number, one in enumerate(self._passages)),
        )

    def search(self, query: str, most: int) -> list[Passage]:
        """See ``Index``. A heading counts as three mentions."""
        words = [word for word in re.findall(r"\w+", query.lower()) if word not in COMMON][:MOST_WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        found = self._data.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 3.0, 1.0) LIMIT ?", (match, most)
        )
        return [self._passages[number] for (number,) in found]
