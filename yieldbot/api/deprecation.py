"""Routes and parameters that will go: answers say so by the headers Deprecation (RFC 9745), Sunset (RFC 8594) and
Link."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime
from typing import Any, TypeVar

from fastapi import Request

from yieldbot.api.methods import template_of
from yieldbot.app.deprecation import Deprecated, dated

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
    """Headers of the answer to a request whose route, or one of whose query parameters, will go; else none."""
    said = said_of(getattr(request.scope.get("route"), "endpoint", None))
    if said is None and PARAMETERS:
        path = template_of(request)
        used = [PARAMETERS[path, name] for name in request.query_params if (path, name) in PARAMETERS]
        said = min(used, key=lambda one: one.until, default=None)
    return headers(said) if said is not None else {}
