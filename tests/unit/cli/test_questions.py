"""Questions on the terminal: how long an answer is waited for, and what counts as one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.policies import loose
from yieldbot.cli.prompts import agreed
from yieldbot.cli.run import Person
from yieldbot.errors import ConfigError


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """A terminal on which somebody types."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda text: os.write(writing, text.encode())
        os.close(writing)


@pytest.mark.parametrize(("text", "answer"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_only_yes_is_consent(typed: Callable[[str], Any], text: str, answer: bool) -> None:
    typed(text)
    assert agreed(60.0) is answer


def test_what_was_typed_before_the_question_was_shown_is_no_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard, screen = os.openpty()
    with os.fdopen(screen) as terminal, os.fdopen(keyboard, "wb", buffering=0) as keys:
        monkeypatch.setattr(sys, "stdin", terminal)
        keys.write(b"y\ny\n")
        assert agreed(0.01) is None, "of a plan that nobody had seen yet"


def test_no_answer_in_time_is_none_and_the_question_says_how_long_it_waits(
    typed: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert agreed(0.01) is None
    assert "[y/N, waits until " in capsys.readouterr().err


def test_nobody_waits_longer_than_the_plan_the_run_or_the_flag(
    typed: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = list[float]()
    monkeypatch.setattr("yieldbot.cli.prompts.agreed", lambda seconds: waited.append(seconds))
    monkeypatch.setattr("yieldbot.cli.run.show_proposal", lambda context, proposal: None)
    context: Any = SimpleNamespace(settings=SimpleNamespace(policy=loose(run_timeout_seconds=900.0)))
    for flag, left in ((None, 100.0), (30.0, 100.0), (None, 10_000.0), (None, -5.0)):
        person = Person(context, flag)
        plan: Any = SimpleNamespace(id="p1", expires_at=time.time() + left)
        person.show(SimpleNamespace(plan=plan))  # type: ignore[arg-type]
        assert person.ask() is None and person.seen == {"p1"}
    assert waited == [pytest.approx(100, abs=50), 30.0, pytest.approx(900, abs=50), 1.0]
    with pytest.raises(ConfigError, match="--timeout 0: write seconds, 1 or more"):
        Person(context, 0.0)
