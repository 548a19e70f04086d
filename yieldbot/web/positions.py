"""Positions with profit and loss, those that were left, and predicted against realised for every one ever held."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import visible
from yieldbot.web import orders
from yieldbot.web.answering import caller_of, page, service_of
from yieldbot.web.expected import expected, horizon_days


async def positions(request: Request) -> Response:
    """What is held, was held, and rests on what."""
    service, caller = service_of(request), caller_of(request)
    rows = visible(service.newest("positions").rows, caller)
    return page(
        request,
        "positions.html",
        title="Positions",
        expected=expected(service, rows),
        horizon=horizon_days(service),
        positions=sorted(rows, key=lambda row: -float(row["held"]["text"])),
        closed=visible(service.newest("closed").rows, caller),
        held=sorted(visible(service.newest("held").rows, caller), key=lambda row: -row["since"]),
        rests=visible(service.newest("rests").rows, caller),
        keys={(row["chain_id"], row["id"]): row["key"] for row in visible(service.newest("markets").rows, caller)},
        unread=service.newest("positions").unread if caller.accounts is None else (),
        read=bool(service.read_at),
        now=max(service.read_at, 1),
        **await orders.standing(request),
    )


ROUTES = (Route("/positions", positions),)
