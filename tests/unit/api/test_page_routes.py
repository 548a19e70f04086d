"""What the web page draws, over REST: the same rows, and nothing of other accounts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.web.walk import proposed
from yieldbot.app.summary import of_assets

STRANGER = frozenset(("0x" + "99" * 20,))


def test_wealth_and_curves_are_those_of_the_page(served: Served) -> None:
    key = served.key("read")
    (row, *_) = served.client.get("/v1/wealth", headers=key).json()["items"]
    assert row == served.service.newest("wealth").rows[0]
    assert row["key"] == f"{row['chain_id']}~{row['owner']}~{row['asset']}" and row["points"]
    assert [row[name] for name in ("earned", "predicted", "realised_apr", "predicted_apr")] == [None] * 4, (
        "what was not measured is no nought"
    )
    (summary, *_) = of_assets([row])
    assert summary.earned is None and summary.realised_apr is None and summary.total > 0
    market = served.service.newest("markets").rows[0]["key"]
    curve = served.client.get(f"/v1/markets/{market}/curve?fields=points,held", headers=key).json()
    assert set(curve) == {"points", "held"} and curve["points"][0]["holding"] == 0.0
    assert served.client.get("/v1/markets/none/curve", headers=key).status_code == 404


def test_what_markets_paid_lately_is_listed_as_far_as_memory_knows_it(served: Served) -> None:
    key = served.key("read")
    shown = served.client.get("/v1/trends", headers=key).json()["items"]
    assert {(row["chain_id"], row["id"]) for row in shown} == set(served.service.trends)
    for row in shown:
        assert row["rates"] == list(served.service.trends[row["chain_id"], row["id"]])


def test_proposals_are_listed_and_a_key_of_other_accounts_sees_nothing(served: Served) -> None:
    exit_, alert = proposed(served)
    shown = served.client.get("/v1/proposals", headers=served.key("read")).json()["items"]
    assert [row["id"] for row in shown] == [alert.id, exit_.id] and shown[1]["lines"] == list(exit_.lines)
    other = served.key("read", name="other", accounts=STRANGER)
    for path in ("wealth", "trends", "proposals"):
        assert served.client.get(f"/v1/{path}", headers=other).json()["items"] == []
    market = served.service.newest("markets").rows[0]["key"]
    assert served.client.get(f"/v1/markets/{market}/curve", headers=other).status_code == 404


@pytest.mark.parametrize(
    ("rates", "found"), [((None, None), None), ((0.0, None), 0.0), ((0.1, None), 0.1), ((0.1, 0.3), 0.15)]
)
def test_a_rate_of_nought_is_measured_and_an_unmeasured_one_is_not(rates: tuple[float | None, ...], found: Any) -> None:
    rows = [
        {"asset": "USDC", "invested": {"text": "1"}, "idle": None, "usd": None, "apy_now": None, "days": 30}
        | {"earned": None if rate is None else 10.0 * bool(rate), "predicted": None, "points": []}
        | {"realised_apr": rate, "predicted_apr": None}
        for rate in rates
    ]
    (asset,) = of_assets(rows)
    assert asset.realised_apr == (None if found is None else pytest.approx(found)) and asset.predicted_apr is None
    assert (asset.earned is None) == (found is None)
