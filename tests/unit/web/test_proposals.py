"""The assistant's proposals on the page: seen, accepted and rejected by whoever may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.passkeys import Passkey
from tests.kit.web.browsing import Browsing, dangers, plain
from tests.kit.web.walk import of_person, proposed
from tests.unit.app.test_overview import Quiet
from yieldbot.access.caller import Caller, Scope
from yieldbot.app import alerts, approvers, proposals
from yieldbot.app.proposal_documents import SettingWish
from yieldbot.app.workers import WorkerFailed

EXIT = {"jobs": [{"exit_code": 3, "plan": {"id": "abc123"}}]}


@pytest.fixture
def anna(browsing: Browsing, context: Quiet) -> Browsing:
    """A person of the register is signed in with a passkey."""
    approvers.add(approvers.person("anna", passkey=Passkey().public, origin="http://localhost:1"), context)
    browsing.client.cookies.set("yieldbot", of_person(browsing.app, "anna"))
    return browsing


def status(context: Any, proposal_id: str) -> str:
    return next(row.status for row in proposals.list_(context).proposals if row.id == proposal_id)


def test_an_exit_is_shown_in_both_amounts_and_its_plan_waits_once_a_person_accepts_it(
    anna: Browsing, context: Quiet
) -> None:
    row, _ = proposed(anna.served)
    assert "2 proposals of the assistant wait" in anna.get("/").text
    assert f"/proposals/{row.id}" in anna.get("/proposals").text
    shown = anna.get(f"/proposals/{row.id}")
    held = anna.served.service.newest("positions").rows[0]["held"]["text"]
    assert f"there: {held}" in plain(shown.text) and "Can come out now" in shown.text and dangers(shown.text) == []
    anna.served.answers["exit"] = WorkerFailed("another run is in progress")
    failed = anna.post(f"/proposals/{row.id}/acceptance")
    assert failed.status_code == 409 and "another run is in progress" in failed.text
    assert status(context, row.id) == "waiting"
    anna.served.answers["exit"] = EXIT
    assert anna.post(f"/proposals/{row.id}/acceptance").headers["location"] == "/plans/abc123"
    (_, asked) = [one for one in anna.served.asked if one[0] == "exit"][-1]
    jobs = {"wallet": row.wallet, "chain": row.chain}
    assert asked == {"market": row.market_id, "jobs": jobs, "by": "anna"} and row.wallet and row.chain
    assert status(context, row.id) == "accepted"
    again = anna.post(f"/proposals/{row.id}/acceptance")
    assert again.status_code == 409 and "is accepted" in again.text


def test_a_key_accepts_alerts_alone_and_rejects_what_it_sees(browsing: Browsing, context: Quiet) -> None:
    row, alert = proposed(browsing.served)
    browsing.sign_in("read", "plan", "approve")
    assert browsing.post(f"/proposals/{row.id}/acceptance", {"token": "x"}, token=False).status_code == 403
    page = browsing.get(f"/proposals/{row.id}").text
    assert "/acceptance" not in page and f"proposal accept {row.id}" in page
    refused = browsing.post(f"/proposals/{row.id}/acceptance")
    assert refused.status_code == 403 and "signed in with a passkey" in refused.text
    assert not [one for one in browsing.served.asked if one[0] == "exit"] and status(context, row.id) == "waiting"
    done = browsing.post(f"/proposals/{alert.id}/acceptance")
    assert done.status_code == 200 and "is made" in done.text
    assert [one.made_by for one in alerts.list_(context).alerts] == ["key read-plan-approve"]
    assert browsing.post(f"/proposals/{row.id}/rejection").status_code == 303
    assert status(context, row.id) == "rejected" and browsing.get("/proposals/none").status_code == 404


def test_who_may_only_read_decides_nothing_and_other_accounts_see_nothing(browsing: Browsing, context: Quiet) -> None:
    row, _ = proposed(browsing.served)
    browsing.sign_in("read")
    assert "/rejection" not in browsing.get(f"/proposals/{row.id}").text
    for what in ("acceptance", "rejection"):
        assert browsing.post(f"/proposals/{row.id}/{what}").status_code == 403
    assert status(context, row.id) == "waiting"
    other = Browsing(browsing.served)
    other.sign_in("read", "plan", accounts=frozenset(("0x" + "99" * 20,)))
    assert other.get(f"/proposals/{row.id}").status_code == 404 and "Nothing waits" in other.get("/proposals").text
    assert other.post(f"/proposals/{row.id}/rejection").status_code == 404


def test_a_setting_is_shown_as_a_diff_and_changes_the_file_once(anna: Browsing, context: Quiet) -> None:
    before = context.config.read_text()
    asks = Caller("robot", frozenset((Scope.READ, Scope.PLAN)))
    row = proposals.propose_setting(context, asks, SettingWish(key="max_share_market", value=0.125))
    shown = anna.get(f"/proposals/{row.id}").text
    assert '<li class="plus"><code>+max_share_market = 0.125' in shown and context.config.read_text() == before
    done = anna.post(f"/proposals/{row.id}/acceptance")
    assert done.status_code == 200 and "is changed" in done.text, done.text
    assert "max_share_market = 0.125" in context.config.read_text() and status(context, row.id) == "accepted"
    assert anna.post(f"/proposals/{row.id}/rejection").status_code == 409
