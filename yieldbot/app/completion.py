"""``completion``: the words that a shell completes beside commands and flags, from files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from yieldbot.app.document import Document
from yieldbot.app.memory import FOLDER
from yieldbot.app.styles import STYLES
from yieldbot.config.load import chain_names, data_dir_of, read_toml
from yieldbot.errors import YieldbotError
from yieldbot.history import market_names
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context

CHAIN = "chain"
KINDS = ("market", "plan", "wallet", "asset")
"""What a shell asks for anew each time, since it changes."""
LONGEST = 100
"""Most characters of a word."""


class CompletionDocument(Document):
    """A script for a shell."""

    SCHEMA: ClassVar[str] = "completion"

    shell: str = Field(description="the shell: `bash`, `zsh` or `fish`")
    script: str = Field(description="the script that the shell reads")


class CompletionWordsDocument(Document):
    """Words that a shell completes."""

    SCHEMA: ClassVar[str] = "completion-words"

    kind: str = Field(description="what they name: `market`, `plan`, `wallet` or `asset`")
    words: tuple[str, ...] = Field(description="the words; empty where there are none, or a file cannot be read")


def words_of(config: Path) -> dict[str, list[str]]:
    """By what a flag takes, the words that it can take: the chains of chains/*.toml, and the styles of ``init``."""
    return {CHAIN: sorted(chain_names(config)), "style": list(STYLES)}


def words(kind: str, context: Context) -> CompletionWordsDocument:
    """The words of one of ``KINDS`` in the present folder: markets that memory has read, plans that wait, and wallets
    and assets of yieldbot.toml. A fault is no word: nothing may be printed while a person types."""
    try:
        found = _words(kind, context)
    except YieldbotError:
        found = []
    return CompletionWordsDocument(kind=kind, words=tuple(dict.fromkeys(one_line(word, LONGEST) for word in found)))


def _words(kind: str, context: Context) -> list[str]:
    if kind == "plan":
        from yieldbot.app.approve_signed import waiting_ids  # here, since markets need no journal

        waiting = waiting_ids(context)
        return [*waiting, "latest"] if waiting else []
    if kind == "market":
        return sorted(market_names.names(data_dir_of(context.config) / FOLDER).values())
    tables = read_toml(context.config)
    if kind == "wallet":
        return _of(tables.get("wallets"), "name")
    return sorted(_of(tables.get("jobs"), "asset"))


def _of(tables: Any, key: str) -> list[str]:
    """The texts of one key of an array of tables."""
    rows = tables if isinstance(tables, list) else []
    return [row[key] for row in rows if isinstance(row, dict) and isinstance(row.get(key), str)]
