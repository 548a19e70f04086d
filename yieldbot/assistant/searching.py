"""Searches passages for one caller: once for each question, and again where the model asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from yieldbot.app.admission import Scope
from yieldbot.app.passages import Passage, passages
from yieldbot.assistant.index import FullText, Index, build_of
from yieldbot.errors import ConfigError
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.admission import Caller
    from yieldbot.app.service import Service

AT_FIRST = {"page": 2, "journal": 2, "finding": 2}
"""How many passages of each kind go with a question."""


class Searcher:
    """The passages that one caller may see. Indexes are kept until a passage is added or changed."""

    _kept: ClassVar[dict[tuple[str, str], tuple[tuple[Passage, ...], Index]]] = {}
    """By the index's name and the kind of passages."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service, self._caller = service, caller

    async def search(
        self, query: Annotated[str, Field(description="a few words of what is looked for", max_length=300)]
    ) -> dict[str, Any]:
        """Search the documentation, the journal and the findings of the watch for words: how something works, what was
        done and why, what contracts announce."""
        self._service.admission.need(self._caller, Scope.READ, "", "a search of the assistant")
        return as_document(await self.found(query, {"page": 4, "journal": 6, "finding": 4}))

    async def found(self, query: str, most: dict[str, int] = AT_FIRST) -> list[Passage]:
        """The nearest passages, at most so many of each kind."""
        there = await passages(self._service, self._caller)
        return await asyncio.to_thread(self._search, there, query, most)

    def _search(self, there: tuple[Passage, ...], query: str, most: dict[str, int]) -> list[Passage]:
        found = list[Passage]()
        for kind, number in most.items():
            some = tuple(one for one in there if one.kind == kind)
            found += self._of_kind(kind, some, query, number)
        return found

    def _of_kind(self, kind: str, some: tuple[Passage, ...], query: str, most: int) -> list[Passage]:
        """The nearest passages of one kind. Where an installed index fails, the full-text index answers: it is foreign
        code, and what it gives counts only where it is one of the passages."""
        name = self._service.context.settings.assistance.index
        try:
            given = self._index(name, kind, some).search(query, most)
            return [one for one in given if one in some][:most]
        except ConfigError:
            raise
        except Exception as fault:  # foreign code
            why = one_line(str(fault) or type(fault).__name__, 200)
            self._service.context.complain(f"assistant.index: {name} failed ({why}): full_text is used")
            return FullText(some).search(query, most)

    def _index(self, name: str, kind: str, some: tuple[Passage, ...]) -> Index:
        """The index of one kind, made anew where a passage of it has changed."""
        kept = Searcher._kept.get((name, kind))
        if kept is None or kept[0] != some:
            kept = Searcher._kept[name, kind] = (some, build_of(name)(some))
        return kept[1]


def as_document(found: Sequence[Passage]) -> dict[str, Any]:
    """Passages as JSON values. The names of fields say whose text it is (``sources.FOREIGN``, ``sources.MIXED``)."""
    return {
        "pages": [{"place": one.place, "text": one.text} for one in found if one.kind == "page"],
        "journal": [{"place": one.place, "at": one.at, "words": one.text} for one in found if one.kind == "journal"],
        "findings": [
            {"place": one.place, "at": one.at, "severity": one.severity, "why": one.why, "message": one.text}
            for one in found
            if one.kind == "finding"
        ],
    }
