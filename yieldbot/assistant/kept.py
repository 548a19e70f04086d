"""Answers kept by snapshot: the same question about the same reading and journal costs nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldbot.app.admission import Caller
    from yieldbot.app.answer_documents import AnswerDocument
    from yieldbot.app.service import Service

MOST_KEPT = 100
SECONDS = 900
"""An answer is not repeated after this time, since answers speak of the present time."""


class KeptAnswers:
    """The last answers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[int, AnswerDocument]] = OrderedDict()

    def get(self, name: tuple[Any, ...], now: float) -> AnswerDocument | None:
        """The answer to this; None: there is none that still holds."""
        at, found = self._kept.get(name, (0, None))
        return found if found is not None and 0 <= now - at < SECONDS else None

    def keep(self, name: tuple[Any, ...], document: AnswerDocument, now: float) -> None:
        """Keep a complete answer that proposed nothing."""
        if document.status != "answered" or document.proposals:
            return
        self._kept[name] = int(now), document.model_copy(update={"repeated": True})
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def name_of(service: Service, question: str, caller: Caller, prompt: str) -> tuple[Any, ...]:
    """What an answer depends on: the question, who may see what, the reading and the journal, prompts and settings."""
    settings = service.context.settings
    words = " ".join(question.split()).lower()
    models = tuple(sorted(settings.assistance.models.items()))
    return (
        words,
        caller.scopes,
        caller.accounts,
        service.attempts,
        service.moment(),
        prompt,
        models,
        settings.assistance.send_addresses,
    )
