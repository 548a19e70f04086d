"""What belongs to an account is not there for a key of another one: by every route with an id, as if it did not
exist."""

from __future__ import annotations

import time

import pytest

from tests.kit.api.served import Served
from tests.kit.journal.store import OWNER as PLAN_OWNER
from tests.kit.market_builder import OWNER
from tests.unit.api.test_approvals import queue
from tests.unit.api.test_runs import ended
from tests.unit.api.test_server import BODIES, ROUTES, market_key
from yieldbot.access.caller import Scope
from yieldbot.journal.store import Journal

OTHERS = "0x" + "99" * 20
NOWHERE = {"market": "none", "plan": "none", "run": "none", "alert": "none", "prefix": "00000000"}


@pytest.fixture
def ids(served: Served) -> dict[str, str]:
    """Something of one account of each kind."""
    own = served.key(*Scope, name="own", accounts=frozenset((OWNER.lower(), PLAN_OWNER.lower())))
    with Journal.open(served.service.journal_file) as journal:
        journal.append(ended())
    alert = {"measure": "rate", "subject": "lend", "above": "5%"}
    made = served.client.post("/v1/alerts", headers=own | {"Idempotency-Key": "of-the-test"}, json=alert)
    return {
        "market": market_key(served, own),
        "plan": queue(served, time.time() + 3600).split("/")[3],
        "run": "r1",
        "alert": made.json()["alert"]["id"],
        "prefix": own["Authorization"].split("_")[1],
    }


def test_each_id_of_another_account_is_as_one_that_is_not_there(served: Served, ids: dict[str, str]) -> None:
    routes = [route for route in ROUTES if "{" in route[1] and "{kind}" not in route[1]]
    assert len(routes) == 13
    own = served.key(*Scope, name="again", accounts=frozenset((OWNER.lower(), PLAN_OWNER.lower())))
    other = served.key(*Scope, name="other", accounts=frozenset((OTHERS,)))

    def asked(route: tuple[str, str], known: dict[str, str], key: dict[str, str]) -> tuple[int, str]:
        form = route[1].replace("{key}", "{market}").replace("_id}", "}")
        answer = served.client.request(route[0], "/v1" + form.format(**known), headers=key, **BODIES.get(route, {}))
        return answer.status_code, answer.text

    for route in routes:
        refused = asked(route, ids, other)
        assert refused[0] == 404 and refused == asked(route, NOWHERE, other), route
    for route in sorted(routes, key=lambda one: one[0] == "DELETE"):
        status, text = asked(route, ids, own)
        assert status != 404 or "NO_FORECAST" in text or "NO_HISTORY" in text, (route, text)
