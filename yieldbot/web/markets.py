"""The page of all markets."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import visible
from yieldbot.web.answering import caller_of, page, service_of


async def markets(request: Request) -> Response:
    """Every market, as seen by each job."""
    rows = visible(service_of(request).newest("markets").rows, caller_of(request))
    return page(request, "markets.html", title="Markets", markets=rows)


ROUTES = (Route("/markets", markets),)
