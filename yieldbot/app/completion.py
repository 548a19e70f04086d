"""``completion``: the words that a shell completes beside commands and flags, from files alone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document
from yieldbot.app.styles import STYLES
from yieldbot.config.load import chain_names

CHAIN = "chain"


class CompletionDocument(Document):
    """A script for a shell."""

    SCHEMA: ClassVar[str] = "completion"

    shell: str = Field(description="the shell: `bash`, `zsh` or `fish`")
    script: str = Field(description="the script that the shell reads")


def words_of(config: Path) -> dict[str, list[str]]:
    """By what a flag takes, the words that it can take: the chains of chains/*.toml, and the styles of ``init``."""
    return {CHAIN: sorted(chain_names(config)), "style": list(STYLES)}
