"""A double of the assistant's port (``app.asking.Assistant``): it says what a test gives it, and calls no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from yieldbot.access.caller import Caller
from yieldbot.app.answer_documents import (
    AnswerDocument,
    FigurePart,
    FindingPart,
    ProposalPart,
    SourcePart,
    UsagePart,
)
from yieldbot.app.asking import Ended, Event, Turn

USAGE = UsagePart(requests=1, input_tokens=9, cached_tokens=0, output_tokens=9, nanodollars=9, seconds=0.1)


@dataclass
class PortDouble:
    """The double."""

    events: list[Event] = field(default_factory=list)
    """What it says to each question."""
    why: str | None = None
    """Why it is off; None: it answers."""
    wait: asyncio.Event | None = None
    """What it waits for before its last event; None: nothing."""
    asked: list[tuple[str, Caller, tuple[Turn, ...]]] = field(default_factory=list)
    """All questions, with whose they were and what was before."""
    closed: int = 0
    """How many answers have ended, complete or not."""

    def off(self) -> str | None:
        """See ``app.asking.Assistant``."""
        return self.why

    async def ask(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> AsyncIterator[Event]:
        """See ``app.asking.Assistant``."""
        self.asked.append((question, caller, tuple(history)))
        try:
            for event in self.events:
                if isinstance(event, Ended) and self.wait is not None:
                    await self.wait.wait()
                yield event
        finally:
            self.closed += 1

    async def request(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> Any:
        """See ``app.asking.Assistant``."""
        raise NotImplementedError

    def usage(self, days: int = 7) -> Any:
        """See ``app.asking.Assistant``."""
        raise NotImplementedError


def answered(answer: str | None, question: str = "What does it pay?", **more: Any) -> AnswerDocument:
    """A document of an answer. more: other fields, in the place of those without any number."""
    given: dict[str, Any] = {
        "question": question,
        "status": "answered",
        "answer": answer,
        "note": None,
        "figures": (),
        "sources": (),
        "findings": (),
        "proposals": (),
        "model": "a-double",
        "prompt": "answer-1",
        "repeated": False,
        "usage": USAGE,
    }
    return AnswerDocument(**given | more)


def whole(key: str, text: str = "It pays 4.12 % now, and 4.12 % before.\nWe hold 12 USDC.") -> AnswerDocument:
    """An answer with everything that there can be. key: of a market that it looked at."""
    sources = (
        SourcePart(source="S1", kind="question", name="the question", as_of=None, block=None),
        SourcePart(source="S2", kind="tool", name=f'get_market {{"key": "{key}"}}', as_of=1_790_000_000, block=21),
        SourcePart(source="S3", kind="tool", name="list_positions {}", as_of=1_790_000_000, block=None),
    )
    figures = (
        FigurePart(text="4.12 %", source="S2", path="total_apy", value="0.0412"),
        FigurePart(text="4.12 %", source="S2", path="total_apy", value="0.0412"),
        FigurePart(text="12 USDC", source="S3", path="items[0].held", value="12.000000"),
    )
    findings = (FindingPart(severity="critical", why="an owner changed", place="USDC on base", text="a new owner"),)
    plan = ProposalPart(id="a" * 64, kind="plan", lines=("main: USDC on base",), command="yieldbot approve " + "a" * 64)
    alert = ProposalPart(id="p1", kind="alert", lines=("rate below 5 %",), command="yieldbot proposal accept p1")
    return answered(text, figures=figures, sources=sources, findings=findings, proposals=(plan, alert))
