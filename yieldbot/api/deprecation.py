"""Routes, parameters and fields that will go: answers say so by the headers Deprecation (RFC 9745), Sunset (RFC 8594)
and Link."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from email.utils import format_datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from fastapi import Request
from pydantic import BaseModel

from yieldbot.api.methods import template_of
from yieldbot.app.deprecation import Deprecated, dated, used
from yieldbot.model.json_text import loads

GUIDE = "/v1/openapi.json"
"""Where it is described what takes the place of what will go."""
PARAMETERS: dict[tuple[str, str], Deprecated] = {}
"""Query parameters that will go, by the template of their path and their name."""
_MARK = "__deprecated_route__"
RouteT = TypeVar("RouteT", bound=Callable[..., Any])


def headers(said: Deprecated) -> dict[str, str]:
    """The headers of an answer."""
    return {
        "Deprecation": f"@{int(said.since.timestamp())}",
        "Sunset": format_datetime(said.until, usegmt=True),
        "Link": f'<{GUIDE}>; rel="deprecation"; type="application/json"',
    }


def deprecated(*, since: str, until: str, instead: str) -> Callable[[RouteT], RouteT]:
    """Marks the function of a route. since, until: days (UTC) as 2027-01-31. Raises ValueError."""
    said = dated(since=since, until=until, instead=instead)

    def mark(route: RouteT) -> RouteT:
        setattr(route, _MARK, said)
        return route

    return mark


def said_of(route: Any) -> Deprecated | None:
    """What is said of a function of a route; None: it stays."""
    found: Deprecated | None = getattr(route, _MARK, None)
    return found


def headers_of(request: Request) -> dict[str, str]:
    """Headers of the answer to a request whose route, or one of whose query parameters or body's fields, will go; else
    none. Of several the one that goes first."""
    route = getattr(request.scope.get("route"), "endpoint", None)
    found = [one for one in (said_of(route),) if one is not None]
    if PARAMETERS:
        path = template_of(request)
        found += [PARAMETERS[path, name] for name in request.query_params if (path, name) in PARAMETERS]
    body = getattr(request, "_body", b"")
    forms = _forms(route) if body and route is not None else ()
    if forms:
        with contextlib.suppress(ValueError, RecursionError):  # what is no JSON was refused
            value = loads(body)
            found += [one for form in forms for one in used(form, value)]
    return headers(min(found, key=lambda one: one.until)) if found else {}


@cache
def _forms(route: Callable[..., Any]) -> tuple[Any, ...]:
    """The bodies that a route takes, if a field of them will go."""
    forms = [form for name, form in get_type_hints(route).items() if name == "body"]
    return tuple(form for form in forms if _goes(form))


def _goes(form: Any) -> bool:
    """Whether a field of a body will go."""
    if not (isinstance(form, type) and issubclass(form, BaseModel)):
        return any(_goes(part) for part in get_args(form))
    fields = form.model_fields.values()
    return any(
        any(isinstance(one, Deprecated) for one in field.metadata) or _goes(field.annotation) for field in fields
    )
