"""Finds the passages that a question is about: by SQLite's full-text index, or by an installed index of another kind,
as of embeddings. An entry point of the group ``yieldbot.indexes`` names a function or class that takes passages and
gives an ``Index``."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Protocol

from yieldbot.app.passages import Passage
from yieldbot.errors import ConfigError
from yieldbot.model.assistance import FULL_TEXT
from yieldbot.model.spelling import did_you_mean
from yieldbot.model.text import one_line

GROUP = "yieldbot.indexes"
"""Entry points of installed indexes."""
MOST_WORDS = 24
COMMON = frozenset(
    re.findall(
        r"\w+",
        "the a an and or of to in is are was were be do did does what why how when which who you we our my it its this "
        "that for from with on at by as not no can could would should will have has had i me your us they there about "
        "if bot yieldbot",
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


Build = Callable[[Sequence[Passage]], Index]


def build_of(name: str) -> Build:
    """What makes the index of a name. Raises ConfigError for one that is not installed or cannot be loaded."""
    if name == FULL_TEXT:
        return FullText
    found = {one.name: one for one in entry_points(group=GROUP)}
    if name not in found:
        hint = did_you_mean(name, (FULL_TEXT, *sorted(found)))
        raise ConfigError(f"assistant.index: no index {name} is installed: {hint}")
    try:
        made: Build = found[name].load()
    except Exception as fault:  # foreign code
        raise ConfigError(f"assistant.index: {name} cannot be loaded: {one_line(str(fault), 200)}") from None
    return made
