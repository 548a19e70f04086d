"""Callers who mean harm, or are careless: no key leaves by a log, no broken file answers with a bug."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.unit.app.test_overview import Quiet
from yieldbot.access.database import FILE
from yieldbot.api import answering
from yieldbot.errors import KeysHeld


@pytest.mark.parametrize("path", ["/v1/{}", "/v1/plans/{}", "/v1/halt?a={}", "/v1/halt?{}=1", "/v1/plans/{}/approval"])
@pytest.mark.parametrize("written", [lambda key: key, lambda key: key.replace("_", "%5F")])
def test_a_key_anywhere_in_a_url_is_refused_and_in_no_journal(served: Served, path: str, written: Any) -> None:
    key = served.key("read")
    text = key["Authorization"].removeprefix("Bearer ")
    answer = served.client.get(path.format(written(text)), headers=key)
    assert answer.status_code == 400 and answer.json()["code"] == "KEY_IN_URL"
    assert text not in answer.text
    asyncio.run(served.service.write_audit())
    raw = served.service.journal_file.read_bytes().decode("latin-1")
    assert "with a key in the URL" in raw and text[:30] not in raw and text[-20:] not in raw


def test_wrong_keys_of_an_address_lock_out_no_right_one(served: Served) -> None:
    for _ in range(15):
        wrong = served.client.get("/v1/halt", headers={"Authorization": "Bearer yb_00000000_" + "x" * 43})
    assert wrong.status_code == 429
    assert served.client.put("/v1/halt", headers=served.key("halt")).status_code == 200


def test_keys_that_cannot_be_read_are_said_in_one_line(served: Served, context: Quiet) -> None:
    key = served.key("read")
    served.ring._engine.dispose()
    served.service.admission._ring._engine.dispose()
    (context.settings.data_dir / FILE).write_bytes(b"this was a database" * 500)
    answer = served.client.get("/v1/halt", headers=key)
    assert answer.status_code == 500 and answer.json()["code"] == "BROKEN" and FILE in answer.json()["detail"]
    assert "a bug" not in context.lines[-1] and FILE in context.lines[-1]
    assert served.client.get("/v1/health").status_code == 200


def test_keys_that_another_program_holds_are_asked_for_again_and_a_halt_is_let_in(
    served: Served, context: Quiet
) -> None:
    keys = served.key("plan"), served.key("halt", quota=10)
    other = sqlite3.connect(context.settings.data_dir / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    idempotent = {"Idempotency-Key": "held-by-another"}
    held = served.client.post("/v1/plans", headers=keys[0] | idempotent)
    assert (held.status_code, held.json()["code"], held.headers["Retry-After"]) == (503, "BUSY", "5")
    began = time.monotonic()
    for name in "abcdefgh":  # the first waited for half a second, and these do not: all other requests would wait too
        others = {"Idempotency-Key": f"held-by-another-{name}"}
        assert served.client.post("/v1/plans", headers=keys[0] | others).status_code == 503
    assert time.monotonic() - began < 20, "once it waited for 5 seconds each time"
    assert "held by another program" in held.json()["detail"]
    assert all(job != "queue" for job, _ in served.asked)
    assert served.client.put("/v1/halt", headers=keys[1]).status_code == 200 and served.service.halted() is not None
    prefix = keys[0]["Authorization"].split("_")[1]
    assert served.service.admission.living([prefix]) == {prefix}, "a page that is signed in goes on, and may halt"
    other.execute("COMMIT")
    other.close()
    served.answers = {"queue": {"schema": "x"}}
    assert served.client.post("/v1/plans", headers=keys[0] | idempotent).status_code == 201


def test_an_answer_that_cannot_be_kept_is_still_given(
    served: Served, context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(*_: Any) -> None:
        raise KeysHeld(f"{FILE} is held by another program")

    monkeypatch.setattr(served.service.answers, "keep", held)
    served.answers = {"queue": {"schema": "x"}}
    headers = served.key("plan") | {"Idempotency-Key": "kept-nowhere"}
    assert served.client.post("/v1/plans", headers=headers).status_code == 201
    assert "cannot be kept" in context.lines[-1]
    assert served.client.post("/v1/plans", headers=headers).status_code == 409, "it is not done twice"


def test_a_body_that_ends_early_is_no_bug(served: Served, context: Quiet) -> None:
    key = served.key("plan")
    headers = [(name.lower().encode(), value.encode()) for name, value in key.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/v1/plans", "raw_path": b"/v1/plans", "query_string": b"", "root_path": "",
        "headers": [*headers, (b"content-length", b"9")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
    }  # fmt: skip
    came = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(came)

    async def send(message: Any) -> None:
        return None

    asyncio.run(served.app(scope, receive, send))
    assert not any("a bug" in line for line in context.lines)


def test_what_needs_no_key_is_limited_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = served.service.admission._addresses
    monkeypatch.setattr(addresses, "_rate", type(addresses._rate)(0.01, 2))
    found = [served.client.get(path) for path in ("/v1/health", "/v1/openapi.json", "/v1/ready", "/v1/health")]
    assert [one.status_code for one in found] == [200, 200, 429, 429] and int(found[2].headers["Retry-After"]) > 1


def test_a_wish_that_met_a_bug_may_be_sent_again(served: Served) -> None:
    headers = served.key("plan") | {"Idempotency-Key": "a-new-one-1"}
    served.answers = {"queue": ZeroDivisionError()}
    assert served.client.post("/v1/plans", headers=headers).status_code == 500
    served.answers = {"queue": {"schema": "x"}}
    assert served.client.post("/v1/plans", headers=headers).status_code == 201


def test_kept_answers_are_bounded_by_their_size(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    key = served.key("read")
    length = len(served.client.get("/v1/markets", headers=key).content)
    monkeypatch.setattr(answering, "MOST_KEPT_BYTES", 3 * length)
    for number in range(9):
        assert served.client.get(f"/v1/markets?min_supplied=-{number}", headers=key).status_code == 200
    kept = served.app.state.kept
    assert kept and sum(len(raw) for raw, _ in kept.values()) <= 3 * length


def test_who_is_not_let_in_makes_few_lines_of_the_audit_whatever_is_asked(served: Served) -> None:
    """The journal is append-only: a row for each new path would let anybody fill the disk."""
    wrong = {"Authorization": "Bearer yb_" + "a" * 60}
    for number in range(40):
        served.client.request(f"M{number}", f"/v1/z{number}", headers=wrong)
        served.client.get(f"/v1/plans/{number}", headers=wrong)
        served.client.put(f"/v1/plans/{number}/approval", json={})
        served.client.get(f"/mcp/{number}")
    lines = served.service.admission.taken()
    assert {one.what for one in lines} <= {
        "another method another path",
        *(f"{m} /v1/plans" for m in ("GET", "PUT")),
        "GET /mcp",
    }
    assert len(lines) <= 12 and sum(one.times for one in lines) >= 100
