"""One question: what the model is given, with the number of each source, and what it may cite of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
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
from yieldbot.assistant.citable import Facts
from yieldbot.assistant.links import without_links
from yieldbot.assistant.requests import data_block
from yieldbot.assistant.speaking import Figure, Said, Speaker
from yieldbot.assistant.tongues import language_of
from yieldbot.model.dataclass import dataclass
from yieldbot.model.notices import Severity

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import Supplier
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
    _facts: Facts = field(default_factory=Facts)
    """What can be cited of every source."""
    _listed: list[SourcePart] = field(default_factory=list)
    """The sources, in the order of their numbers."""
    _used: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    """Requests, tokens sent, those of them kept, tokens returned, and nanodollars."""
    _began: float = 0.0
    """When it was taken up, in unix seconds."""

    def begin(self) -> list[str]:
        """Take up the question and the time; returns the first blocks of data."""
        self._began = self.now()
        at = int(self._began)
        self._facts.now = at
        self._add("question", "the question")
        clock = {"now": at, "utc": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")}
        return [self.give("clock", "the present time", clock)]

    def give(self, kind: Supplier, name: str, document: Any) -> str:
        """Add a source; returns the block of data that is sent. document: JSON values."""
        name = without_links(self.names.text_out(name))[:LONGEST_NAME]
        source = self._add(kind, name, document)
        self._find(document)
        return data_block(source, name, self._facts.add(source, self.names.out(document), name))

    def know(self, called: Mapping[str, str]) -> None:
        """Add names of markets by their identifiers."""
        self._facts.know({self.names.text_out(market): self.names.text_out(own) for market, own in called.items()})

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

    def say(self, text: str) -> Said:
        """What is shown of a text of the model."""
        said = Speaker(self._facts, language_of(self.text), bool(self.proposals)).say(text)
        said.text = self.names.text_in(said.text)
        return said

    def took(self, tokens: Tokens, nanodollars: int) -> None:
        """Add what a request took."""
        sent = tokens.input + tokens.cache_write + tokens.cache_read
        for index, value in enumerate((1, sent, tokens.cache_read, tokens.output, nanodollars)):
            self._used[index] += value

    def document(
        self,
        status: Status,
        answer: str | None,
        note: str | None,
        model: str,
        prompt: str,
        figures: Sequence[Figure] = (),
    ) -> AnswerDocument:
        """The end. answer: what is shown. figures: its figures."""
        requests, sent, cached, returned, nanodollars = self._used
        return AnswerDocument(
            question=self.text,
            status=status,
            answer=answer,
            note=note,
            figures=tuple(
                FigurePart(
                    text=self.names.text_in(one.text),
                    source=one.cited.source,
                    path=self.names.text_in(one.cited.path),
                    value=self.names.text_in(one.cited.value.text or f"{one.cited.value.number:f}"),
                )
                for one in figures
            ),
            sources=tuple(one.model_copy(update={"name": self.names.text_in(one.name)}) for one in self._listed),
            findings=tuple(self.findings[:MOST_FINDINGS]),
            proposals=tuple(self.proposals),
            model=model,
            prompt=prompt,
            repeated=False,
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
