"""The first page: what there is, what it earns, and what waits for a person."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import visible
from yieldbot.web.answering import caller_of, page, service_of


async def overview(request: Request) -> Response:
    """Positions, and plans that wait."""
    service, caller = service_of(request), caller_of(request)
    plans = visible((await service.journalled("plans")).rows, caller)
    return page(
        request,
        "overview.html",
        title="Overview",
        positions=visible(service.newest("positions").rows, caller),
        waiting=[plan for plan in plans if plan["status"] == "queued"],
    )


ROUTES = (Route("/", overview),)
