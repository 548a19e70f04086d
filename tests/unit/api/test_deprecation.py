"""What is to go says so in its answers and in the description, long enough before; nothing else does."""

from __future__ import annotations

import json

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from tests.kit import ROOT
from tests.kit.api.served import Served
from yieldbot.api import server
from yieldbot.api.deprecation import deprecated
from yieldbot.api.problems import Problem

HEADERS = ("Deprecation", "Sunset", "Link")


def test_an_old_route_says_since_when_until_when_and_where_to_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()

    @router.get("/old/{key}")
    @deprecated(since="2026-12-01", until="2027-07-01", instead="GET /v1/markets")
    async def old(key: str) -> dict[str, str]:
        """An old route."""
        if key == "gone":
            raise Problem(404, "NOT_FOUND", "none")
        return {}

    monkeypatch.setattr(server, "ROUTERS", (*server.ROUTERS, router))
    app = server.application(served.service)
    client, key = TestClient(app), served.key("read")
    for path, status in (("/v1/old/x", 200), ("/v1/old/gone", 404)):
        answer = client.get(path, headers=key)
        assert answer.status_code == status and answer.headers["Deprecation"] == "@1796083200"
        assert answer.headers["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
        assert answer.headers["Link"] == '</v1/openapi.json>; rel="deprecation"; type="application/json"'
    for path in ("/v1/markets", "/v1/nothing"):
        assert not set(HEADERS) & set(client.get(path, headers=key).headers)
    found = app.openapi()["paths"]
    assert found["/v1/old/{key}"]["get"]["deprecated"] is True
    assert "goes on 2027-07-01 or later: GET /v1/markets" in found["/v1/old/{key}"]["get"]["description"]
    assert not any(route.get("deprecated") for path in found if "old" not in path for route in found[path].values())


def test_old_and_new_live_side_by_side_for_long_enough() -> None:
    with pytest.raises(ValueError, match="at least 180 days"):
        deprecated(since="2026-12-01", until="2027-02-01", instead="x")


def test_the_page_names_what_is_deprecated_now() -> None:
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    named = [path for path, methods in paths.items() if any(one.get("deprecated") for one in methods.values())]
    page = (ROOT / "docs" / "api.md").read_text()
    assert all(f"Deprecated now: {path}" in page for path in named) and (named or "Deprecated now: nothing." in page)
