"""Orders to leave markets: shown where they matter, and lifted by whoever may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import exit_orders
from yieldbot.app.admission import Scope
from yieldbot.errors import YieldbotError
from yieldbot.web.answering import caller_of, decider_of, failed, form_of, need, service_of, session_of, to


class Shown(TypedDict):
    """What a page that shows orders needs."""

    orders: Sequence[Mapping[str, Any]]
    """Those in force that the person sees (``ExitOrder``)."""
    may_not_lift: str | None
    """Why they may not lift one; None: they may."""


async def standing(request: Request) -> Shown:
    """The orders in force, for a page."""
    caller = caller_of(request)
    found = await exit_orders.standing(service_of(request), caller)
    registered = session_of(request).approver is not None
    rows = [one.model_dump(mode="json") for one in found]
    return {"orders": rows, "may_not_lift": exit_orders.may_not_lift(caller, registered)}


async def lift(request: Request) -> Response:
    """Lift an order; the positions are shown afterwards."""
    need(request, Scope.APPROVE)
    await form_of(request)
    service = service_of(request)
    try:
        await exit_orders.lift(request.path_params["key"], service, decider_of(request))
    except YieldbotError as failure:
        status = 403 if getattr(failure, "code", "") == "NOT_ALLOWED" else 409
        return failed(request, status, service.shown(str(failure)))
    return to("/positions")


ROUTES = (Route("/exits/{key}/lift", lift, methods=["POST"]),)
