"""The stream that says when pages are to load their content again."""

from __future__ import annotations

import asyncio

from tests.kit.api.served import Served
from tests.kit.web.browsing import Browsing
from yieldbot.access.caller import Caller, Scope
from yieldbot.web.sessions import IDLE_SECONDS, Sessions

PERSON = Caller("anna (passkey)", frozenset((Scope.READ,)))


def test_a_stream_needs_a_session_and_begins_with_hello(browsing: Browsing) -> None:
    assert browsing.get("/live").status_code == 401
    assert browsing.get("/session").json() == {"name": None, "token": None}
    browsing.sign_in()
    assert browsing.client.head("/live").status_code == 200 and not len(browsing.served.service.events)
    answer = browsing.get("/live")
    assert answer.headers["content-type"].startswith("text/event-stream") and "event: hello" in answer.text
    whose = browsing.get("/session")
    assert whose.json() == {"name": "read", "token": browsing.token()}
    assert whose.headers["cache-control"] == "no-store"
    assert whose.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_persons_stream_lasts_as_long_as_the_session_although_no_key_is_behind_it(served: Served) -> None:
    events, here = served.service.events, [True]

    async def work() -> tuple[str | None, str | None]:
        stream = await events.open(PERSON, None, alive=lambda: here[0])
        events._check_keys()
        before = stream.ended
        here[0] = False
        events._check_keys()
        after = stream.ended
        events.drop(stream)
        return before, after

    assert asyncio.run(work()) == (None, "the session has ended")


def test_a_stream_does_not_keep_its_session_in_use() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    session = sessions.find(sessions.begin(PERSON))
    assert session is not None
    for now[0] in (IDLE_SECONDS - 1.0, IDLE_SECONDS + 1.0):
        held = sessions.holds(session)
        assert held is (now[0] < IDLE_SECONDS)
