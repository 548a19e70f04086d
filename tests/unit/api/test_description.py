"""The OpenAPI description is valid, is the committed one, and the server keeps to it, whatever is sent."""

from __future__ import annotations

import json
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.docs.json_reference import OPENAPI, openapi
from tests.kit import ROOT
from tests.kit.api.compatible import breaks
from yieldbot.api.server import application

RELEASED = ROOT / "tests" / "unit" / "api" / "openapi-released.json"


@cache
def as_text() -> str:
    nothing: Any = SimpleNamespace(workers=SimpleNamespace(), jobs=SimpleNamespace(ended=[]))
    return json.dumps(application(nothing).openapi())


def description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_text())
    return found


def test_it_is_valid_and_the_committed_one() -> None:
    found = description()
    validate(found)
    assert found["openapi"].startswith("3.1")
    assert OPENAPI.read_text() == openapi(), "run scripts/json-docs"


def test_nothing_breaks_clients_of_the_last_release() -> None:
    assert breaks(json.loads(RELEASED.read_text()), description()) == []


def test_every_route_says_what_it_does_and_how_it_fails() -> None:
    for path, methods in description()["paths"].items():
        for method, route in methods.items():
            assert route["summary"] and route["description"], (method, path)
            public = route.get("security") == []
            assert public is (path in ("/v1/health", "/v1/ready"))
            assert {"400", "401", "403", "404", "429", "500", "503"} <= set(route["responses"])


def _schema(made: Any, name: str) -> Any:
    return made["components"]["schemas"][name]["properties"]


def _parameter(made: Any, name: str) -> Any:
    (found,) = (one for one in made["paths"]["/v1/markets"]["get"]["parameters"] if one["name"] == name)
    return found["schema"]


def test_what_takes_or_says_more_breaks_nobody() -> None:
    before, after = description(), description()
    _schema(after, "AlertBody")["measure"]["enum"].append("more")
    _schema(after, "HaltBody")["reason"].update(maxLength=5000)
    _schema(after, "HaltState")["more"] = {"type": "string"}
    after["paths"]["/v1/more"] = after["paths"]["/v1/halt"]
    assert breaks(before, after) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made["paths"].pop("/v1/halt"), "/v1/halt is gone"),
        (lambda made: made["paths"]["/v1/halt"].pop("put"), "put /v1/halt is gone"),
        (lambda made: made["components"]["schemas"]["HaltState"]["properties"].pop("reason"), "HaltState.reason is"),
        (
            lambda made: made["components"]["schemas"]["HaltState"]["properties"]["halted"].update(type="string"),
            "HaltState.halted is of another kind",
        ),
        (lambda made: made["components"]["schemas"]["HaltBody"].update(required=["reason"]), "HaltBody.reason"),
        (
            lambda made: made["paths"]["/v1/markets"]["get"]["parameters"].append(
                {"name": "must", "in": "query", "required": True, "schema": {}}
            ),
            "get /v1/markets: must is required",
        ),
        (lambda made: made["paths"]["/v1/plans"]["post"]["responses"].pop("201"), "post /v1/plans: 201 is gone"),
        (lambda made: _schema(made, "AlertBody")["measure"]["enum"].remove("depeg"), "AlertBody.measure takes less"),
        (lambda made: _schema(made, "HaltBody")["reason"].update(maxLength=5), "HaltBody.reason takes less"),
        (lambda made: _schema(made, "QuoteBody")["given"].update(pattern="^U"), "QuoteBody.given takes less"),
        (lambda made: made["components"]["schemas"]["HaltState"]["required"].remove("halted"), "halted may be missing"),
        (lambda made: _parameter(made, "limit").update(maximum=10), "get /v1/markets: limit takes less"),
        (lambda made: _parameter(made, "limit").update(type="string"), "get /v1/markets: limit takes less"),
        (lambda made: _parameter(made, "sort").update(enum=["key"]), "get /v1/markets: sort takes less"),
    ],
)  # fmt: skip
def test_what_breaks_clients_is_noticed(change: Any, words: str) -> None:
    before, after = description(), description()
    change(after)
    assert any(words in line for line in breaks(before, after)), breaks(before, after)
    assert breaks(before, before) == []
