"""Routes, scopes, statuses: what each answers, to whom, and in which shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.kit.api.served import Served
from tests.kit.config.files import WALLET
from tests.kit.market_builder import OWNER
from tests.unit.app.test_overview import Quiet
from yieldbot.access.caller import Scope
from yieldbot.api.server import MOST_BODY, NO_KEY_NEEDED, ROUTERS
from yieldbot.app.api_keys import list_
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import EventsDocument
from yieldbot.app.workers import WorkerFailed

NEEDS = {
    ("GET", "/halt"): Scope.READ, ("PUT", "/halt"): Scope.HALT, ("DELETE", "/halt"): Scope.HALT,
    ("POST", "/alerts"): Scope.PLAN, ("DELETE", "/alerts/{alert_id}"): Scope.PLAN,
    ("POST", "/plans"): Scope.PLAN, ("POST", "/runs"): Scope.RUN, ("PUT", "/plans/{plan_id}/approval"): Scope.APPROVE,
    ("DELETE", "/plans/{plan_id}/approval"): Scope.APPROVE,
    ("GET", "/keys"): Scope.KEYS, ("DELETE", "/keys/{prefix}"): Scope.KEYS,
}  # fmt: skip
"""What a route needs that is not read."""
PUBLIC = {"/health", "/ready", "/openapi.json"}
ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]
BODIES: dict[tuple[str, str], Any] = {
    ("PUT", "/plans/{plan_id}/approval"): {"json": {"approver": "anna", "signature": "0x"}},
    ("POST", "/alerts"): {"json": {"measure": "rate", "subject": "lend", "above": "5%"}},
    ("POST", "/quotes"): {"json": {"given": "USDC", "wanted": "WETH", "amount": "5"}},
}
"""What a route cannot do without."""
DEEP = b"[" * 60_000
IDEMPOTENT = {"Idempotency-Key": "a-new-one-1"}


def filled(path: str) -> str:
    return "/v1" + path.format(
        key="aave_v3~1~a", plan_id="p1", kind="csv", alert_id="a1", run_id="r1", prefix="00000000"
    )


def market_key(served: Served, headers: dict[str, str]) -> str:
    key: str = served.client.get("/v1/markets", headers=headers).json()["items"][0]["key"]
    return key


@pytest.mark.parametrize("scope", Scope)
def test_every_route_wants_its_one_scope(served: Served, scope: Scope) -> None:
    made = {"exit_code": 0, "notes": [], "content": "x", "format": "csv"}
    served.answers = {"queue": {"schema": "x"}, "quote": {"schema": "x"}, "export": made}
    key = served.key(scope)
    for number, route in enumerate(ROUTES):
        method, path = route
        if path in PUBLIC:
            assert served.client.request(method, filled(path)).status_code in (200, 204)
            continue
        body = BODIES.get(route, {})
        headers = key | {"Idempotency-Key": f"a-new-one-{number}"}
        answer = served.client.request(method, filled(path), headers=headers, **body)
        if scope == NEEDS.get(route, Scope.READ):
            assert answer.status_code in (200, 201, 202, 404), (route, answer.text)
        else:
            assert answer.status_code == 403 and answer.json()["code"] == "NO_SCOPE", route


def test_every_post_wants_an_idempotency_key_and_is_done_once(served: Served) -> None:
    served.answers = {"queue": {"schema": "x"}, "quote": {"schema": "x"}}
    posts = [route for route in ROUTES if route[0] == "POST"]
    assert len(posts) == 4
    for number, route in enumerate(posts):
        key, body = served.key(*Scope, name=f"one-{number}"), BODIES.get(route, {})
        assert served.client.post(filled(route[1]), headers=key, **body).status_code == 428
        first, again = (served.client.post(filled(route[1]), headers=key | IDEMPOTENT, **body) for _ in range(2))
        assert first.status_code == again.status_code < 300 and first.content == again.content, route
        assert again.headers["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first.headers


def test_without_a_key_nothing_answers_but_health(served: Served) -> None:
    for method, path in ROUTES:
        served.service.admission._attempts._known.clear()  # or too many wrong attempts are slowed
        answer = served.client.request(method, filled(path))
        assert (filled(path) in NO_KEY_NEEDED) is (path in PUBLIC)
        if path not in PUBLIC:
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer", path
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_key_that_plans_approves_nothing_by_any_method_header_or_field(served: Served) -> None:
    key = served.key("plan", "read", "run")
    served.answers = {"queue": {"schema": "x"}}
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        for path in ("/v1/plans/p1", "/v1/plans/p1/approval", "/v1/plans/p1/", "/v1/approvals", "/v1/halt"):
            for more in ({}, {"X-HTTP-Method-Override": "PUT"}, {"X-Scope": "approve"}, {"X-Forwarded-User": "root"}):
                answer = served.client.request(method, path, headers=key | IDEMPOTENT | more, json={"approve": True})
                assert answer.status_code in (403, 404, 405), (method, path, answer.text)
    answer = served.client.post("/v1/plans", headers=key | IDEMPOTENT, json={"approve": "auto"})
    assert answer.status_code == 422
    assert all(job != "queue" or "approve" not in json.dumps(request) for job, request in served.asked)


def test_documents_are_those_of_the_use_cases(served: Served) -> None:
    key = served.key("read")
    markets = served.client.get("/v1/markets", headers=key).json()
    assert [row["name"] for row in markets["items"]] == ["Market a", "Market b"] or len(markets["items"]) == 2
    assert markets["total"] == 2 and markets["next"] is None and "away: nobody answers" in markets["unread"]
    one = markets["items"][0]
    assert served.client.get(f"/v1/markets/{one['key']}", headers=key).json() == one
    risk = served.client.get(f"/v1/markets/{one['key']}/risk", headers=key).json()
    assert risk["components"] and 0 <= risk["safety"] <= 100 and risk["id"] == one["id"]
    said = served.client.get(f"/v1/markets/{one['key']}/forecasts", headers=key).json()
    assert said["market"] == one["id"] and said["quoted"] == pytest.approx(one["quoted_apy"], rel=0.1)
    (position,) = served.client.get("/v1/positions", headers=key).json()["items"]
    assert position["held"]["text"] == "10000.000000"
    signals = served.client.get("/v1/signals?fields=name,signal", headers=key).json()["items"]
    assert all(set(row) == {"name", "signal"} for row in signals) and len(signals) == 2
    (account,) = served.client.get("/v1/accounts", headers=key).json()["items"]
    assert account["owner"] == WALLET and account["stopped"] is None


def test_a_key_of_one_account_sees_nothing_of_another(served: Served) -> None:
    own = served.key("read", "plan", "halt", name="own", accounts=frozenset((OWNER.lower(),)))
    other = served.key("read", "plan", "halt", name="other", accounts=frozenset((WALLET.lower(),)))
    key = market_key(served, own)
    assert served.client.get(f"/v1/markets/{key}", headers=own).status_code == 200
    for path in (f"/v1/markets/{key}", f"/v1/markets/{key}/risk", f"/v1/markets/{key}/forecasts", "/v1/plans/p1"):
        assert served.client.get(path, headers=other).status_code == 404
    for path in ("markets", "grades", "signals", "positions", "plans", "transactions", "journal"):
        found = served.client.get(f"/v1/{path}", headers=other).json()
        assert found["items"] == [] and found["total"] == 0
    served.client.put("/v1/halt", headers=other)
    assert served.client.get("/v1/journal", headers=served.key("read")).json()["total"] == 1
    assert served.client.get("/v1/accounts", headers=own).json()["items"] == []
    assert served.client.get("/v1/accounts", headers=other).json()["total"] == 1
    answer = served.client.post("/v1/plans", headers=own | IDEMPOTENT)
    assert answer.status_code == 422 and "name one of this key's own" in answer.json()["detail"]
    served.answers = {"queue": {"schema": "x"}}
    assert served.client.post("/v1/plans", headers=other | IDEMPOTENT).status_code == 201
    assert served.asked[-1] == (
        "queue",
        {
            "jobs": {"wallet": "main", "chain": None, "asset": None},
            "what_if": {"exclude": ()},
            "by": "key other",
        },
    )
    answer = served.client.delete("/v1/halt", headers=other)
    assert answer.status_code == 403 and answer.json()["code"] == "NOT_ALL_ACCOUNTS"


def test_what_did_not_change_is_not_sent_again(served: Served) -> None:
    key = served.key("read")
    first = served.client.get("/v1/markets", headers=key)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache" and first.headers["Vary"] == "Authorization"
    again = served.client.get("/v1/markets", headers=key | {"If-None-Match": tag})
    assert again.status_code == 304 and again.content == b"" and again.headers["ETag"] == tag
    assert served.client.get("/v1/markets?limit=1", headers=key | {"If-None-Match": tag}).status_code == 200
    other = served.key("read", name="other", accounts=frozenset((WALLET.lower(),)))
    assert served.client.get("/v1/markets", headers=other | {"If-None-Match": tag}).status_code == 200


def test_before_the_first_reading_nothing_is_called_none(context: Quiet) -> None:
    served = Served(context)
    key = served.key("read")
    for path in ("/v1/markets", "/v1/markets/x", "/v1/positions", "/v1/grades", "/v1/ready"):
        answer = served.client.get(path, headers=key)
        assert answer.status_code == 503 and answer.headers["Retry-After"] and answer.json()["code"] == "NOT_READY"
    known = {"status": "ok", "read_at": 0, "failing": False, "halted": False, "signer": None}
    assert served.client.get("/v1/health").json() == known


def test_a_reading_that_fails_leaves_the_last_one(served: Served) -> None:
    key = served.key("read")
    before = served.client.get("/v1/markets", headers=key).content
    served.answers = {"newest": WorkerFailed("the node is down", "TransientError")}
    served.read()
    assert served.client.get("/v1/markets", headers=key).content == before
    assert served.client.get("/v1/health").json()["failing"] is True and served.service.failing == "the node is down"
    served.service.read_at -= 1000
    assert served.client.get("/v1/ready").status_code == 503


def test_a_reading_that_served_no_chain_leaves_the_last_one(served: Served) -> None:
    key = served.key("read")
    before, read_at = served.client.get("/v1/markets", headers=key).content, served.service.read_at
    head = {name: None for name in ("wallet", "owner", "chain_id", "asset", "base", "assets", "block")}
    skipped = {"jobs": [{**head, "chain": "base", "skipped": "no quorum"}]}
    served.answers = {"newest": {name: skipped for name in ("markets", "positions", "risk")}}
    served.read()
    assert served.client.get("/v1/markets", headers=key).content == before and served.service.read_at == read_at
    assert served.service.failing == "base: no quorum" and served.client.get("/v1/health").json()["failing"] is True


def test_halting_and_lifting_it(served: Served) -> None:
    key = served.key("read", "halt")
    assert served.client.get("/v1/halt", headers=key).json() == {"halted": False, "reason": None}
    answer = served.client.put("/v1/halt", headers=key, json={"reason": "a look at it"})
    assert answer.status_code == 200 and answer.json()["reason"].endswith(": a look at it")
    assert served.client.get("/v1/health").json()["halted"] is True
    assert (
        served.client.put("/v1/halt", headers=key, json={"reason": "other"}).json()["reason"].endswith("a look at it")
    )
    assert served.client.delete("/v1/halt", headers=key).json()["lifted"] is True
    assert served.client.get("/v1/halt", headers=key).json()["halted"] is False


def test_a_wish_is_done_once(served: Served) -> None:
    key = served.key("plan")
    served.answers = {"queue": {"schema": "x", "jobs": []}, "plan": {"schema": "y"}}
    assert served.client.post("/v1/plans", headers=key).status_code == 428
    for bad in ("short", "has space in it", "x" * 129, "ä" * 8):
        answer = served.client.post("/v1/plans", headers=key | {"Idempotency-Key": bad.encode("latin-1")})  # type: ignore[operator]
        assert answer.status_code == 400
    first = served.client.post("/v1/plans", headers=key | IDEMPOTENT)
    again = served.client.post("/v1/plans", headers=key | IDEMPOTENT)
    assert (first.status_code, again.status_code) == (201, 201) and first.content == again.content
    assert (
        again.headers["Idempotency-Replayed"] == "true" and len([1 for job, _ in served.asked if job == "queue"]) == 1
    )
    other = served.client.post("/v1/plans", headers=key | IDEMPOTENT, json={"what_if": {"wealth": "5"}})
    assert other.status_code == 422 and other.json()["code"] == "KEY_OF_ANOTHER"
    what_if = served.client.post(
        "/v1/plans", headers=key | {"Idempotency-Key": "another-1"}, json={"what_if": {"wealth": "5"}}
    )
    assert what_if.status_code == 200 and served.asked[-1][1]["what_if"]["wealth"] == "5"


def test_what_failed_may_be_wished_again(served: Served) -> None:
    key = served.key("plan")
    for kind, code, status in (
        ("ConfigError", None, 422), ("SafetyError", "HALTED", 409), ("YieldbotError", None, 503),
        ("RunInProgress", None, 503),
        ("InvariantError", None, 500),
        ("DiskFull", None, 503),
    ):  # fmt: skip
        served.answers = {"queue": WorkerFailed("why", kind, code)}
        answer = served.client.post("/v1/plans", headers=key | IDEMPOTENT)
        assert answer.status_code == status and answer.json()["detail"] == "why", kind
        assert answer.json()["code"] == (code or answer.json()["code"])
    served.answers = {"queue": {"schema": "x"}}
    assert served.client.post("/v1/plans", headers=key | IDEMPOTENT).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "NOT_FOUND"),
        ("GET", "/", {}, 404, "NOT_FOUND"),
        ("GET", "/v1/markets/none", {}, 404, "NOT_FOUND"),
        ("GET", "/v1/markets/", {}, 404, "NOT_FOUND"),
        ("PATCH", "/v1/markets", {}, 405, "NO_SUCH_METHOD"),
        ("GET", "/v1/markets?limit=x", {}, 400, "BAD_PARAMETER"),
        ("GET", "/v1/markets?key=yb_x", {}, 400, "KEY_IN_URL"),
        ("GET", "/v1/markets?Access_Token=yb_x", {}, 400, "KEY_IN_URL"),
        ("PUT", "/v1/halt", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "BAD_JSON"),
        ("PUT", "/v1/halt", {"content": DEEP, "headers": {"Content-Type": "application/json"}}, 400, "BAD_JSON"),
        ("PUT", "/v1/halt", {"content": b"\xff\xfe", "headers": {"Content-Type": "application/json"}}, 400, "BAD_JSON"),
        ("PUT", "/v1/halt", {"content": b"reason=x"}, 415, "NOT_JSON"),
        ("PUT", "/v1/halt", {"content": b"reason=x", "headers": {"Content-Type": "text/json"}}, 415, "NOT_JSON"),
        ("PUT", "/v1/halt", {"content": b" " * (MOST_BODY + 1)}, 413, "TOO_LARGE"),
        ("PUT", "/v1/halt", {"json": {"reason": "x" * 501}}, 422, "NOT_UNDERSTOOD"),
        ("PUT", "/v1/halt", {"json": {"reasons": "x"}}, 422, "NOT_UNDERSTOOD"),
        ("PUT", "/v1/halt", {"json": ["x"]}, 422, "NOT_UNDERSTOOD"),
        ("POST", "/v1/plans", {"json": {"what_if": {"wealth": "-5"}}}, 422, "NOT_UNDERSTOOD"),
        ("POST", "/v1/plans", {"json": {"what_if": {"horizon_days": 1e99}}}, 422, "NOT_UNDERSTOOD"),
        ("POST", "/v1/plans", {"json": {"jobs": {"wallet": {}}}}, 422, "NOT_UNDERSTOOD"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_problem(
    served: Served, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    headers = served.key(*Scope) | IDEMPOTENT | more.pop("headers", {})
    answer = served.client.request(method, path, headers=headers, **more)
    assert answer.status_code == status and answer.headers["Content-Type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["code"] == code and body["status"] == status and body["type"] == f"urn:yieldbot:problem:{code}"
    assert body["detail"] and "\n" not in body["detail"] and "Traceback" not in answer.text
    assert served.service.halted() is None
    if status == 405:
        assert "GET" in answer.headers["Allow"]


def test_limits_are_said_and_hit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    key = served.key("read")
    answer = served.client.get("/v1/halt", headers=key)
    assert int(answer.headers["RateLimit-Limit"]) > int(answer.headers["RateLimit-Remaining"]) > 0
    monkeypatch.setattr(served.service.admission._keys, "_rate", type(served.service.admission._keys._rate)(0.01, 1))
    served.client.get("/v1/halt", headers=key)
    answer = served.client.get("/v1/halt", headers=key)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 1
    assert answer.json()["code"] == "TOO_MANY_REQUESTS" and answer.headers["RateLimit-Remaining"] == "0"


def test_a_quota_of_requests_a_day_is_said_and_hit_also_after_a_restart(served: Served, context: Quiet) -> None:
    key = served.key("read", "halt", name="bot", quota=4)
    left = [served.client.get("/v1/halt", headers=key).headers["RateLimit-Remaining"] for _ in range(3)]
    assert left == ["3", "2", "1"]
    asyncio.run(served.service.close())
    again = Served(context).client
    assert again.get("/v1/nothing", headers=key).status_code == 404, "this one counts too"
    answer = again.get("/v1/halt", headers=key)
    named = {name: int(answer.headers[name]) for name in ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining")}
    assert answer.status_code == 429 and 0 < named["Retry-After"] <= 86_400
    assert (named["RateLimit-Limit"], named["RateLimit-Remaining"]) == (4, 0)
    assert "its 4 requests of today" in answer.json()["detail"] and "00:00 UTC" in answer.json()["detail"]
    assert again.put("/v1/halt", headers=key).status_code == 200, "nobody is kept from halting"
    assert again.get("/v1/halt", headers=served.key("read")).status_code == 200
    (shown,) = (one for one in list_(context).keys if one.name == "bot")
    assert (shown.quota, shown.used_today) == (4, 4)


def test_every_write_and_every_refusal_is_in_the_journal(served: Served, context: Quiet) -> None:
    key = served.key("halt", name="stopper")
    served.client.get("/v1/markets", headers=key)
    served.client.get("/v1/markets")
    served.client.put("/v1/halt", headers=key)
    document = history(HistoryRequest(limit=0), context)
    assert isinstance(document, EventsDocument)
    lines = [event.text for event in document.events if event.kind == "access.noted"]
    assert lines == [
        "stopper at 127.0.0.1: GET /v1/markets: 403 no scope read",
        "nobody at 127.0.0.1: GET /v1/markets: 401 no key: send the header `Authorization: Bearer yb_...`",
        "stopper at 127.0.0.1: PUT /v1/halt: 200",
    ]
    secret = key["Authorization"][-43:]
    assert secret not in served.service.journal_file.read_bytes().decode("latin-1")


def test_a_bug_is_said_without_what_it_met(served: Served, context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(type(served.service), "halted", lambda self: broken())
    answer = served.client.get("/v1/halt", headers=served.key("read"))
    assert answer.status_code == 500 and answer.json()["code"] == "BROKEN" and "a secret" not in answer.text
    assert context.lines[-1] == "yieldbot: a bug: ZeroDivisionError at /v1/halt"


def test_no_page_of_another_site_may_ask(served: Served) -> None:
    answer = served.client.get("/v1/health", headers={"Origin": "https://evil.example"})
    assert not any(name.lower().startswith("access-control") for name in answer.headers)
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    assert served.client.options("/v1/halt", headers=asked).status_code == 401
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "server" not in answer.headers
