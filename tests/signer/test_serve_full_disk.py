"""A server whose disk is full: what is read is answered, what cannot be written is refused in clear words, and with
room again everything goes on and nothing of the audit is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.api.served import Served
from tests.kit.disks import disk, full
from tests.kit.journal.store import plan
from tests.kit.signer import ANNA, BEN
from tests.unit.api.test_approvals import signature
from tests.unit.app.test_overview import Quiet, context
from yieldbot.app import approvers
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.plan import plan_id

__all__ = ["context"]


@pytest.fixture
def own(context: Quiet, tmp_path: Path) -> Iterator[Path]:
    """The server's data directory is a small disk."""
    with disk(tmp_path / "data") as mounted:
        yield mounted


def noted(served: Served) -> list[AccessNoted]:
    with Journal.read(served.service.journal_file) as journal:
        return [one.entry for one in journal.history() if isinstance(one.entry, AccessNoted)]


def test_it_answers_refuses_and_goes_on(own: Path, context: Quiet) -> None:
    context._settings = replace(context.settings, policy=replace(context.settings.policy, approvals_needed=2))
    for name, person in (("anna", ANNA), ("ben", BEN)):
        approvers.add(approvers.person(name, wallet=str(person.address)), context)
    served = Served(context)
    made = replace(plan(), expires_at=int(time.time()) + 3600)
    made = replace(made, id=plan_id(made))
    with Journal.open(served.service.journal_file) as journal:
        journal.append(PlanWritten(made, ("supply 5 USDC",)), PlanMarked(made.id, PlanStatus.QUEUED, "queue"))
    key, url = served.key("read", "plan", "approve"), f"/v1/plans/{made.id}/approval"
    hers = {"approver": "anna"} | signature(served, ANNA, key, url)
    wish = key | {"Idempotency-Key": "a-wish-of-ours-1"}
    asyncio.run(served.service.write_audit())
    before = len(noted(served))
    with full(own):
        for path in ("/v1/plans", f"/v1/plans/{made.id}", "/v1/journal"):
            assert served.client.get(path, headers=key).status_code == 200, path
        for answer in (
            served.client.put(url, headers=key, json=hers),
            served.client.post("/v1/plans", headers=wish, json={}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "DISK_FULL"), answer.json()
            assert answer.headers["Retry-After"] and "free space" in answer.json()["detail"]
            assert str(own) not in answer.text
        assert served.client.get("/v1/plans", headers={"Authorization": "Bearer wrong"}).status_code == 401
        for _ in range(3):
            asyncio.run(served.service.write_audit())
        assert len([one for one in context.lines if "the audit cannot be written" in one]) == 1
        assert len(noted(served)) == before
    asyncio.run(served.service.write_audit())
    assert "the audit is written again" in context.lines[-1]
    assert any(one.outcome.startswith("401") for one in noted(served)[before:]), "nothing of it is lost"
    assert served.client.put(url, headers=key, json=hers).json()["signed_by"] == ["anna"]
    served.answers = {"queue": {"exit_code": 0, "jobs": []}}
    assert served.client.post("/v1/plans", headers=wish, json={}).status_code in (200, 201, 202)
    with Journal.open(served.service.journal_file) as journal:
        assert journal.verify() and len(journal.approvals(made.id)) == 1
