"""Stored history, quotes and exports: bounded, in the right form, and of the caller's own accounts alone."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.kit.api.served import Served
from tests.kit.config.files import WALLET
from tests.kit.market_builder import OWNER
from tests.unit.api.test_server import IDEMPOTENT, market_key
from yieldbot.app.quote_documents import QuoteDocument
from yieldbot.app.workers import WorkerFailed

SWAP = {"given": "USDC", "wanted": "WETH", "amount": "5"}


def history_of(served: Served, key: dict[str, str], query: str = "") -> Any:
    return served.client.get(f"/v1/markets/{market_key(served, key)}/history{query}", headers=key)


def test_what_memory_has_of_a_market_is_paged_and_kept_until_the_next_reading(
    observed: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = observed  # memory has what was read
    key = served.key("read")
    first = history_of(served, key, "?days=7000&step=1w")
    assert first.status_code == 400 and "from 1 to 3650" in first.json()["detail"]
    found = history_of(served, key, "?days=3650&step=2w&fields=time,supply_rate&sort=-time&limit=1")
    assert found.status_code == 200, found.text
    (row,) = found.json()["items"]
    assert set(row) == {"time", "supply_rate"} and 0 < row["supply_rate"] < 1 and found.json()["total"] >= 1
    assert history_of(served, key | {"If-None-Match": found.headers["ETag"]}, "?days=3650&step=2w").status_code == 200
    again = history_of(
        served,
        key | {"If-None-Match": found.headers["ETag"]},
        "?days=3650&step=2w&fields=time,supply_rate&sort=-time&limit=1",
    )
    assert again.status_code == 304

    async def none(*_: Any) -> Any:
        raise AssertionError("it is kept")

    monkeypatch.setattr(type(served.service), "remembered", none)
    assert history_of(served, key, "?days=3650&step=2w&min_time=1").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "?step=%D9%A7d",
        "?days=0",
        "?days=x",
        "?days=-1",
        "?days=1&days=2",
        "?step=1x",
        "?step=",
        "?days=3650&step=10m",
        "?x=1",
    ],
)
def test_windows_that_are_not_understood_or_too_large_are_refused(observed: Served, query: str) -> None:
    served = observed  # memory has what was read
    answer = history_of(served, served.key("read"), query)
    assert answer.status_code == 400 and answer.json()["code"] == "BAD_PARAMETER", answer.text


def test_a_market_that_memory_lacks_has_no_history(served: Served) -> None:
    for file in (served.service.context.settings.data_dir / "history").rglob("*"):
        if file.is_file():
            file.unlink()
    answer = history_of(served, served.key("read"))
    assert answer.status_code == 404 and answer.json()["code"] == "NO_HISTORY"


def test_a_quote_is_computed_once_for_each_wish(served: Served) -> None:
    key = served.key("read")
    assert served.client.post("/v1/quotes", headers=key, json=SWAP).status_code == 428
    refused = served.client.post("/v1/quotes", headers=key | IDEMPOTENT, json=SWAP)
    assert refused.status_code == 422 and "WETH: no token of testnet: known are: USDC" in refused.json()["detail"]
    served.answers = {"quote": {"schema": QuoteDocument.schema_name()}}
    first = served.client.post("/v1/quotes", headers=key | IDEMPOTENT, json=SWAP)
    again = served.client.post("/v1/quotes", headers=key | IDEMPOTENT, json=SWAP)
    assert first.status_code == again.status_code == 200 and again.headers["Idempotency-Replayed"] == "true"
    assert served.asked[-1] == ("quote", SWAP | {"out": None, "chain": None})
    for bad in ({"amount": "5", "out": "1"}, {"amount": None}, {"amount": "-1"}, {"given": ""}, {"to": WALLET}):
        answer = served.client.post("/v1/quotes", headers=key | {"Idempotency-Key": "another-1"}, json=SWAP | bad)
        assert answer.status_code == 422, bad


def test_a_key_of_one_account_quotes_on_its_own_chains_alone(served: Served) -> None:
    served.answers = {"quote": {}}
    own = served.key("read", name="own", accounts=frozenset((WALLET.lower(),)))
    other = served.key("read", name="other", accounts=frozenset((OWNER.lower(),)))
    assert served.client.post("/v1/quotes", headers=own | IDEMPOTENT, json=SWAP).status_code == 200
    assert served.asked[-1][1]["chain"] == "testnet"
    for chain in ("testnet", None):
        answer = served.client.post("/v1/quotes", headers=other | IDEMPOTENT, json=SWAP | {"chain": chain})
        assert answer.status_code == 422 and "testnet" not in answer.json()["detail"]


def test_exports_are_files_or_their_document(served: Served) -> None:
    key = served.key("read")
    answer = served.client.get("/v1/exports/csv?offline=true", headers=key)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/csv; charset=utf-8", answer.text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="yieldbot-csv.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert "value" in " ".join(head) and rows == [] and answer.headers["Vary"] == "Authorization, Accept"
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert served.client.get("/v1/exports/csv?offline=true", headers=key | tag).status_code == 304
    assert len([1 for job, _ in served.asked if job == "export"]) == 1, "nothing changed: it is not made again"
    found = served.client.get("/v1/exports/csv?offline=true", headers=key | {"Accept": "application/json"})
    assert found.json()["content"] == answer.text and found.json()["format"] == "csv"
    for kind, media in (("rotki", "text/csv"), ("rotki-trades", "text/csv"), ("beancount", "text/plain")):
        answer = served.client.get(f"/v1/exports/{kind}?offline=true&from=2026-01-01", headers=key)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(media)
    assert served.client.get("/v1/exports/xlsx", headers=key).status_code == 404
    for query, status in (("from=x", 422), ("offline=maybe", 400), ("output=/etc/passwd", 400), ("to=1&to=2", 400)):
        assert served.client.get(f"/v1/exports/csv?{query}", headers=key).status_code == status, query
    assert not list(Path.cwd().glob("*.csv"))


def test_an_export_that_lacks_a_chain_is_no_file(served: Served) -> None:
    """A file has no place to say so."""
    key = served.key("read")
    served.answers = {"export": {"exit_code": 1, "notes": ["base: nobody answers"], "content": "x", "format": "csv"}}
    answer = served.client.get("/v1/exports/csv", headers=key)
    assert answer.status_code == 503 and answer.headers["Retry-After"] and "offline=true" in answer.json()["detail"]
    found = served.client.get("/v1/exports/csv", headers=key | {"Accept": "application/json"})
    assert found.status_code == 200 and found.json()["notes"] == ["base: nobody answers"]
    served.answers = {"export": WorkerFailed("a chain is away", "TransientError")}
    assert served.client.get("/v1/exports/rotki", headers=key).status_code == 503


def test_a_key_of_one_account_exports_its_own_alone(served: Served) -> None:
    served.answers = {"export": {"exit_code": 0, "notes": [], "content": "x", "format": "csv"}}
    own = served.key("read", name="own", accounts=frozenset((WALLET.lower(),)))
    assert served.client.get("/v1/exports/csv", headers=own).status_code == 200
    assert served.asked[-1][1]["jobs"]["wallet"] == "main"
    other = served.key("read", name="other", accounts=frozenset((OWNER.lower(),)))
    assert served.client.get("/v1/exports/csv?wallet=main", headers=other).status_code == 422
    assert [job for job, _ in served.asked].count("export") == 1


def test_single_rows_have_sparse_fields_and_no_unknown_parameters(served: Served) -> None:
    key = served.key("read")
    one = f"/v1/markets/{market_key(served, key)}"
    assert set(served.client.get(f"{one}?fields=key,safety", headers=key).json()) == {"key", "safety"}
    assert set(served.client.get(f"{one}/risk?fields=letter", headers=key).json()) == {"letter"}
    for query in (
        f"{one}?fields=x",
        f"{one}?limit=1",
        f"{one}/forecasts?days=1",
        "/v1/halt?reason=x",
        "/v1/metrics?x=1",
    ):
        answer = served.client.get(query, headers=key)
        assert answer.status_code == 400 and answer.json()["code"] == "BAD_PARAMETER", query
    assert served.client.put("/v1/halt?dry=1", headers=served.key("halt")).status_code == 400
    assert served.service.halted() is None


def test_a_halt_is_lifted_only_while_it_is_the_one_that_was_seen(served: Served) -> None:
    key = served.key("read", "halt")
    before = served.client.get("/v1/halt", headers=key).headers["ETag"]
    served.client.put("/v1/halt", headers=key, json={"reason": "a fire"})
    late = served.client.delete("/v1/halt", headers=key | {"If-Match": before})
    assert late.status_code == 412 and late.json()["code"] == "CHANGED" and served.service.halted()
    tag = served.client.get("/v1/halt", headers=key).headers["ETag"]
    assert served.client.put("/v1/halt", headers=key | {"If-None-Match": tag}).status_code == 200
    assert served.client.delete("/v1/halt", headers=key | {"If-Match": tag}).json()["lifted"] is True
