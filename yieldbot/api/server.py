"""The application: routes under ``/v1``, and the steps that every request passes: limits, key, audit, problem
documents."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from yieldbot import __version__
from yieldbot.api import (
    alert_routes,
    deprecation,
    description,
    event_routes,
    exit_routes,
    found_routes,
    key_routes,
    listing,
    on_request,
    page_routes,
    resources,
    run_routes,
)
from yieldbot.api.description import described
from yieldbot.api.methods import Methods, known, template_of, without_body
from yieldbot.api.metrics import Metrics
from yieldbot.api.problems import COMMANDS, Problem, ProblemDocument, limits, of_error
from yieldbot.app import telemetry, tracing
from yieldbot.app.admission import ASKING, Refused
from yieldbot.app.service import Service
from yieldbot.errors import YieldbotError
from yieldbot.model.json_text import bound_recursion

MOST_BODY = 64 * 1024
"""Most bytes of a request's body."""
BODY_SECONDS = 20.0
"""Seconds within which a request's body must arrive."""
ROUTERS = (
    resources.router,
    page_routes.router,
    on_request.router,
    alert_routes.router,
    run_routes.router,
    exit_routes.router,
    found_routes.router,
    event_routes.router,
    key_routes.router,
    description.router,
)
"""All routes, in the order of the description."""
_NAMES = frozenset(
    route.path.split("/")[1] for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
)
_ALLOWED = Methods(ROUTERS, "/v1")
NO_KEY_NEEDED = frozenset(("/v1/health", "/v1/ready", "/v1/openapi.json"))
_STATUSES = {400: "not understood", 401: "no valid key", 403: "the key has no such scope", 404: "not there",
             405: "no such method here", 408: "the body did not come in time", 413: "too large", 415: "not JSON",
             422: "understood, but not possible",
             429: "too many requests", 500: "a bug of yieldbot", 503: "not now: try again"}  # fmt: skip


def application(service: Service, inner: Mapping[str, ASGIApp] | None = None) -> FastAPI:
    """The REST interface of a service. inner: other applications by path, which callers reach through this one."""
    app = FastAPI(
        title="yieldbot",
        version=__version__,
        description="Markets, positions, plans and grades as resources. Every key has scopes; none can sign.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={code: {"model": ProblemDocument, "description": words} for code, words in _STATUSES.items()},
    )
    belong(app, service)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1")
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(YieldbotError, _failure)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _bug)
    for path, mounted in (inner or {}).items():
        app.mount(path, _apart(mounted))
    app.middleware("http")(_passage)
    described(app)
    return app


def belong(app: FastAPI, service: Service) -> None:
    """Let an application answer for a service, with nothing of what it may have kept for another one."""
    app.state.service, app.state.metrics = service, Metrics(service)
    app.state.kept, app.state.exports = OrderedDict(), {}


def _apart(mounted: ASGIApp) -> ASGIApp:
    """An inner application that gets a copy of the ASGI scope: frameworks store themselves in ``scope["app"]``, and our
    own application's state is still needed once the inner one has answered."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await mounted(dict(scope), receive, send)

    return answer


async def _passage(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """The steps that every request passes. Nothing behind them answers without a caller, except health and
    readiness."""
    service: Service = request.app.state.service
    path, address = request.url.path, request.client.host if request.client else ""
    what = f"{request.method} {listing.shown(path)}"
    left, began = None, time.monotonic()
    request_id = telemetry.begin()
    try:
        if listing.holds_key(path) or listing.holds_key(str(request.query_params)):
            service.admission.note("nobody", address, f"{known(request.method)} with a key in the URL", "400")
            raise Problem(400, "KEY_IN_URL", "a key is sent as `Authorization: Bearer`, never in a URL: revoke it")
        if named := listing.SECRET_WORDS.intersection(name.lower() for name in request.query_params):
            service.admission.note("nobody", address, f"{known(request.method)} with a key in the URL", "400")
            raise Problem(
                400, "KEY_IN_URL", f"{sorted(named)[0]}: a key is sent as `Authorization: Bearer`, never in a URL"
            )
        if path not in NO_KEY_NEEDED:
            asked = f"{known(request.method)} {_resource(path)}"
            caller, left = service.admission.admit(request.headers.get("authorization"), address, asked)
            request.state.caller, request.state.address = caller, address
            ASKING.set(caller)
        else:
            left = service.admission.admit_anybody(address, f"{known(request.method)} {path}")
        await _check_body(request)
        with tracing.continued(request.headers), telemetry.span(f"{known(request.method)} {_resource(path)}"):
            response = _options(path) if _asks_options(request) else await _answered(request, go_on)
    except Problem as problem:
        response = problem.response()
    except ClientDisconnect:  # the caller has closed the connection
        response = Problem(400, "CUT_OFF", "the body ended early", {"Connection": "close"}).response()
    except YieldbotError as failure:  # no valid key, or the keys cannot be read
        if not isinstance(failure, Refused):
            service.context.complain(str(failure))
        response = _of_error(failure, service).response()
    if (
        path.startswith("/v1/")
        and request.method not in ("GET", "HEAD", "OPTIONS")
        and path not in NO_KEY_NEEDED
        and left is not None
        and response.status_code != 403
    ):
        # what was done is named; what was not is counted by its kind, however many names are tried
        what = what if response.status_code < 400 else f"{known(request.method)} {template_of(request)}"
        service.admission.note(request.state.caller.name, address, what, str(response.status_code))
        await service.write_audit()
    for name, value in (limits(left) | deprecation.headers_of(request)).items():
        response.headers.setdefault(name, value)
    route, seconds = template_of(request), time.monotonic() - began
    request.app.state.metrics.answered(route, request.method, response.status_code, seconds)
    name = request.state.caller.name if left is not None and path not in NO_KEY_NEEDED else ""
    telemetry.answered(route, known(request.method), response.status_code, seconds, name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = request_id
    return response


def _resource(path: str) -> str:
    """The resource that a path is about, as ``/v1/plans``; ``another path`` where there is none of that name. So
    requests without a valid key to ever new paths add no new lines to the audit."""
    first, _, rest = path.lstrip("/").partition("/")
    name = rest.partition("/")[0]
    if first == "v1" and name in _NAMES:
        return f"/v1/{name}"
    return "/mcp" if first == "mcp" else "another path"


async def _answered(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """The answer of a route; to HEAD the one to GET, without its body."""
    if request.method != "HEAD" or not request.url.path.startswith("/v1/"):
        return await go_on(request)
    request.scope["method"], request.state.bare = "GET", True
    try:
        response = await go_on(request)
    finally:
        request.scope["method"] = "HEAD"
    return without_body(response)


def _asks_options(request: Request) -> bool:
    return request.method == "OPTIONS" and request.url.path.startswith("/v1/")


def _options(path: str) -> Response:
    """Which methods a resource has. Raises Problem (404)."""
    if (allow := _ALLOWED.of(path)) is None:
        raise Problem(404, "NOT_FOUND", "there is no such resource")
    return Response(status_code=204, headers={"Allow": allow, "Cache-Control": "no-store"})


async def _check_body(request: Request) -> None:
    """Raises Problem for a body that is too long or declares another type than JSON. The body is read completely here,
    and kept."""
    if request.method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        return
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                taken += part
                if len(taken) > MOST_BODY:
                    raise Problem(413, "TOO_LARGE", f"a body may have {MOST_BODY} bytes", {"Connection": "close"})
    except TimeoutError:
        words = f"the body did not come within {BODY_SECONDS:z.0f} s"
        raise Problem(408, "TOO_SLOW", words, {"Connection": "close"}) from None
    request._body = bytes(taken)
    bound_recursion()  # the body is parsed next
    if not taken:
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "NOT_JSON", "send JSON with the header `Content-Type: application/json`")


async def _problem(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, Problem)
    return failure.response()


async def _failure(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, YieldbotError)
    return _of_error(failure, request.app.state.service).response()


def _of_error(failure: YieldbotError, service: Service) -> Problem:
    return of_error(failure, lambda text: service.shown(text, COMMANDS))


async def _http(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    codes = {
        400: ("BAD_JSON", "the body cannot be read as JSON"),
        404: ("NOT_FOUND", "there is no such resource"),
        405: ("NO_SUCH_METHOD", "this resource has no such method"),
    }
    code, words = codes.get(failure.status_code, ("NOT_UNDERSTOOD", str(failure.detail)))
    headers = dict(failure.headers or {})
    if failure.status_code == 405 and (allow := _ALLOWED.of(request.url.path)) is not None:
        headers["Allow"] = allow  # the framework names those of one route alone
    return Problem(failure.status_code, code, words, headers).response()


async def _invalid(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    first = failure.errors()[0]
    if first["type"] == "json_invalid":
        return Problem(400, "BAD_JSON", "the body cannot be read as JSON").response()
    where = ".".join(str(one) for one in first["loc"])
    return Problem(422, "NOT_UNDERSTOOD", f"{listing.shown(where)}: {first['msg']}").response()


async def _bug(request: Request, failure: Exception) -> Response:
    service: Service = request.app.state.service
    service.context.complain(f"a bug: {type(failure).__name__} at {listing.shown(request.url.path)}")
    return Problem(500, "BROKEN", "a bug of yieldbot: the server's log names it").response()
