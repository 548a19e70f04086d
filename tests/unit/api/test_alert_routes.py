"""Alerts over HTTP: made once, seen by those who may, removed by whoever made them."""

from __future__ import annotations

from typing import Any

from tests.kit.api.served import Served
from tests.kit.config.files import WALLET
from tests.kit.market_builder import OWNER

RATE = {"measure": "rate", "subject": "lend", "above": "0.001%"}


def once(served: Served, headers: dict[str, str], key: str, body: dict[str, Any]) -> Any:
    return served.client.post("/v1/alerts", headers=headers | {"Idempotency-Key": key}, json=body)


def test_a_wish_is_done_once_and_a_reading_gives_it_state_and_value(served: Served) -> None:
    key = served.key("read", "plan")
    assert served.client.post("/v1/alerts", headers=key, json=RATE).status_code == 428
    first, again = (once(served, key, "first-wish", RATE) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    made = first.json()["alert"]
    assert made["made_by"] == "key read-plan" and made["values"] == [] and made["stands"] is False
    empty = served.client.get("/v1/alerts", headers=key)
    assert empty.json()["total"] == 1
    served.service.context.kept = None
    served.read()
    seen = served.client.get("/v1/alerts?stands=true&fields=id,values", headers=key)
    (row,) = seen.json()["items"]
    assert row["id"] == made["id"] and all(one["stands"] and one["value"] > 0 for one in row["values"])
    assert served.client.get("/v1/alerts", headers=key).headers["ETag"] != empty.headers["ETag"]
    one = served.client.get(f"/v1/alerts/{made['id']}", headers=key)
    assert one.json()["condition"] == "rate of lend above 0.001 %" and one.json()["stands"]
    gone = [
        served.client.delete(f"/v1/alerts/{made['id']}", headers=key | {"Idempotency-Key": "last-wish"})
        for _ in range(2)
    ]
    assert [one.status_code for one in gone] == [200, 200] and gone[1].headers["Idempotency-Replayed"] == "true"
    assert served.client.delete(f"/v1/alerts/{made['id']}", headers=key).status_code == 404
    audit = served.client.get("/v1/journal?limit=500", headers=key).text
    assert "POST /v1/alerts" in audit and f"DELETE /v1/alerts/{made['id']}" in audit


def test_a_key_of_one_account_sees_and_makes_only_its_own(served: Served) -> None:
    whole = served.key("read", "plan", name="whole")
    own = served.key("read", "plan", name="own", accounts=frozenset((WALLET.lower(),)))
    other = served.key("read", "plan", name="other", accounts=frozenset((OWNER.lower(),)))
    wide = once(served, whole, "wish-of-whole", RATE).json()["alert"]
    mine = once(served, own, "wish-of-own-1", {"measure": "wealth", "subject": "main", "below": "5"}).json()["alert"]
    assert mine["accounts"] == [WALLET.lower()] and wide["accounts"] is None
    shown = {name: served.client.get("/v1/alerts", headers=key).json() for name, key in
             (("whole", whole), ("own", own), ("other", other))}  # fmt: skip
    assert {name: [row["id"] for row in page["items"]] for name, page in shown.items()} == {
        "whole": [wide["id"], mine["id"]], "own": [mine["id"]], "other": [],
    }  # fmt: skip
    for key, row in ((own, wide), (other, mine), (other, wide)):
        for method in ("GET", "DELETE"):
            assert served.client.request(method, f"/v1/alerts/{row['id']}", headers=key).status_code == 404
    refused = served.client.delete(f"/v1/alerts/{mine['id']}", headers=whole)
    assert refused.status_code == 403 and refused.json()["code"] == "NOT_YOURS"
    assert once(served, other, "wish-of-other", {"measure": "wealth", "subject": "main", "below": "5"}
                ).status_code == 422, "another's wallet is as one that is not there"  # fmt: skip


def test_what_cannot_be_is_said(served: Served) -> None:
    key = served.key("plan")
    for body in (RATE | {"above": "5"}, RATE | {"below": "1%"}, RATE | {"measure": "x"}, RATE | {"made_by": "me"},
                 RATE | {"subject": "a\nb"}, {}):  # fmt: skip
        answer = once(served, key, "a-wish-for-this", body)
        assert answer.status_code == 422 and answer.headers["Content-Type"] == "application/problem+json", body
    assert served.client.get("/v1/alerts", headers=served.key("read")).json()["items"] == []


def test_a_name_that_no_market_has_is_refused_and_no_error_speaks_of_flags(served: Served) -> None:
    """``lend`` is a market's; a protocol of chains/*.toml and a market that memory holds are known too."""
    key = served.key("plan", name="planner")
    for number, (body, words) in enumerate((
        (RATE | {"subject": "Aave v9"}, "no market Aave v9: known are: a, b"),
        (RATE | {"subject": "lend", "above": "5"}, "above 5: write it as 5%"),
        (RATE | {"hysteresis": "200%"}, "hysteresis: the value could never"),
        (RATE | {"below": "1%"}, "one of above and below"),
        (RATE | {"chain": "moon"}, "chain moon: no job has it"),
        ({"measure": "price", "subject": "DOGE", "below": "1"}, "token DOGE: no job has it"),
        ({"measure": "wealth", "subject": "nobody", "below": "1"}, "wallet nobody: no job has it"),
        ({"measure": "price", "subject": "USDC", "below": "1", "asset": "USDC"}, "asset: only wealth"),
    )):  # fmt: skip
        answer = once(served, key, f"wrong-{number:04}", body)
        assert answer.status_code == 422 and words in answer.json()["detail"], answer.json()
        assert "--" not in answer.json()["detail"]
    table = served.service.context.settings.jobs[0].chain.deployments[0]
    for number, name in enumerate((table.protocol, table.name, f"{table.name} USDC")):
        assert once(served, key, f"right-{number:04}", RATE | {"subject": name}).status_code == 201
