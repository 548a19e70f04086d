"""The OpenAPI description, with what the framework cannot know: the API key, and the parameters of collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from yieldbot.api.answering import tagged
from yieldbot.api.deprecation import PARAMETERS, said_of
from yieldbot.api.listing import MOST, USUAL
from yieldbot.app.deprecation import Deprecated
from yieldbot.app.event_documents import KINDS, Event
from yieldbot.app.events import LONGEST_SECONDS

router = APIRouter()
EVENTS = "/v1/events"
PUBLIC = ("/v1/health", "/v1/ready")
_LIST = (
    ("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}, "rows of the page"),
    ("cursor", {"type": "string"}, "`next` of the page before"),
    ("sort", {"type": "string"}, "a field to order by; with - before it the largest first"),
    ("fields", {"type": "string"}, "only these fields, as `key,safety`"),
)
_NOTE = (
    "Any other parameter is a filter: `chain=base` for rows with this value, `min_safety=70` and `max_safety=90` for "
    "bounds of a number."
)
_TAG = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "an ETag: 304 while it holds",
}
_LAST_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "description": "`id` of the last event that was received: what happened since comes first",
}
_SENT: dict[str, Any] = {
    "type": "object",
    "description": "One event of a stream: its lines by their names.",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "number of the journal entry, for `Last-Event-ID`"},
        "event": {"type": "string", "enum": list(KINDS), "description": "the kind"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Event"},
            "description": "the event",
        },
        "retry": {"type": "integer", "description": "milliseconds to wait before the next attempt"},
    },
}
_SEEN = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "the ETag of what was seen: 412 if somebody changed it since",
}
_FIELDS = {
    "name": "fields",
    "in": "query",
    "schema": {"type": "string"},
    "description": "only these fields, as `key,safety`",
}
_TEXT: dict[str, Any] = {"type": "string"}
_MORE: dict[str, tuple[tuple[str, dict[str, Any], str], ...]] = {
    "/v1/markets/{key}/history": (
        ("days", {"type": "integer", "minimum": 1, "maximum": 3650, "default": 30}, "how many days back"),
        ("step", {"type": "string", "default": "1d"}, "from row to row, as `10m`, `6h`, `1d` or `1w`"),
    ),
    EVENTS: (
        ("kinds", _TEXT, f"only these kinds, as `plan.waits,plan.done`: of {', '.join(KINDS)}"),
        ("wait", {"type": "integer", "minimum": 0, "maximum": LONGEST_SECONDS}, "how many seconds it lasts"),
    ),
    "/v1/exports/{kind}": (
        ("wallet", {"type": "string"}, "a wallet's name"),
        ("chain", {"type": "string"}, "a chain's name"),
        ("asset", {"type": "string"}, "a token's symbol"),
        ("from", {"type": "string", "format": "date"}, "the first day (UTC)"),
        ("to", {"type": "string", "format": "date"}, "the last day (UTC)"),
        ("offline", {"type": "boolean", "default": False}, "whether no chain is asked"),
    ),
}
"""Parameters of single routes."""
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{8,128}$"},
    "description": "a new random text for each new request; the same text again gets the first answer",
}


@router.get("/openapi.json", include_in_schema=False)
async def openapi_json(request: Request) -> Response:
    """The OpenAPI description as JSON. Needs no key."""
    return tagged(request, "openapi.json", request.app.openapi)


def described(app: FastAPI) -> None:
    """Complete the application's OpenAPI description."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(plain(), _old(app.routes))
        found = app.openapi_schema
        assert found is not None
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def _old(routes: Iterable[Any], prefix: str = "") -> dict[tuple[str, str], Deprecated]:
    """What is said of the routes that will go, by method and path."""
    found = dict[tuple[str, str], Deprecated]()
    for route in routes:
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        if inner is not None:
            found |= _old(inner, "/v1")
        elif (said := said_of(getattr(route, "endpoint", None))) is not None:
            path = route.path if route.path.startswith("/v1/") else prefix + route.path
            found |= {(method, path): said for method in route.methods}
    return found


def _complete(schema: dict[str, Any], old: Mapping[tuple[str, str], Deprecated]) -> None:
    schema["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "a key of `yieldbot key new`"}
    }
    schema["security"] = [{"key": []}]
    schema["components"]["schemas"] |= {"Event": Event.model_json_schema(), "SentEvent": _SENT}
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            if (said := old.get((method.upper(), path))) is not None:
                route |= said.mark()
                route["description"] = f"{route.get('description', '')}\n\n{said.words()}".strip()
            if path in PUBLIC:
                route["security"] = []
            more = list[dict[str, Any]]()
            if path == EVENTS:
                more.append(_LAST_ID)
            elif method == "get" and path not in PUBLIC:
                more.append(_TAG)
                route["responses"]["304"] = {"description": "it did not change"}
            more += [_query(*one) for one in _MORE.get(path, ())]
            if method == "get" and _is_page(route):
                more += [_query(*one) for one in _LIST]
                route["description"] = f"{route.get('description', '')}\n\n{_NOTE}".strip()
            if method == "post":
                more.append(_ONCE)
                route["responses"] |= {
                    "409": _problem("in progress, or refused by a safety rule"),
                    "428": _problem("no Idempotency-Key"),
                }
            if (
                method == "get"
                and not _is_page(route)
                and path.endswith(("{key}", "/risk", "{plan_id}", "{alert_id}", "{run_id}"))
            ):
                more.append(_FIELDS)
            if "412" in route["responses"]:
                more.append(_SEEN)
            if more:
                route["parameters"] = [*route.get("parameters", []), *(_marked(path, one) for one in more)]
            for status, answer in route["responses"].items():
                _media(status, answer)


def _marked(path: str, parameter: dict[str, Any]) -> dict[str, Any]:
    said = PARAMETERS.get((path, parameter["name"])) if parameter["in"] == "query" else None
    if said is None:
        return parameter
    return parameter | said.mark() | {"description": f"{parameter['description']}. {said.words()}"}


def _query(name: str, form: dict[str, Any], says: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": form, "description": says}


def _is_page(route: dict[str, Any]) -> bool:
    content = route["responses"].get("200", {}).get("content", {}).get("application/json", {})
    return "Page" in str(content.get("schema", {}).get("$ref", ""))


def _problem(words: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}


def _media(status: str, answer: dict[str, Any]) -> None:
    """Describe the answers of an error status as problem documents."""
    if status.startswith(("4", "5")) and "application/json" in answer.get("content", {}):
        schema = {"$ref": "#/components/schemas/ProblemDocument"}
        answer["content"] = {"application/problem+json": {"schema": schema}}
