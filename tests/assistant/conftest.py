"""An assistant over the double of the Messages API, on a server over the double of a chain's session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.assistant.messages_double import KEY, Double
from tests.unit.api.conftest import observed, served
from tests.unit.app.test_overview import context
from yieldbot.access.caller import Caller, Scope
from yieldbot.app.asking import Ended, Event, Turn
from yieldbot.assistant.answering import Answers

__all__ = ["ALL", "context", "observed", "served"]

ALL = Caller("assistant", frozenset(Scope))
"""A caller with every right."""


class Asked:
    """An assistant, and the double that it asks."""

    def __init__(self, served: Served, double: Double) -> None:
        self.served, self.double = served, double
        self.answers = Answers(served.service)
        self.events: list[Event] = []

    def configure(self, **more: Any) -> None:
        """Change settings of [assistant]."""
        context = self.served.service.context
        fresh = replace(context.settings.assistance, api=self.double.url, **more)
        context.replace(replace(context.settings, assistance=fresh))

    async def __call__(self, question: str, *steps: Any, caller: Caller = ALL, history: tuple[Turn, ...] = ()) -> Any:
        """The final document, after the double's next replies."""
        self.double.steps[:] = steps
        self.events = [event async for event in self.answers.ask(question, caller, history)]
        last = self.events[-1]
        assert isinstance(last, Ended) and sum(isinstance(one, Ended) for one in self.events) == 1
        return last.document


@pytest.fixture
def double() -> Iterator[Double]:
    with Double() as found:
        yield found


@pytest.fixture
def asked(observed: Served, double: Double, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    found = Asked(observed, double)
    found.configure()
    return found
