"""Signing in and out, and what a page refuses."""

from __future__ import annotations

import sqlite3

import pytest

from tests.kit.web.browsing import Browsing
from tests.unit.app.test_overview import Quiet
from yieldbot.access.caller import Caller, Scope
from yieldbot.access.database import FILE
from yieldbot.web.answering import POLICY
from yieldbot.web.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST, Sessions

READER = Caller("ben", frozenset((Scope.READ,)))


def test_without_a_session_every_page_asks_to_sign_in_and_leads_back_afterwards(browsing: Browsing) -> None:
    asked = browsing.get("/markets?sort=name")
    assert asked.status_code == 303 and asked.headers["location"] == "/sign-in?then=%2Fmarkets%3Fsort%3Dname"
    form = browsing.get(asked.headers["location"])
    assert form.status_code == 200 and 'value="/markets?sort=name"' in form.text
    assert browsing.sign_in().headers["location"] == "/"
    assert browsing.get("/markets").status_code == 200


def test_every_answer_forbids_what_it_does_not_need(browsing: Browsing) -> None:
    for path in ("/sign-in", "/", "/nothing", "/static/x"):
        headers = browsing.get(path).headers
        assert headers["content-security-policy"] == POLICY and "unsafe" not in POLICY
        assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] == "same-origin"


def test_a_method_that_a_page_lacks_is_answered_with_those_that_it_has(browsing: Browsing) -> None:
    browsing.sign_in()
    for path, methods in (("/markets", {"GET", "HEAD"}), ("/sign-out", {"POST"})):
        answer = browsing.client.options(path)
        assert answer.status_code == 405 and set(answer.headers["allow"].split(", ")) == methods


def test_a_session_begins_with_a_new_id_and_ends_with_signing_out(browsing: Browsing) -> None:
    browsing.client.cookies.set("yieldbot", "chosen-by-an-attacker", domain="testserver.local", path="/")
    cookie = browsing.sign_in().headers["set-cookie"]
    assert "chosen" not in cookie and "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    first = browsing.client.cookies["yieldbot"]
    token = browsing.token()
    assert browsing.sign_in(name="again").status_code == 303
    assert browsing.client.cookies["yieldbot"] != first and browsing.token() != token
    second = browsing.client.cookies["yieldbot"]
    assert browsing.post("/sign-out").status_code == 303
    assert browsing.get("/", headers={"Cookie": f"yieldbot={second}"}).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"Origin": "https://other.example"}, True),
        ({"Origin": "null"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({}, False),
    ],
)
def test_a_form_of_another_site_is_refused(browsing: Browsing, headers: dict[str, str], token: bool) -> None:
    browsing.sign_in()
    assert browsing.post("/sign-out", {"x": "1"}, token=token, **headers).status_code == 403
    assert browsing.get("/").status_code == 200, "the session goes on"


def test_a_session_ends_with_its_key(browsing: Browsing) -> None:
    browsing.sign_in(name="ben")
    assert browsing.get("/").status_code == 200
    browsing.served.ring.revoke("ben", 1)
    assert browsing.get("/").status_code == 303


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"])
def test_signing_in_leads_to_no_other_site(browsing: Browsing, then: str) -> None:
    key = browsing.served.key("read")["Authorization"].removeprefix("Bearer ")
    assert browsing.post("/sign-in", {"key": key, "then": then}, token=False).headers["location"] == "/"


def test_keys_that_are_not_valid_are_slowed_and_those_that_cannot_read_are_refused(browsing: Browsing) -> None:
    assert browsing.sign_in("plan").status_code == 403
    answers = [browsing.post("/sign-in", {"key": "yb_x", "then": "/"}, token=False).status_code for _ in range(12)]
    assert answers[0] == 401 and answers[-1] == 429
    assert browsing.sign_in().status_code == 303, "others at this address are not locked out"


def test_while_no_key_can_be_read_a_page_says_so_and_goes_on_afterwards(browsing: Browsing, context: Quiet) -> None:
    key = browsing.served.key("read", name="again")["Authorization"].removeprefix("Bearer ")
    browsing.sign_in()
    other = sqlite3.connect(context.settings.data_dir / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for path in ("/", "/session", "/markets"):
        held = browsing.get(path)
        assert (held.status_code, held.headers["Retry-After"]) == (503, "2"), path
        assert "held by another program" in held.text and "a bug" not in held.text
        assert held.headers["Content-Security-Policy"] == POLICY
    assert browsing.post("/sign-in", {"key": key, "then": "/"}, token=False).status_code == 503
    other.execute("COMMIT")
    other.close()
    assert browsing.get("/").status_code == 200


def test_sessions_end_by_time_and_are_not_without_number() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    idle, busy = sessions.begin(READER), sessions.begin(READER)
    for now[0] in range(0, LONGEST_SECONDS, IDLE_SECONDS - 1):
        assert sessions.find(busy) is not None
    assert sessions.find(idle) is None
    now[0] = LONGEST_SECONDS + 1
    assert sessions.find(busy) is None
    first = sessions.begin(READER)
    for _ in range(MOST):
        sessions.begin(READER)
    assert sessions.find(first) is None
