"""Opens the assistant of a service, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.app.schedule import Task, every
from yieldbot.assistant.answering import Answers
from yieldbot.assistant.messages_api import need_extra
from yieldbot.assistant.nightly import NightlySummary

if TYPE_CHECKING:
    from yieldbot.app.service import Service

LOOK_SECONDS = 300.0
"""Seconds between two looks at the clock, or at a batch."""


def assistant_of(service: Service) -> Answers:
    """The assistant. Raises ConfigError where the extra is not installed."""
    need_extra()
    return Answers(service)


def nightly_of(service: Service) -> Task:
    """The server's periodic task for the night's summary. Raises ConfigError where the extra is not installed."""
    return every("nightly", LOOK_SECONDS, NightlySummary(service, assistant_of(service)).work, at_once=False)
