"""What fields of documents are called in answers, in the languages that answers are written in: tables in ``words/``.

A field that is not listed is called by its own name, with spaces.
"""

from __future__ import annotations

import re
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "es")
SAYINGS = ("unknown", "cannot", "no_promise", "no_advice", "proposed")
"""Sentences that say nothing of data, which an answer may hold by their names."""


def _table(name: str) -> dict[str, dict[str, str]]:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    rows = (re.split(r" *\| *", line) for line in lines if not line.startswith("#"))
    return {key: dict(zip(LANGUAGES, words, strict=True)) for key, *words in rows}


FOLDER = Path(__file__).parent / "words"
FIELDS, WORDS = _table("fields"), _table("words")


def label(key: str, language: str, above: str = "", named: bool = True) -> str:
    """What a field is called. above: the field that holds it. named: whether that one is named too, if the two have no
    name together."""
    if (found := FIELDS.get(f"{above}.{key}")) is not None:
        return found[language]
    own = FIELDS[key][language] if key in FIELDS else key.replace("_", " ")
    return f"{own} ({label(above, language)})" if above and named else own


def colon(language: str) -> str:
    """A colon as a language sets it."""
    return "\u00a0:" if language == "fr" else ":"


def word(key: str, language: str) -> str:
    """A word or a pattern of program's own."""
    return WORDS[key][language]
