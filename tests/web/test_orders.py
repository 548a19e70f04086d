"""Orders to leave markets: seen by whoever sees the account, lifted by a person of the register alone, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.passkeys import Passkey
from tests.kit.web.browsing import Browsing, dangers
from tests.kit.web.walk import of_person, proposed
from tests.unit.app.test_overview import Quiet
from yieldbot.app import approvers, proposals
from yieldbot.app.exit import standing
from yieldbot.app.wiring import JobFilter
from yieldbot.execution.lock import run_lock
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.journal.store import Journal

BUTTON = "Lift the order"


@pytest.fixture
def row(browsing: Browsing) -> Any:
    """The position that is ordered to be left, of the configured wallet (the double's chain shows another's)."""
    service = browsing.served.service
    (job,) = service.context.settings.jobs
    mine = {
        "owner": job.wallet.address,
        "wallet": job.wallet.name,
        "chain": job.chain.name,
        "chain_id": job.chain.chain,
    }
    for name in ("positions", "markets"):
        newest = service.newest(name)
        service._newest[name] = replace(newest, rows=tuple({**one, **mine} for one in newest.rows))
    found = service.newest("positions").rows[0]
    with Journal.open(browsing.served.service.journal_file) as journal:
        journal.append(*(order(found, by) for by in ("anna", "ben")))
    return found


def order(row: Any, by: str, market: str = "") -> ExitOrdered:
    about = {"chain": row["chain_id"], "owner": row["owner"], "market_id": market or row["id"]}
    return ExitOrdered(**about, name="all" if market else row["name"], by=by, into="", time=1_790_000_000)


def lifted(context: Any) -> bool:
    return not standing(JobFilter(), context).exits


def test_a_person_lifts_an_order_where_they_see_it(browsing: Browsing, context: Quiet, row: Any) -> None:
    approvers.add(approvers.person("anna", passkey=Passkey().public, origin="http://localhost:1"), context)
    browsing.client.cookies.set("yieldbot", of_person(browsing.app, "anna"))
    exit_, _ = proposed(browsing.served)
    proposals.ended(exit_, "accepted", context)
    for path in ("/positions", f"/markets/{row['key']}", f"/proposals/{exit_.id}"):
        text = browsing.get(path).text
        assert BUTTON in text and "ordered by anna" in text and f"{row['held']['text']} " in text, path
        assert dangers(text) == []
    assert 'href="/positions#orders"' in browsing.get("/").text
    action = browsing.get("/positions").text.split('action="/exits/')[1].split('"')[0]
    assert browsing.post(f"/exits/{action}", {"token": "x"}, token=False).status_code == 403
    with run_lock(context.settings.data_dir, "run"):
        busy = browsing.post(f"/exits/{action}")
    assert busy.status_code == 409 and "run is in progress" in busy.text and not lifted(context)
    assert browsing.post(f"/exits/{action}").headers["location"] == "/positions" and lifted(context)
    assert BUTTON not in browsing.get("/positions").text
    again = browsing.post(f"/exits/{action}")
    assert again.status_code == 409 and "not in force" in again.text
    text = browsing.served.client.get("/v1/journal", headers=browsing.served.key("read")).text
    assert "the order to leave is lifted by anna" in text


def test_no_key_lifts_one_and_other_accounts_see_none(browsing: Browsing, context: Quiet, row: Any) -> None:
    served, every = browsing.served, f"all/{row['id'].split('/')[1]}/x"
    browsing.sign_in("read", "plan", "approve", "run", "halt")
    page = browsing.get("/positions").text
    assert BUTTON not in page and "exit MARKET --stop" in page
    listed = served.client.get("/v1/exits", headers=served.key("read", name="r")).json()["items"]
    assert [(one["market_id"], one["by"], one["state"]) for one in listed] == [(row["id"], "anna", "leaving")]
    refused = browsing.post(f"/exits/{listed[0]['key']}/lift")
    assert refused.status_code == 403 and "passkey" in refused.text and not lifted(context)
    other = served.key("read", name="other", accounts=frozenset(("0x" + "99" * 20,)))
    assert served.client.get("/v1/exits", headers=other).json()["items"] == []
    with Journal.open(served.service.journal_file) as journal:
        journal.append(order(row, "terminal", every))
    assert len(served.client.get("/v1/exits", headers=served.key("read", name="s")).json()["items"]) == 2
    assert "Every market of an asset" in browsing.get("/positions").text
