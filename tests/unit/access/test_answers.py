"""Answers kept by Idempotency-Key: the first claims it, others get its answer, and none is done twice."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from yieldbot.access.answers import KEPT_SECONDS, Answers, Kept
from yieldbot.access.database import url_of
from yieldbot.access.ring import KeyRing
from yieldbot.errors import KeysHeld

NOW = 1_800_000_000


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path)


def test_the_first_claims_and_the_rest_get_its_answer_after_a_restart_too(url: str) -> None:
    answers = Answers(url)
    assert answers.claim("me", "k1", b"ask", NOW) is None
    assert answers.claim("me", "k1", b"ask", NOW) == Kept(True, None, "")
    answers.keep("me", "k1", 201, "{}")
    again = Answers(url)
    again.drop_unanswered()
    assert again.claim("me", "k1", b"ask", NOW + 5) == Kept(True, 201, "{}")
    assert again.claim("me", "k1", b"other", NOW + 5) == Kept(False, 201, "{}")
    assert again.claim("you", "k1", b"ask", NOW) is None, "another caller's key is another key"


def test_two_programs_may_begin_at_once(url: str) -> None:
    from sqlalchemy import Engine, event

    before = list[str]()

    def another_begins(connection: object, cursor: object, statement: str, *more: object) -> None:
        if statement.lstrip().startswith("CREATE") and not before:
            before.append(statement)
            KeyRing(url)
            Answers(url)

    event.listen(Engine, "before_cursor_execute", another_begins)
    try:
        KeyRing(url)
    finally:
        event.remove(Engine, "before_cursor_execute", another_begins)
    assert before and Answers(url).claim("me", "k1", b"ask", NOW) is None


def test_what_came_to_nothing_may_be_tried_again(url: str) -> None:
    answers = Answers(url)
    answers.claim("me", "k1", b"ask", NOW)
    answers.drop("me", "k1")
    assert answers.claim("me", "k1", b"ask", NOW) is None
    Answers(url).drop_unanswered()  # the server went away
    assert answers.claim("me", "k1", b"ask", NOW) is None


def test_they_are_kept_for_a_day(url: str) -> None:
    answers = Answers(url)
    answers.claim("me", "k1", b"ask", NOW)
    answers.keep("me", "k1", 200, "x")
    assert answers.claim("me", "k1", b"ask", NOW + KEPT_SECONDS) == Kept(True, 200, "x")
    assert answers.claim("me", "k1", b"ask", NOW + KEPT_SECONDS + 1) is None


def test_of_many_at_once_one_is_first(url: str) -> None:
    Answers(url)

    def claimed(_: int) -> object:
        while True:  # a slow disk keeps the others waiting: who is asked to try again does
            with suppress(KeysHeld):
                return Answers(url).claim("me", "k", b"ask", NOW)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claimed, range(24)))
    assert found.count(None) == 1


def test_a_second_server_keeps_what_the_first_has_in_progress(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        first = Answers(url)
        assert first.claim("a", "key-1", b"x", NOW) is None
        with first._engine.begin() as connection:
            connection.execute(first._table.update().values(body=str(other.pid)))
        second = Answers(url)
        second.drop_unanswered()
        assert second.claim("a", "key-1", b"x", NOW) == Kept(True, None, ""), "it is in progress there"
        other.communicate(b"\n")
    second.drop_unanswered()
    assert second.claim("a", "key-1", b"x", NOW) is None, "that server has ended"
