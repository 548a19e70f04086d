"""What callers over the network read of a mistake names their fields and requests, never flags of the command line."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.unit.api.test_approvals import queue
from tests.unit.api.test_server import IDEMPOTENT, ROUTES, filled
from yieldbot.access.caller import Scope
from yieldbot.app.started_work import FIELDS
from yieldbot.app.workers import WorkerFailed

SWAP = {"given": "USDC", "wanted": "WETH", "amount": "5"}
MISTAKES: dict[tuple[str, str], tuple[tuple[Any, str], ...]] = {
    ("POST", "/plans"): (
        ({"jobs": {"chain": "moon"}}, "chain moon: no job has it"),
        ({"jobs": {"wallet": "nobody"}}, "wallet nobody: no job has it"),
        ({"what_if": {"wealth": "0"}}, "wealth 0: must be above 0"),
        ({"jobs": {"chain": "testnet"}, "what_if": {"exclude": ["nothing"]}}, "exclude nothing: no market has"),
        ({"what_if": {"max_share": 2}}, "what_if.max_share"),
        ([], "body"),
    ),
    ("POST", "/runs"): (({"jobs": {"asset": 5}}, "jobs.asset"), ({"jobs": []}, "body.jobs")),
    ("POST", "/quotes"): (
        (SWAP | {"wanted": "USDC"}, "given and wanted are the same token"),
        (SWAP | {"amount": "0"}, "amount 0: must be above 0"),
        (SWAP | {"amount": "1." + "1" * 50}, "amount: "),
        (SWAP | {"out": "1"}, "either amount"),
        ({"given": "USDC", "wanted": "WETH", "out": "0"}, "out 0: must be above 0"),
        (SWAP | {"given": "DOGE"}, "DOGE: no token of testnet"),
        (SWAP | {"chain": "moon"}, "moon"),
    ),
    ("POST", "/alerts"): (
        ({"measure": "rate", "subject": "lend"}, "one of above and below"),
        ({"measure": "rate", "subject": "lend", "above": "5"}, "above 5: write it as 5%"),
        ({"measure": "rate", "subject": "lend", "above": "5%", "hysteresis": "200%"}, "hysteresis: the value"),
        ({"measure": "rate", "subject": "lend", "above": "5%", "chain": "moon"}, "chain moon: no job has it"),
    ),
    ("PUT", "/plans/{plan_id}/approval"): (
        ({"approver": "eve", "signature": "0x"}, "approver eve: is not in the register"),
        ({"approver": ""}, "body.approver"),
    ),
    ("PUT", "/halt"): (({"reason": 5}, "body.reason"),),
}
"""For each route that takes a body: bodies, and what the answer says."""


def free_of_flags(text: str) -> bool:
    """Whether it holds no flag, but in a command that a person runs at the terminal."""
    return re.search(r"--[a-z]", re.sub(r"`yieldbot[^`]*`", "", text)) is None


def with_another_token(served: Served) -> None:
    """Adds WETH to the chain of the jobs, so that amounts of a swap are looked at."""
    context, (job,) = served.service.context, served.service.context.settings.jobs
    weth = replace(job.asset, symbol="WETH", address=job.chain.multicall3)
    chain = replace(job.chain, tokens={**job.chain.tokens, "WETH": weth})
    context._settings = replace(context.settings, jobs=(replace(job, chain=chain),))


def test_every_route_that_takes_a_body_names_fields(served: Served) -> None:
    assert {route for route in ROUTES if route[0] in ("POST", "PUT")} == set(MISTAKES)
    with_another_token(served)
    key = served.key(*Scope)
    plan = queue(served, time.time() + 3600)
    for (method, path), mistakes in MISTAKES.items():
        url = plan if "plan_id" in path else filled(path)
        for number, (body, words) in enumerate(mistakes):
            headers = key | {"Idempotency-Key": f"{path}-{number:04}".replace("/", "-")}
            answer = served.client.request(method, url, headers=headers, json=body)
            assert answer.status_code == 422 and words in answer.json()["detail"], (path, body, answer.text)
            assert free_of_flags(answer.text) and "`yieldbot" not in answer.text.replace("`yieldbot approver list`", "")
    for query, words in (("from=x", "from x: write a day"), ("from=2026-02-02&to=2026-01-01", "is after to 2026")):
        answer = served.client.get(f"/v1/exports/csv?offline=true&{query}", headers=key)
        assert answer.status_code == 422 and words in answer.json()["detail"] and free_of_flags(answer.text)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no plan p: `yieldbot history --waiting` lists them", "no plan p: `GET /v1/plans?status=queued` lists them"),
        (
            "expired: `yieldbot --config '/a b/c.toml' run --approve queue` makes one",
            "expired: `POST /v1/plans` makes one",
        ),
        ("`yieldbot resume --clear` ends it, or --clear", "`yieldbot resume --clear` ends it, or clear"),
    ],
)
def test_a_command_is_named_as_the_request_that_takes_its_place(served: Served, said: str, shown: str) -> None:
    served.answers = {"queue": WorkerFailed(said, "ConfigError")}
    assert served.client.post("/v1/plans", headers=served.key("plan") | IDEMPOTENT).json()["detail"] == shown


def test_documents_name_fields_too_and_files_stay_as_they_are(served: Served) -> None:
    made = {"exit_code": 0, "format": "csv", "content": "a,--from-block 5\n", "notes": ["see --format rotki-trades"]}
    served.answers = {"export": made}
    headers = served.key("read") | {"Accept": "application/json"}
    found = served.client.get("/v1/exports/csv", headers=headers).json()
    assert found["notes"] == ["see kind rotki-trades"] and found["content"] == made["content"]
    assert set(FIELDS) == {"decode", "export", "quote"}
