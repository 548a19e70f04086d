"""Signing in with a passkey of the register, and what is no such sign-in."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.kit.passkeys import Passkey
from tests.kit.web.browsing import ORIGIN, Browsing
from tests.kit.web.planned import needs, waiting_plan
from tests.unit.app.test_overview import Quiet
from yieldbot.access.approvers import SIGN_IN, Approver
from yieldbot.app import approvers
from yieldbot.app.passkey_sign_in import MOST_OF_PLACE, VALID_SECONDS, Challenges
from yieldbot.execution.persons import to_approve
from yieldbot.journal.store import Journal

PARTY = "localhost"
HOST = "http://localhost"


@pytest.fixture
def ben(browsing: Browsing, context: Quiet) -> Passkey:
    """The passkey of a person in the register, for the page at localhost."""
    browsing.client.base_url = HOST
    found = Passkey(origin=HOST)
    approvers.add(approvers.person("ben", passkey=found.public, origin=HOST), context)
    return found


def post(browsing: Browsing, path: str, fields: dict[str, str] | None = None) -> Any:
    return browsing.post(path, fields, token=False, Origin=HOST)


def asked(browsing: Browsing) -> str:
    return str(post(browsing, "/sign-in/challenge").json()["challenge"])


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def given(passkey: Passkey, challenge: str, **more: Any) -> dict[str, str]:
    made = passkey.assertion(raw(challenge), party=PARTY, **more)
    return {"challenge": challenge, "assertion": made, "then": "/plans"}


def test_a_person_of_the_register_signs_in_until_they_are_removed(
    browsing: Browsing, ben: Passkey, context: Quiet
) -> None:
    done = post(browsing, "/sign-in/passkey", given(ben, asked(browsing)))
    assert done.status_code == 303 and done.headers["location"] == "/plans"
    assert browsing.get("/plans").status_code == 200 and "ben (passkey)" in browsing.get("/plans").text
    (note,) = (one for one in browsing.served.service.admission.taken() if one.what == "sign-in with a passkey")
    assert note.by == "ben"
    approvers.remove("ben", context)
    assert browsing.get("/plans").status_code == 303


def test_another_key_under_the_same_name_ends_the_session(browsing: Browsing, ben: Passkey, context: Quiet) -> None:
    post(browsing, "/sign-in/passkey", given(ben, asked(browsing)))
    approvers.remove("ben", context)
    approvers.add(approvers.person("ben", passkey=Passkey().public, origin=HOST), context)
    assert browsing.get("/plans").status_code == 303


def test_a_challenge_is_used_once_and_is_ours(browsing: Browsing, ben: Passkey) -> None:
    once = given(ben, asked(browsing))
    assert post(browsing, "/sign-in/passkey", once).status_code == 303
    again = post(browsing, "/sign-in/passkey", once)
    assert again.status_code == 401 and "set-cookie" not in again.headers
    invented = base64.urlsafe_b64encode(SIGN_IN + bytes(32)).rstrip(b"=").decode()
    assert post(browsing, "/sign-in/passkey", given(ben, invented)).status_code == 401
    spent = asked(browsing)
    assert post(browsing, "/sign-in/passkey", given(Passkey(origin=HOST), spent)).status_code == 401, "a stranger"
    assert post(browsing, "/sign-in/passkey", given(ben, spent)).status_code == 401, "a wrong answer spends it too"


@pytest.mark.parametrize(
    "wrong",
    [
        {"flags": 0x01},
        {"flags": 0x04},
        {"origin": "http://localhost.example"},
        {"type": "webauthn.create"},
        {"crossOrigin": True},
    ],
)
def test_an_assertion_of_another_kind_signs_nobody_in(browsing: Browsing, ben: Passkey, wrong: dict[str, Any]) -> None:
    assert post(browsing, "/sign-in/passkey", given(ben, asked(browsing), **wrong)).status_code == 401


def test_a_passkey_of_another_page_signs_nobody_in(browsing: Browsing, context: Quiet) -> None:
    browsing.client.base_url = HOST
    other = Passkey()
    approvers.add(approvers.person("eve", passkey=other.public, origin=other.origin), context)
    challenge = asked(browsing)
    made = other.assertion(raw(challenge), party="yieldbot.example")
    fields = {"challenge": challenge, "assertion": made, "then": "/"}
    assert post(browsing, "/sign-in/passkey", fields).status_code == 401


def test_what_signs_in_approves_nothing_and_what_approves_signs_nobody_in(
    browsing: Browsing, ben: Passkey, context: Quiet
) -> None:
    needs(context, 1)
    plan = waiting_plan(browsing.served)
    with Journal.read(browsing.served.service.journal_file) as journal:
        stored = journal.plan(plan.id)
    assert stored is not None
    message = to_approve(stored)
    person = Approver(name="ben", kind="passkey", public_key=ben.public, origin=HOST)
    for challenge in (SIGN_IN + bytes(32), SIGN_IN + message.challenge()):
        assert not person.signed(message, ben.assertion(challenge, party=PARTY))
    approval = base64.urlsafe_b64encode(message.challenge()).rstrip(b"=").decode()
    browsing.app.state.challenges._open[message.challenge()] = ("x", browsing.app.state.challenges._clock())
    refused = post(browsing, "/sign-in/passkey", given(ben, approval))
    assert refused.status_code == 401, "not even if the server had given it out"


def test_challenges_end_by_time_and_are_not_without_number() -> None:
    now = [0.0]
    open_ = Challenges(lambda: now[0])
    first, second = open_.new("192.0.2.1"), open_.new("192.0.2.1")
    assert len(first) == len(SIGN_IN) + 32 and first != second
    now[0] = VALID_SECONDS
    assert open_.take(first) and not open_.take(first)
    now[0] += 1
    assert not open_.take(second)
    other = open_.new("198.51.100.1")
    own = [open_.new("192.0.2.1") for _ in range(MOST_OF_PLACE + 1)]
    assert not open_.take(own[0]) and open_.take(own[-1]) and open_.take(other), "others' are not driven out"


def test_wrong_passkeys_are_slowed(browsing: Browsing, ben: Passkey) -> None:
    answers = [post(browsing, "/sign-in/passkey", {"challenge": "x", "assertion": "x"}).status_code for _ in range(12)]
    assert answers[0] == 401 and answers[-1] == 429
    assert post(browsing, "/sign-in/passkey", given(ben, asked(browsing))).status_code == 303


def test_the_page_that_makes_passkeys_is_for_anybody(browsing: Browsing) -> None:
    found = browsing.get("/passkey")
    assert found.status_code == 200 and 'id="make-form"' in found.text and ORIGIN not in found.text


def test_with_tls_the_cookie_is_of_this_host_alone_and_never_goes_out_without_it(browsing: Browsing) -> None:
    browsing.client.base_url = "https://testserver"
    key = browsing.served.key("read")["Authorization"].removeprefix("Bearer ")
    done = browsing.post("/sign-in", {"key": key, "then": "/"}, token=False, Origin="https://testserver")
    cookie = done.headers["set-cookie"].lower()
    assert cookie.startswith("__host-yieldbot=") and "domain" not in cookie
    assert all(f"; {word}" in cookie for word in ("secure", "httponly", "samesite=strict", "path=/"))
    assert done.headers["strict-transport-security"] == "max-age=31536000"
    plain = browsing.post("/sign-in", {"key": key, "then": "/"}, token=False)
    assert plain.status_code == 403, "a form of the same host without TLS is another site's"
