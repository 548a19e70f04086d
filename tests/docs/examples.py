"""The examples of docs/api-examples.md: which call each is of, in which language, and what it should get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "api-examples.md"
LANGUAGES = ("sh", "python", "ts")
_HEADING = re.compile(r"^### ([A-Z]+ /v1/\S+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STATUS = re.compile(r"\((\d{3})")


@dataclass(frozen=True, slots=True)
class Example:
    """One snippet."""

    call: str
    """The call as in openapi.json: method and path."""
    language: str
    """sh, python or ts."""
    place: int
    """Its place among those of its call and language, from 0."""
    status: int
    """The status that the page says it gets."""
    text: str
    """The snippet as it stands on the page."""


def preamble(language: str) -> str:
    """What the examples of a language need before the first call; of the shell it is variables alone."""
    before = PAGE.read_text().split("\n### ", 1)[0]
    (found,) = (text for name, text in _FENCE.findall(before) if name == language)
    return str(found)


def examples() -> Iterator[Example]:
    """Every example, in the order of the page."""
    parts = _HEADING.split(PAGE.read_text())[1:]
    for call, text in zip(parts[::2], parts[1::2], strict=True):
        statuses = [int(found) for found in _STATUS.findall(_FENCE.sub("", text))]
        count = dict.fromkeys(LANGUAGES, 0)
        for language, snippet in _FENCE.findall(text):
            yield Example(call, language, count[language], statuses[count[language]], snippet)
            count[language] += 1
