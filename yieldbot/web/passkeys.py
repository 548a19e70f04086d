"""The page at which a person makes a passkey, and gets the line with which the register of approvers takes it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.web.answering import page


async def make(request: Request) -> Response:
    """A page for anybody: the browser makes the passkey, and nothing is sent to this server."""
    return page(request, "passkey.html", title="Make a passkey")


ROUTES = (Route("/passkey", make, methods=["GET"]),)
