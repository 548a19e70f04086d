"""The methods of resources: HEAD wherever there is GET, OPTIONS, and the header Allow."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

KNOWN = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))


class Methods:
    """The HTTP methods that each path accepts."""

    def __init__(self, routers: Iterable[APIRouter], prefix: str) -> None:
        """prefix: the path below which the routers are, as /v1."""
        self._prefix = prefix
        self._routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]

    def of(self, path: str) -> str | None:
        """Value of the header Allow for a path; None: there is no such resource."""
        if not path.startswith(self._prefix + "/"):
            return None
        below = path.removeprefix(self._prefix)
        found = {one for route in self._routes if route.path_regex.match(below) for one in route.methods or ()}
        if not found:
            return None
        return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


def known(method: str) -> str:
    """The method as it is written to the audit: an unknown method becomes one fixed word, so that callers cannot fill
    the audit with invented ones."""
    return method if method in KNOWN else "another method"


def template_of(request: Request) -> str:
    """The template of the matching route, as ``/v1/plans/{plan_id}``; its number of different values is bounded by the
    routes, whatever callers request."""
    found: str | None = getattr(request.scope.get("route"), "path", None)
    if found is None:
        return "/mcp" if request.url.path.startswith("/mcp/") else "other"
    return found if found.startswith("/v1/") else f"/v1{found}"


def without_body(response: Response) -> Response:
    """The answer to HEAD: status and headers of the answer to GET, without its body."""
    bare = Response(status_code=response.status_code)
    bare.raw_headers = [one for one in response.raw_headers if one[0] != b"transfer-encoding"]
    return bare
