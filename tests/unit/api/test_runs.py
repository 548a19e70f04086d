"""Runs over HTTP: what the journal has of each cycle, and runs that are requested and go on by themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.kit.api.served import Served
from tests.kit.journal.store import CHAIN, OWNER
from yieldbot.app.requested_runs import MOST, RequestedRuns
from yieldbot.app.workers import WorkerFailed
from yieldbot.journal.entry_codec import decode, encode
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address

OTHER = Address("0x" + "99" * 20)


def ended(**changes: Any) -> RunEnded:
    base: dict[str, Any] = {
        "chain": CHAIN, "owner": OWNER, "plan_id": "p1", "run": "r1", "by": "terminal", "command": "run",
        "wallet": "main", "assets": ("USDC", "DAI"), "began": 1_700_000_000, "seconds": 4.25, "outcome": "queued",
        "code": "QUEUED", "reason": "it waits",
    }  # fmt: skip
    return RunEnded(**base | changes)


@pytest.fixture
def ran(served: Served) -> Served:
    """The journal has a run of two accounts and a later one of one."""
    with Journal.open(served.service.journal_file) as journal:
        journal.append(
            ended(),
            ended(owner=OTHER, began=1_700_000_002, seconds=7.5, plan_id="", outcome="held", code="", reason="calm"),
            ended(run="r2", by="key bot", began=1_700_000_100, seconds=0.5, outcome="failed", code="TransientError"),
        )
    return served


def test_an_entry_is_read_back_as_it_was_written() -> None:
    assert decode(*encode(ended())) == ended()


def test_each_run_says_when_who_how_it_ended_and_how_long(ran: Served) -> None:
    key = ran.key("read")
    second, first = ran.client.get("/v1/runs", headers=key).json()["items"]
    assert (first["id"], first["by"], first["command"], first["state"]) == ("r1", "terminal", "run", "ended")
    assert first["began_at"] == 1_700_000_000 and first["seconds"] == 9.5
    assert [(job["outcome"], job["plan_id"], job["seconds"]) for job in first["jobs"]] == [
        ("queued", "p1", 4.25),
        ("held", None, 7.5),
    ]
    assert second["by"] == "key bot" and second["jobs"][0]["code"] == "TransientError"
    assert ran.client.get("/v1/runs/r1", headers=key).json() == first
    assert ran.client.get("/v1/runs/r1?fields=by", headers=key).json() == {"by": "terminal"}
    assert ran.client.get("/v1/runs?by=terminal&min_seconds=1", headers=key).json()["total"] == 1
    page = ran.client.get("/v1/runs?limit=1", headers=key).json()
    assert page["items"] == [second] and page["total"] == 2
    (row,) = ran.client.get("/v1/journal?kind=run.ended&limit=1", headers=key).json()["items"]
    assert row["text"] == "run for key bot, 0.5 s: failed: it waits"


def test_a_key_of_one_account_sees_its_own_jobs_of_a_run_alone(ran: Served) -> None:
    own = ran.key("read", name="own", accounts=frozenset((OTHER,)))
    (row,) = ran.client.get("/v1/runs", headers=own).json()["items"]
    assert [job["owner"] for job in row["jobs"]] == [OTHER] and row["id"] == "r1"
    assert ran.client.get("/v1/runs/r2", headers=own).status_code == 404
    tag = ran.client.get("/v1/runs", headers=own).headers["ETag"]
    assert ran.client.get("/v1/runs", headers=ran.key("read") | {"If-None-Match": tag}).status_code == 200


async def asked(served: Served, gate: asyncio.Event, key: dict[str, str]) -> tuple[str, str]:
    """A run is requested, and looked at while it goes on and after it ended; its state then, and now."""
    run = served._run

    async def waits(job: str, request: Any, seconds: float, **more: Any) -> Any:
        if job == "queue":
            await gate.wait()
        return await run(job, request, seconds)

    served.service.workers.run = waits  # type: ignore[method-assign, assignment]
    transport = httpx2.ASGITransport(app=served.app, client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        wish = key | {"Idempotency-Key": "a-run-001"}
        made = await client.post("/v1/runs", headers=wish)
        where = made.headers["Location"]
        assert made.status_code == 202 and where == f"/v1/runs/{made.json()['id']}"
        again = await client.post("/v1/runs", headers=wish)
        assert again.status_code == 202 and again.headers["Location"] == where and again.json() == made.json()
        row = (await client.get(where, headers=key)).json()
        before = row["state"]
        assert (row["state"], row["seconds"], row["by"], row["jobs"]) == ("running", None, "key all", [])
        gate.set()
        for _ in range(1000):
            if (row := (await client.get(where, headers=key)).json())["state"] != "running":
                break
            await asyncio.sleep(0.01)
        assert row["state"] == "failed" and row["error"] == "another run is in progress" and row["seconds"] >= 0
        assert served.asked[-1][1]["run"] == row["id"] and served.asked[-1][1]["by"] == "key all"
        assert [job for job, _ in served.asked].count("queue") == 1
        return before, row["state"]


def test_a_run_that_is_requested_is_not_waited_for(served: Served) -> None:
    key = served.key("read", "run", name="all")
    served.answers = {"queue": WorkerFailed("another run is in progress", "RunInProgress")}
    assert asyncio.run(asked(served, asyncio.Event(), key)) == ("running", "failed")


def test_a_run_is_refused_at_once_where_too_many_jobs_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.service.workers, "_waiting", 8)
    answer = served.client.post("/v1/runs", headers=served.key("run") | {"Idempotency-Key": "a-run-001"})
    assert answer.status_code == 503 and answer.headers["Retry-After"] and "queue" not in dict(served.asked)


def test_requested_runs_are_bounded_and_seen_by_their_accounts_alone(served: Served) -> None:
    from yieldbot.access.caller import Caller, Scope

    async def nothing(run_id: str) -> None:
        return None

    async def many() -> None:
        kept = RequestedRuns(lambda: 1_700_000_000.0)
        everybody = Caller("a", frozenset((Scope.RUN,)))
        own, other = (Caller("b", everybody.scopes, frozenset((one,))) for one in (OWNER, OTHER))
        for _ in range(MOST):
            kept.start(everybody, nothing)
        last = kept.start(own, nothing)
        assert len(kept.seen_by(everybody, ())) == MOST
        assert [row["id"] for row in kept.seen_by(own, ())] == [last.id] and kept.seen_by(other, ()) == []

    asyncio.run(many())
