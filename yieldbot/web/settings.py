"""The settings in effect, to be read."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.admission import Scope
from yieldbot.app.settings_view import settings_view
from yieldbot.web.answering import caller_of, need, page, service_of


async def settings(request: Request) -> Response:
    """Policy, jobs, the server's work and channels of notices."""
    need(request, Scope.READ)
    found = settings_view(caller_of(request), service_of(request).context)
    return page(request, "settings.html", title="Settings", view=found.model_dump(mode="json"))


ROUTES = (Route("/settings", settings, methods=["GET"]),)
