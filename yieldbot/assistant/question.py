"""One question: what the model is given, with the number of each source, and what its answer is checked against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from yieldbot.app.answer_documents import (
    AnswerDocument,
    FigurePart,
    FindingPart,
    ProposalPart,
    SourcePart,
    Status,
    UsagePart,
)
from yieldbot.assistant.grounding import Found, grounded, unsupported
from yieldbot.assistant.links import without_links
from yieldbot.assistant.requests import data_block
from yieldbot.assistant.sources import Sources
from yieldbot.model.notices import Severity

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import Supplier
    from yieldbot.app.asking import Turn
    from yieldbot.assistant.messages_api import Tokens
    from yieldbot.assistant.privacy import Names

LONGEST_NAME = 200
LONGEST_FINDING = 400
MOST_FINDINGS = 5
RANKS = {one.value: one.rank for one in Severity}


@dataclass(slots=True)
class Question:
    """A question in progress."""

    text: str
    """The question."""
    names: Names
    """What stands for addresses."""
    now: Callable[[], float]
    """Unix seconds."""
    proposals: list[ProposalPart] = field(default_factory=list)
    """What was proposed."""
    findings: list[FindingPart] = field(default_factory=list)
    """What the watch found among the sources, the gravest first."""
    _sources: Sources = field(default_factory=Sources)
    """The numbers of every source."""
    _listed: list[SourcePart] = field(default_factory=list)
    """The sources, in the order of their numbers."""
    _used: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    """Requests, tokens sent, those of them kept, tokens returned, and nanodollars."""
    _began: float = 0.0
    """When it was taken up, in unix seconds."""

    def begin(self, history: Sequence[Turn]) -> list[str]:
        """Take up the question and the time; returns the first blocks of data."""
        self._began = self.now()
        at = int(self._began)
        self._sources.now = at
        self._sources.add_text(self._add("question", "the question"), self.text)
        for turn in history:
            self._sources.add_text("S1", turn.question, "earlier")
            self._sources.add_text("S1", turn.answer, "earlier")
        clock = {"now": at, "utc": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")}
        return [self.give("clock", "the present time", clock)]

    def give(self, kind: Supplier, name: str, document: Any, given: Any = None) -> str:
        """Add a source; returns the block of data that is sent. document: JSON values, or a text of our own pages.
        given: the input of a tool, which a model chose: what the document repeats of it supports nothing."""
        sent = self.names.out(document)
        source = self._add(kind, without_links(self.names.text_out(name))[:LONGEST_NAME], document)
        if isinstance(sent, str):
            self._sources.add_text(source, sent)
        else:
            given = given if isinstance(given, Mapping) else {}
            self._sources.add_document(source, sent, given, name.partition(" ")[0] if kind == "tool" else "")
            self._find(document)
        return data_block(source, self._listed[-1].name, sent)

    def _find(self, document: Any) -> None:
        """Note what the watch found."""
        rows = document.get("findings", [document]) if isinstance(document, Mapping) else ()
        for row in rows:
            if isinstance(row, Mapping) and row.get("severity") in RANKS and "message" in row:
                found = FindingPart(
                    severity=row["severity"],
                    why=without_links(str(row["why"])),
                    place=str(row["place"]),
                    text=without_links(str(row["message"]))[:LONGEST_FINDING],
                )
                self.findings = list(dict.fromkeys((*self.findings, found)))
        self.findings.sort(key=lambda one: -RANKS[one.severity])

    def check(self, text: str, before: str = "") -> list[Found]:
        """Every number of a text of the model, with its source. before: what it said until there."""
        return grounded(text, self._sources, before)

    def wrong(self, text: str, before: str = "") -> list[str]:
        """The numbers of a text of the model that no source has. before: what it said until there."""
        return unsupported(self.check(text, before))

    def took(self, tokens: Tokens, nanodollars: int) -> None:
        """Add what a request took."""
        sent = tokens.input + tokens.cache_write + tokens.cache_read
        for index, value in enumerate((1, sent, tokens.cache_read, tokens.output, nanodollars)):
            self._used[index] += value

    def document(
        self, status: Status, answer: str | None, note: str | None, model: str, prompt: str, repeated: bool = False
    ) -> AnswerDocument:
        """The end. answer: the model's text, whose numbers were checked."""
        found = self.check(answer) if answer else []
        requests, sent, cached, returned, nanodollars = self._used
        return AnswerDocument(
            question=self.text,
            status=status,
            answer=None if answer is None else self.names.text_in(answer),
            note=note,
            figures=tuple(
                FigurePart(
                    text=one.figure.text,
                    source=one.leaf.source,
                    path=self.names.text_in(one.leaf.path),
                    value=_value(one),
                )
                for one in found
                if one.leaf is not None and one.leaf.source
            ),
            sources=tuple(one.model_copy(update={"name": self.names.text_in(one.name)}) for one in self._listed),
            findings=tuple(self.findings[:MOST_FINDINGS]),
            proposals=tuple(self.proposals),
            model=model,
            prompt=prompt,
            repeated=repeated,
            usage=UsagePart(
                requests=requests,
                input_tokens=sent,
                cached_tokens=cached,
                output_tokens=returned,
                nanodollars=nanodollars,
                seconds=round(self.now() - self._began, 3),
            ),
        )

    def _add(self, kind: Supplier, name: str, document: Any = None) -> str:
        source = f"S{len(self._listed) + 1}"
        as_of, block = _time(document), _block(document)
        self._listed.append(SourcePart(source=source, kind=kind, name=name, as_of=as_of, block=block))
        return source


def _value(one: Found) -> str:
    assert one.leaf is not None
    if one.leaf.figure is not None:
        return one.leaf.figure.text
    return f"{one.leaf.value:f}"


def _time(document: Any) -> int | None:
    found = document.get("as_of", document.get("now")) if isinstance(document, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _block(document: Any) -> int | None:
    """The one block that a document names; None: it names none, or several."""
    found = set[int]()

    def walk(value: Any, depth: int = 0) -> None:
        if isinstance(value, Mapping):
            for name, part in value.items():
                height = part.get("height") if name == "block" and isinstance(part, Mapping) else part
                if name == "block" and isinstance(height, int):
                    found.add(height)
                elif depth < 6:
                    walk(part, depth + 1)
        elif isinstance(value, list):
            for part in value:
                walk(part, depth + 1)

    walk(document)
    return found.pop() if len(found) == 1 else None
