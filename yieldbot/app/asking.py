"""What interfaces need of the assistant: events while it answers, and the port that ``cli`` fills where it is
installed and has a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.access.caller import Caller
    from yieldbot.app.answer_documents import AnswerDocument, AssistantRequestDocument, AssistantUsageDocument

NO_EXTRA = "the assistant needs the extra `assistant`: pip install 'yieldbot[assistant]'"


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation, with the answer that was shown."""

    question: str
    """The question."""
    answer: str
    """The answer."""


@dataclass(frozen=True, slots=True)
class Looking:
    """A tool is used."""

    tool: str
    """The tool's name."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The next part of the answer, as it is shown."""

    text: str
    """The text, with the space before the next sentence."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was shown of this answer so far does not count: a later part of it had no source."""

    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is complete; always the last event."""

    document: AnswerDocument
    """The whole answer."""


Event = Looking | Piece | Withdrawn | Ended


def why_off(assistant: Assistant | None) -> str | None:
    """Why no question is answered, with the remedy in one line; None: questions are answered."""
    return NO_EXTRA if assistant is None else assistant.off()


class Assistant(Protocol):
    """Answers questions. Nothing safe depends on it."""

    def off(self) -> str | None:
        """Why it answers nothing, with the remedy in one line; None: it has a key. Cheap, and never raises."""
        ...

    def ask(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> AsyncIterator[Event]:
        """Answer a question for a caller, of whose rights at most ``read`` and ``plan`` are used. Never raises for what
        the service or the model does: ``Ended`` says it."""
        ...

    async def request(self, question: str, caller: Caller, history: Sequence[Turn] = ()) -> AssistantRequestDocument:
        """What would be sent for a question. Nothing is sent."""
        ...

    def usage(self, days: int = 7) -> AssistantUsageDocument:
        """What it used in the last days. Raises InvariantError where that cannot be read."""
        ...
