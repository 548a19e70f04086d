"""Each safety code of docs/execution.md is the ``code`` of a problem document over REST, with the status that
docs/api.md says, whichever process refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.kit import ROOT
from tests.kit.api.served import Served
from tests.unit.api.test_server import IDEMPOTENT
from yieldbot.access.limits import Rate
from yieldbot.api.problems import of_error
from yieldbot.app.workers import WorkerFailed
from yieldbot.errors import SafetyError

PAGE = (ROOT / "docs" / "execution.md").read_text()
CODES = sorted(
    {code for row in re.findall(r"^\| (`[A-Z_` ]+`) \|", PAGE, re.MULTILINE) for code in row.strip("`").split("` `")}
)
"""The codes of both tables of the page."""
OTHERS = {
    code: int(status) for code, status in re.findall(r"`([A-Z_]+)` is (\d{3})", (ROOT / "docs" / "api.md").read_text())
}
"""By docs/api.md: codes whose status is not 409."""
RAISED = re.compile(r"(?:(?:SafetyError|Declined|Malformed)\(|return | = )\s*\"([A-Z]{3,}(?:_[A-Z]+)*)\",")


def test_the_page_names_every_code_of_the_source() -> None:
    raised = {
        code: file
        for file in (ROOT / "yieldbot").rglob("*.py")
        for code in RAISED.findall(file.read_text())
        if "SafetyError" in file.read_text() or "Declined" in file.read_text()
    }
    assert len(raised) > 60
    assert {code: file.name for code, file in raised.items() if code not in CODES} == {}


def test_each_is_a_problem_with_the_status_that_is_documented(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(CODES) > 80 and OTHERS.keys() <= set(CODES) and {409, *OTHERS.values()} == {409, 410, 422}
    monkeypatch.setattr(served.service.admission._keys, "_rate", Rate(1e6, 10**6))
    key, failures = served.key("read", "plan"), list[SafetyError]()

    def refuse(*_: Any) -> Any:
        raise failures[-1]

    monkeypatch.setattr(type(served.service), "halted", refuse)
    for code in CODES:
        failures.append(SafetyError(code, "why it is so"))
        own = served.client.get("/v1/halt", headers=key)
        body = own.json()
        assert own.status_code == body["status"] == OTHERS.get(code, 409), (code, own.text)
        assert own.headers["Content-Type"] == "application/problem+json"
        assert (body["code"], body["detail"]) == (code, "why it is so")
        assert body["type"] == f"urn:yieldbot:problem:{code}"
        of_worker = of_error(WorkerFailed(str(failures[-1]), "SafetyError", code))
        assert json.loads(bytes(of_worker.response().body)) == body
    served.answers = {"queue": WorkerFailed("EXPIRED: it is late", "SafetyError", "EXPIRED")}
    answer = served.client.post("/v1/plans", headers=key | IDEMPOTENT)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (410, "EXPIRED", "it is late")
