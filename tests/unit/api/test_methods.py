"""Every GET: HEAD beside it, 304 while nothing changed; every path: OPTIONS and Allow; no id is a line of the audit."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.kit.api.served import Served
from tests.kit.journal.store import OWNER as PLAN_OWNER
from tests.unit.api.test_alert_routes import RATE, once
from tests.unit.api.test_approvals import queue
from tests.unit.api.test_runs import ended
from tests.unit.api.test_server import BODIES, IDEMPOTENT, NEEDS, PUBLIC, ROUTES, filled, market_key
from tests.unit.app.test_overview import Quiet
from yieldbot.access.caller import Scope
from yieldbot.app import telemetry
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import EventsDocument
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven
from yieldbot.journal.store import Journal

OF_THE_MOMENT = {"/health", "/ready", "/metrics", "/events"}
"""What has no validator: it is of the moment that it is asked in."""


@pytest.fixture
def full(observed: Served) -> tuple[Served, dict[str, str], dict[str, str]]:
    """A server that has one of everything, a key for all of it, and the parts of its paths."""
    served = observed
    headers = served.key(*Scope)
    url = queue(served, time.time() + 3600)
    with Journal.open(served.service.journal_file) as journal:
        journal.append(ended())
    alert = once(served, headers, "a-new-alert", RATE).json()["alert"]["id"]
    served.answers = {"export": {"exit_code": 0, "notes": [], "content": "a,b\n", "format": "csv"}}
    ids = {"key": market_key(served, headers), "plan_id": url.split("/")[3], "alert_id": alert, "run_id": "r1"}
    return served, headers, ids | {"kind": "csv"}


def test_every_get_answers_304_while_nothing_changed_and_head_like_get(
    full: tuple[Served, dict[str, str], dict[str, str]],
) -> None:
    served, headers, ids = full
    gets = [path for method, path in ROUTES if method == "GET"]
    assert len(gets) > 20
    for path in gets:
        url = "/v1" + path.format(**ids)
        found = served.client.get(url, headers=headers)
        assert found.status_code in (200, 204), (path, found.text)
        head = served.client.head(url, headers=headers)
        assert head.status_code == found.status_code and head.content == b"", path
        assert head.headers.get("ETag") == found.headers.get("ETag")
        assert head.headers.get("Content-Type") == found.headers.get("Content-Type")
        if path in OF_THE_MOMENT:
            assert found.headers["Cache-Control"] == "no-store" and "ETag" not in found.headers, path
            continue
        assert head.headers["Content-Length"] == found.headers["Content-Length"] == str(len(found.content)), path
        assert found.headers["Cache-Control"] == "private, no-cache" and "Authorization" in found.headers["Vary"]
        served.service._now = lambda: time.time() + 5
        with Journal.open(served.service.journal_file) as journal:  # another's line, which changes none of these
            journal.append(AccessNoted(by="nobody", where="", what="GET", outcome="401"))
        again = served.client.get(url, headers=headers | {"If-None-Match": found.headers["ETag"]})
        assert again.status_code == (200 if path == "/journal" else 304), path
        if path != "/journal":
            assert again.content == b"" and again.headers["ETag"] == found.headers["ETag"]
            assert again.headers["Cache-Control"] == "private, no-cache"
            head = served.client.head(url, headers=headers | {"If-None-Match": found.headers["ETag"]})
            assert head.status_code == 304


def test_the_journal_answers_304_until_it_has_another_row(
    full: tuple[Served, dict[str, str], dict[str, str]],
) -> None:
    served, headers, _ = full
    tag = served.client.get("/v1/journal", headers=headers).headers["ETag"]
    assert served.client.get("/v1/journal", headers=headers | {"If-None-Match": tag}).status_code == 304


def test_options_and_405_name_every_method_of_a_path(served: Served) -> None:
    headers = served.key(*Scope)
    for path in sorted({path for _, path in ROUTES}):
        served.service.admission._attempts._known.clear()  # or too many wrong attempts are slowed
        own = {method for method, other in ROUTES if other == path}
        named = own | {"OPTIONS"} | ({"HEAD"} if "GET" in own else set())
        answer = served.client.options(filled(path), headers=headers)
        assert answer.status_code == 204 and set(answer.headers["Allow"].split(", ")) == named, path
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - named:
            refused = served.client.request(method, filled(path), headers=headers | IDEMPOTENT)
            assert refused.status_code == 405 and set(refused.headers["Allow"].split(", ")) == named
        if path not in PUBLIC:
            assert served.client.options(filled(path)).status_code == 401
    assert served.client.options("/v1/nothing", headers=headers).status_code == 404


def test_head_of_a_write_writes_nothing(served: Served) -> None:
    assert served.client.head("/v1/quotes", headers=served.key(*Scope)).status_code == 405
    assert served.client.head("/v1/markets", headers=served.key("plan")).status_code == 403
    assert served.client.head("/v1/markets").status_code == 401


def test_unknown_ids_and_refusals_of_a_key_are_one_line_each_of_the_audit(served: Served, context: Quiet) -> None:
    without, headers = served.key("plan", name="without"), served.key(*Scope, name="all")
    for number in range(5):
        for method, path in ROUTES:
            url = "/v1" + path.replace("{", "x{").format(
                key=number, plan_id=number, kind=number, alert_id=number, run_id=number, prefix=number
            )
            if "{" not in path:
                continue
            body = BODIES.get((method, path), {})
            again = {"Idempotency-Key": f"a-new-one-{number}"}
            assert served.client.request(method, url, headers=headers | again, **body).status_code in (404, 503), url
            if NEEDS.get((method, path), Scope.READ) is not Scope.PLAN:
                assert served.client.request(method, url, headers=without, **body).status_code == 403
        served.client.request("PUT", f"/v1/nothing-{number}", headers=headers)
    asyncio.run(served.service.write_audit())
    document = history(HistoryRequest(limit=0), context)
    assert isinstance(document, EventsDocument)
    lines = Counter(row.text.partition(", ")[0] for row in document.events if row.kind == "access.noted")
    assert len(lines) < 30 and sum(row.body["times"] for row in document.events) > 50, lines


def test_what_is_about_a_plan_is_its_accounts(served: Served, context: Quiet) -> None:
    plan_id = queue(served, time.time() + 3600).split("/")[3]
    with Journal.open(served.service.journal_file) as journal:
        journal.append(ApprovalGiven(plan_id=plan_id, approver="anna", signature="0x"))
    own = served.key("read", accounts=frozenset((PLAN_OWNER.lower(),)))
    other = served.key("read", name="other", accounts=frozenset(("0x" + "99" * 20,)))
    rows = served.client.get("/v1/journal", headers=own).json()["items"]
    assert [row["kind"] for row in rows] == ["approval.given", "plan.marked", "plan.written"]
    assert {row["owner"] for row in rows} == {PLAN_OWNER} and len({row["chain"] for row in rows}) == 1
    assert served.client.get("/v1/journal", headers=other).json()["total"] == 0
    document = history(HistoryRequest(limit=1), context)
    assert isinstance(document, EventsDocument) and document.events[0].owner == PLAN_OWNER, "its plan is further back"


def test_a_method_that_a_caller_invents_is_in_no_line_and_no_span(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, spans = list[tuple[object, ...]](), list[str]()

    @contextmanager
    def around(name: str, facts: dict[str, object]) -> Iterator[None]:
        spans.append(name)
        yield

    monkeypatch.setattr(telemetry, "answered", lambda *given: lines.append(given))
    telemetry.trace_by(around)
    try:
        answer = served.client.request("BREW" * 100, "/v1/markets", headers=served.key("read"))
    finally:
        telemetry.trace_by(None)
    assert answer.status_code == 405 and len(answer.headers["X-Request-Id"]) == 16
    assert [(route, method) for route, method, *_ in lines] == [("/v1/markets", "another method")]
    assert spans == ["another method /v1/markets"]
