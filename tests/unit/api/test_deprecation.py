"""What is to go says so in its answers and in the description, long enough before; nothing else does."""

from __future__ import annotations

import copy
import json
from datetime import date

import pytest
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from tests.docs.json_reference import _table
from tests.kit import ROOT
from tests.kit.api.compatible import breaks
from tests.kit.api.served import Served
from tests.kit.portal import in_one_loop
from yieldbot.api import server
from yieldbot.api.deprecation import PARAMETERS, deprecated
from yieldbot.api.problems import Problem
from yieldbot.app.deprecation import dated, going
from yieldbot.app.document import Part

OLD = dated(since="2026-12-01", until="2027-07-01", instead="`new`")
WORDS = "Deprecated since 2026-12-01; goes on 2027-07-01 or later: `new`"
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
    client, key = in_one_loop(TestClient(app)), served.key("read")
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


def test_an_old_parameter_says_so_where_it_is_used_and_in_the_description(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARAMETERS, ("/v1/markets", "sort"), OLD)
    client, key = in_one_loop(TestClient(server.application(served.service))), served.key("read")
    assert client.get("/v1/markets?sort=key", headers=key).headers["Sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
    for path in ("/v1/markets?limit=5", "/v1/positions?sort=key"):
        assert not set(HEADERS) & set(client.get(path, headers=key).headers)
    found = server.application(served.service).openapi()["paths"]["/v1/markets"]["get"]["parameters"]
    (sort,) = (one for one in found if one["name"] == "sort")
    assert sort["deprecated"] is True and sort["x-sunset"] == "2027-07-01" and sort["description"].endswith(WORDS)
    assert [one["name"] for one in found if one.get("deprecated")] == ["sort"]


class Inner(BaseModel):
    """A part of a body."""

    old: int = going("its number", OLD, default=0)


class Body(BaseModel):
    """A body."""

    new: int = 0
    older: int = going("its number", dated(since="2026-11-01", until="2027-05-05", instead="`new`"), default=0)
    parts: tuple[Inner, ...] | None = None


def test_an_old_field_of_a_body_says_so_where_it_is_used(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()

    @router.put("/thing")
    async def thing(body: Body | None = None) -> dict[str, str]:
        """A route."""
        return {}

    monkeypatch.setattr(server, "ROUTERS", (*server.ROUTERS, router))
    client, key = in_one_loop(TestClient(server.application(served.service))), served.key("read")
    for body, ends in (
        ({"new": 1}, None),
        ({"older": 1}, "Wed, 05 May 2027 00:00:00 GMT"),
        ({"new": 1, "parts": [{}, {"old": 3}]}, "Thu, 01 Jul 2027 00:00:00 GMT"),
        ({"older": "no number", "parts": [{"old": 3}]}, "Wed, 05 May 2027 00:00:00 GMT"),
    ):
        answer = client.put("/v1/thing", headers=key, json=body)
        assert answer.headers.get("Sunset") == ends and ("Deprecation" in answer.headers) is (ends is not None), body
    nonsense = client.put("/v1/thing", headers=key | {"Content-Type": "application/json"}, content=b"{")
    assert nonsense.status_code in (400, 422) and "Deprecation" not in nonsense.headers


def test_an_old_field_says_so_in_its_schema_and_in_the_reference() -> None:
    class Thing(Part):
        """A thing."""

        new: int = Field(description="its number")
        old: int = going("its number", OLD)

    form = Thing.model_json_schema()["properties"]["old"]
    assert form["deprecated"] is True and form["x-sunset"] == "2027-07-01"
    assert form["description"] == f"its number. {WORDS}" and "deprecated" not in str(Thing.model_fields["new"])
    assert f"| `old` | integer | its number. {WORDS} |" in _table(Thing, set(), {})


def test_what_was_marked_in_a_release_may_go_from_its_day_on_and_nothing_else() -> None:
    released = json.loads((ROOT / "docs" / "openapi.json").read_text())
    markets = released["paths"]["/v1/markets"]["get"]
    (sort,) = (one for one in markets["parameters"] if one["name"] == "sort")
    row = released["components"]["schemas"]["MarketRow"]
    later = copy.deepcopy(released)
    later["paths"]["/v1/markets"]["get"]["parameters"] = [one for one in markets["parameters"] if one is not sort]
    del later["paths"]["/v1/halt"]["delete"], later["paths"]["/v1/keys"], later["components"]["schemas"]["ApiKey"]
    del later["components"]["schemas"]["MarketRow"]["properties"]["safety"]
    del later["components"]["schemas"]["Page_ApiKey_"]
    later["components"]["schemas"]["MarketRow"]["required"].remove("safety")
    gone = {
        "delete /v1/halt is gone", "/v1/keys is gone", "get /v1/markets: parameter sort is gone",
        "MarketRow.safety is gone", "MarketRow.safety may be missing", "ApiKey is gone", "Page_ApiKey_ is gone",
    }  # fmt: skip
    assert set(breaks(released, later, date(2027, 8, 1))) == gone, "nothing of it was marked"
    keys = released["paths"]["/v1/keys"]["get"]
    for part in (sort, row["properties"]["safety"], released["paths"]["/v1/halt"]["delete"], keys):
        part |= OLD.mark()
    assert set(breaks(released, later, date(2027, 6, 30))) == gone, "its day has not come"
    assert breaks(released, later, date(2027, 7, 1)) == []
    assert breaks(released, released, date(2027, 8, 1)) == [], "it may stay for longer"


def test_the_page_names_what_is_deprecated_now() -> None:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())
    paths = [(path, methods) for path, methods in described["paths"].items()]
    named = [path for path, methods in paths if any(one.get("deprecated") for one in methods.values())]
    for path, methods in paths:
        of = (one for route in methods.values() for one in route.get("parameters", ()))
        named += [f"{one['name']} of {path}" for one in of if one.get("deprecated")]
    for name, schema in described["components"]["schemas"].items():
        named += [f"{name}.{field}" for field, form in schema.get("properties", {}).items() if form.get("deprecated")]
    page = (ROOT / "docs" / "api.md").read_text().partition("Deprecated now: ")[2].partition("\n\n")[0]
    assert all(f"`{one}`" in page for one in named) and (named or page.startswith("nothing."))
    reference = (ROOT / "docs" / "json.md").read_text()
    assert ("Deprecated since " in reference) is ("Deprecated now: nothing." not in reference)
