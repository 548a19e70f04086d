"""Every status that docs/api.md names has a request here that gets it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.api.served import Served
from tests.unit.api.test_approvals import queue
from tests.unit.api.test_server import IDEMPOTENT
from yieldbot.access.caller import Scope
from yieldbot.access.limits import Rate
from yieldbot.api.server import MOST_BODY
from yieldbot.app.workers import WorkerFailed
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal

Ask = Callable[..., Any]
SWAP = {"given": "USDC", "wanted": "WETH", "amount": "5"}
STATUSES = (
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 428, 429, 500, 503,
)  # fmt: skip
ELSEWHERE = {408: "tests/evm/test_connections.py"}
"""What takes a slow connection, and where it is."""


def got(served: Served, status: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The answer to a request that gets this status."""
    client, key = served.client, served.key(*Scope)
    served.answers = {"queue": {"schema": "x"}, "quote": {"schema": "x"}}
    match status:
        case 200:
            return client.get("/v1/markets", headers=key)
        case 201:
            return client.post("/v1/plans", headers=key | IDEMPOTENT)
        case 202:
            return client.post("/v1/runs", headers=key | IDEMPOTENT)
        case 204:
            return client.get("/v1/ready")
        case 304:
            tag = client.get("/v1/markets", headers=key).headers["ETag"]
            return client.get("/v1/markets", headers=key | {"If-None-Match": tag})
        case 400:
            return client.get("/v1/markets?limit=x", headers=key)
        case 401:
            return client.get("/v1/markets")
        case 403:
            return client.get("/v1/markets", headers=served.key("halt"))
        case 404:
            return client.get("/v1/plans/none", headers=key)
        case 405:
            return client.patch("/v1/markets", headers=key)
        case 409:
            url = queue(served, time.time() + 3600)
            with Journal.open(served.service.journal_file) as journal:
                journal.append(PlanMarked(url.split("/")[3], PlanStatus.REJECTED, "anna"))
            return client.get(url, headers=key)
        case 410:
            return client.get(queue(served, time.time() - 5), headers=key)
        case 412:
            return client.delete("/v1/halt", headers=key | {"If-Match": '"another"'})
        case 413:
            return client.put("/v1/halt", headers=key, content=b" " * (MOST_BODY + 1))
        case 415:
            return client.put("/v1/halt", headers=key, content=b"reason=x")
        case 422:
            return client.put("/v1/halt", headers=key, json={"reasons": "x"})
        case 428:
            return client.post("/v1/quotes", headers=key, json=SWAP)
        case 429:
            monkeypatch.setattr(served.service.admission._keys, "_rate", Rate(0.01, 1))
            client.get("/v1/halt", headers=key)
            return client.get("/v1/halt", headers=key)
        case 500:
            served.answers = {"queue": WorkerFailed("a bug", "InvariantError")}
            return client.post("/v1/plans", headers=key | IDEMPOTENT)
        case _:
            served.answers = {"queue": WorkerFailed("no node answers", "TransientError")}
            return client.post("/v1/plans", headers=key | IDEMPOTENT)


@pytest.mark.parametrize("status", [one for one in STATUSES if one not in ELSEWHERE])
def test_every_status_has_a_request_that_gets_it(served: Served, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = got(served, status, monkeypatch)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == status
        assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) is (status in (429, 503))
    assert ("Allow" in answer.headers) is (status == 405) and ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_the_page_names_no_other_error() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    line = page[page.index("- **Errors**") :].partition("\n\n")[0]
    assert {int(one) for one in re.findall(r"\b[45]\d\d\b", line)} | {408} == {one for one in STATUSES if one >= 400}
    assert all(str(status) in (ROOT / where).read_text() for status, where in ELSEWHERE.items())
