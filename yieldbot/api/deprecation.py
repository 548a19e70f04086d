"""Routes that will go: their answers say so by the headers Deprecation (RFC 9745), Sunset (RFC 8594) and Link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, TypeVar

from fastapi import Request

LEAST_DAYS = 180
"""How long the old and the new live side by side, at least."""
GUIDE = "/v1/openapi.json"
"""Where it is described what takes the place of the route."""
_MARK = "__deprecated_route__"
RouteT = TypeVar("RouteT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecated:
    """What is said of a route that will go."""

    since: datetime
    """Since when it is deprecated."""
    until: datetime
    """When it goes, at the earliest."""
    instead: str
    """What takes its place, in one line."""

    def __post_init__(self) -> None:
        if (self.until - self.since).days < LEAST_DAYS:
            raise ValueError(f"a deprecated route lives for at least {LEAST_DAYS} days")

    def headers(self) -> dict[str, str]:
        """The headers of its answers."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.until.astimezone(UTC), usegmt=True),
            "Link": f'<{GUIDE}>; rel="deprecation"; type="application/json"',
        }


def deprecated(*, since: str, until: str, instead: str) -> Callable[[RouteT], RouteT]:
    """Marks the function of a route. since, until: days (UTC) as 2027-01-31. Raises ValueError."""
    days = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (since, until))
    said = Deprecated(since=next(days), until=next(days), instead=instead)

    def mark(route: RouteT) -> RouteT:
        setattr(route, _MARK, said)
        return route

    return mark


def said_of(route: Any) -> Deprecated | None:
    """What is said of a function of a route; None: it stays."""
    found: Deprecated | None = getattr(route, _MARK, None)
    return found


def headers_of(request: Request) -> dict[str, str]:
    """Headers of a request's answer, where its route will go; else none."""
    said = said_of(getattr(request.scope.get("route"), "endpoint", None))
    return said.headers() if said is not None else {}
