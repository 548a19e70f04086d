"""Opens the assistant of a service, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.assistant.answering import Answers
from yieldbot.assistant.messages_api import need_extra

if TYPE_CHECKING:
    from yieldbot.app.service import Service


def assistant_of(service: Service) -> Answers:
    """The assistant. Raises ConfigError where the extra is not installed."""
    need_extra()
    return Answers(service)
