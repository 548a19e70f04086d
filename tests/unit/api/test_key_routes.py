"""API keys over HTTP: listed and revoked by a key with the scope for it; none is made, widened or prolonged."""

from __future__ import annotations

import time

import pytest

from tests.kit.api.served import Served
from tests.kit.draws import draws
from tests.kit.market_builder import OWNER
from tests.unit.api.test_server import IDEMPOTENT
from tests.unit.app.test_overview import Quiet
from yieldbot.access.caller import Scope
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import EventsDocument

OTHER = "0x" + "99" * 20


def prefix(key: dict[str, str]) -> str:
    return key["Authorization"][len("Bearer yb_") :][:8]


def test_keys_are_listed_without_secrets_and_revoked_at_once(served: Served, context: Quiet) -> None:
    key, lost = served.key("keys", name="watch"), served.key("read", "plan", name="lost")
    rows = served.client.get("/v1/keys?name=lost", headers=key).json()["items"]
    assert [(row["prefix"], row["scopes"], row["ended"]) for row in rows] == [(prefix(lost), ["plan", "read"], None)]
    assert lost["Authorization"][-43:] not in served.client.get("/v1/keys", headers=key).text
    assert served.client.get("/v1/markets", headers=lost).status_code == 200
    url = f"/v1/keys/{prefix(lost)}"
    assert served.client.delete(url, headers=key).json()["revoked"] == [prefix(lost)]
    assert served.client.get("/v1/markets", headers=lost).status_code == 401
    assert served.client.delete(url, headers=key).json()["revoked"] == [], "a second time nothing is left to end"
    assert served.client.get("/v1/keys?ended=it was revoked", headers=key).json()["total"] == 1
    assert served.client.delete("/v1/keys/00000000", headers=key).status_code == 404
    document = history(HistoryRequest(limit=0), context)
    assert isinstance(document, EventsDocument)
    lines = [row.text for row in document.events if row.kind == "access.noted"]
    assert f"key watch at 127.0.0.1: key revoke lost ({prefix(lost)}): 1 ended" in lines
    assert f"watch at 127.0.0.1: DELETE {url}: 200" in lines


def test_a_successor_of_the_same_name_stays(served: Served) -> None:
    key, old = served.key("keys"), served.key("read", name="scraper")
    text, stored = served.ring.rotate("scraper", int(time.time()), 3600)
    served.client.delete(f"/v1/keys/{prefix(old)}", headers=key)
    assert served.client.get("/v1/markets", headers=old).status_code == 401
    assert served.client.get("/v1/markets", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    assert stored.prefix != prefix(old)


def test_a_key_of_one_account_sees_and_revokes_its_own_alone(served: Served) -> None:
    own = served.key("keys", name="own", accounts=frozenset((OWNER.lower(),)))
    mine = served.key("read", name="mine", accounts=frozenset((OWNER.lower(),)))
    others = [
        served.key("read", name="other", accounts=frozenset((OTHER,))),
        served.key("read", name="both", accounts=frozenset((OTHER, OWNER.lower()))),
        served.key("read", name="everything"),
    ]
    rows = served.client.get("/v1/keys", headers=own).json()["items"]
    assert {row["name"] for row in rows} == {"own", "mine"}
    for other in others:
        assert served.client.delete(f"/v1/keys/{prefix(other)}", headers=own).status_code == 404
        assert served.client.get("/v1/health", headers=other).status_code == 200
    assert served.client.delete(f"/v1/keys/{prefix(mine)}", headers=own).status_code == 200
    assert served.client.delete(f"/v1/keys/{prefix(own)}", headers=own).status_code == 200, "it may end itself"
    assert served.client.get("/v1/keys", headers=own).status_code == 401


@pytest.mark.parametrize("scopes", [(one,) for one in Scope] + [tuple(Scope)])
def test_no_key_makes_widens_or_prolongs_a_key(served: Served, scopes: tuple[Scope, ...]) -> None:
    key = served.key(*scopes, name="asks", expires_at=int(time.time()) + 100)
    before = served.ring.all()
    body = {"name": "more", "scopes": list(Scope), "scope": "read,approve", "accounts": None, "expires_at": None}
    headers = [{}, {"X-HTTP-Method-Override": "POST"}, {"X-Scope": "approve"}, {"X-Forwarded-User": "root"}]
    if len(scopes) == 1 and not draws(0, 1):  # each of these with another one; a key with all scopes sends all
        headers = [headers[list(Scope).index(scopes[0]) % len(headers)]]
    tried = 0
    for method in ("POST", "PUT", "PATCH"):
        for path in ("/v1/keys", f"/v1/keys/{prefix(key)}", f"/v1/keys/{prefix(key)}/rotation", "/v1/keys/asks"):
            for more in headers:
                answer = served.client.request(method, path, headers=key | IDEMPOTENT | more, json=body)
                assert answer.status_code in (403, 404, 405) and "yb_" not in answer.text, (method, path, answer.text)
                tried += 1
    after = {one.prefix: (one.scopes, one.accounts, one.expires_at) for one in served.ring.all()}
    assert tried == 12 * len(headers) and after == {
        one.prefix: (one.scopes, one.accounts, one.expires_at) for one in before
    }
