"""The pages' application, and the steps that every request passes: limits, origin, session, security headers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import telemetry
from yieldbot.app.admission import Forbidden, Refused
from yieldbot.app.passkey_sign_in import Challenges
from yieldbot.app.service import Service
from yieldbot.errors import DiskFull, InvariantError, TransientError, YieldbotError
from yieldbot.web import (
    alerts,
    approvers,
    asking,
    forecasts,
    found,
    halting,
    live,
    market,
    markets,
    orders,
    overview,
    passkeys,
    plans,
    positions,
    proposals,
    settings,
    sign_in,
    transactions,
)
from yieldbot.web.answering import HEADERS, SAFE, cookie_name, failed, ours, packed, sessions_of, to, valid
from yieldbot.web.assets import assets
from yieldbot.web.sessions import Sessions

ROUTES = (
    *sign_in.ROUTES,
    *passkeys.ROUTES,
    *overview.ROUTES,
    *plans.ROUTES,
    *markets.ROUTES,
    *market.ROUTES,
    *found.ROUTES,
    *positions.ROUTES,
    *transactions.ROUTES,
    *forecasts.ROUTES,
    *alerts.ROUTES,
    *proposals.ROUTES,
    *orders.ROUTES,
    *asking.ROUTES,
    *live.ROUTES,
    *approvers.ROUTES,
    *halting.ROUTES,
    *settings.ROUTES,
)
FOR_ANYBODY = frozenset(("/sign-in", "/sign-in/challenge", "/sign-in/passkey", "/passkey", "/session"))
"""Pages that need no session; files under ``/static`` neither."""
FOR_SCRIPTS = frozenset(("/live", "/session"))
"""What the scripts of an open page ask for: no page to sign in at comes in its place."""

RETRY_SECONDS = "2"
"""Seconds after which a browser may ask again, as a header says it."""


def pages(service: Service) -> Starlette:
    """The pages of a service. Raises ConfigError where files that browsers load are not installed."""
    files = {asset.address: asset for asset in assets().values()}

    async def static(request: Request) -> Response:
        if (found := files.get(request.url.path)) is None:
            raise HTTPException(404, "there is no such file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        return Response(packed(request, found.body, headers), 200, headers, found.media)

    app = Starlette(
        routes=[Route("/static/{path:path}", static), *ROUTES],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_passage)],
        exception_handlers={HTTPException: _http, YieldbotError: _failure, Exception: _bug},
    )
    app.state.service, app.state.sessions = service, Sessions(time.monotonic)
    app.state.challenges = Challenges(time.monotonic)
    app.state.asking = set[int]()
    app.state.deciding = set[str]()
    return app


async def _passage(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    service: Service = request.app.state.service
    address = request.client.host if request.client else ""
    request.state.address = address
    request_id = telemetry.begin()
    try:
        service.admission.admit_anybody(address, f"{request.method} page")
        response = await _answered(request, go_on)
    except Refused as refused:
        response = failed(request, refused.status, str(refused))
    except YieldbotError as failure:  # the keys cannot be read now, so nobody can be let in by one
        response = await _failure(request, failure)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.url.scheme == "https":
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    response.headers["X-Request-Id"] = request_id
    return response


async def _answered(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    if request.url.path.startswith("/static/"):
        return await go_on(request)
    if request.method not in SAFE and not ours(request):
        return failed(request, 403, "this request comes from another site")
    if (session := _session(request)) is not None:
        request.state.session = session
    elif request.url.path not in FOR_ANYBODY:
        by_person = request.headers.get("hx-request") != "true" and request.url.path not in FOR_SCRIPTS
        if request.method in SAFE and by_person:
            return to(sign_in.address(request))
        return failed(request, 401, "you are signed out: sign in again")
    return await go_on(request)


def _session(request: Request) -> object:
    """The session of the cookie, while the key behind it is valid, or the person is in the register of approvers."""
    service: Service = request.app.state.service
    session_id = request.cookies.get(cookie_name(request))
    path = request.url.path
    by_itself = path.endswith("/progress") or path in FOR_SCRIPTS  # asked for by an open page, not by a person
    if (session := sessions_of(request).find(session_id, counts=not by_itself)) is None:
        return None
    if not valid(session, service):
        sessions_of(request).end(session_id)
        return None
    return session


async def _http(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    response = failed(request, failure.status_code, failure.detail)
    response.headers.update(failure.headers or {})  # with 405 the methods that there are (RFC 9110, 15.5.6)
    return response


async def _failure(request: Request, failure: Exception) -> Response:
    service: Service = request.app.state.service
    passing = isinstance(failure, (TransientError, DiskFull))
    response = failed(request, 503 if passing else _status(failure), service.shown(str(failure)))
    if passing:
        response.headers["Retry-After"] = RETRY_SECONDS
    return response


def _status(failure: Exception) -> int:
    return 403 if isinstance(failure, Forbidden) else 500 if isinstance(failure, InvariantError) else 422


async def _bug(request: Request, failure: Exception) -> Response:
    service: Service = request.app.state.service
    service.context.complain(f"a bug: {type(failure).__name__} on a page")
    response = failed(request, 500, "a bug of yieldbot: the server's log names it")
    response.headers.update(HEADERS)
    return response
