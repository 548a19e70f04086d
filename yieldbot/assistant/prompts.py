"""The prompts: files of this package with a version in their name, as answer-1.md. A changed prompt is a new file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from yieldbot.model.dataclass import dataclass

FOLDER = Path(__file__).parent / "prompts"
_NAME = re.compile(r"([a-z-]+)-([0-9]+)\.md")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt."""

    name: str
    """Its name with its version, as answer-1."""
    text: str
    """The text."""


@cache
def prompt(name: str) -> Prompt:
    """The newest version of a prompt."""
    found = [one for file in FOLDER.glob("*.md") if (one := _NAME.fullmatch(file.name)) and one[1] == name]
    newest = max(found, key=lambda one: int(one[2]))
    return Prompt(newest[0].removesuffix(".md"), (FOLDER / newest[0]).read_text(encoding="utf-8").strip())
