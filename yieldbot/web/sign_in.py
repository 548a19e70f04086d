"""Signing in and out."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.admission import Refused, Scope
from yieldbot.web.answering import cookie_name, fields_of, form_of, page, service_of, sessions_of, to
from yieldbot.web.sessions import LONGEST_SECONDS

_INSIDE = re.compile(r"/(?![/\\])[\w./~%?=&,:@+-]{0,300}")


def address(request: Request) -> str:
    """Where a person signs in who asked for this page, to which they come back afterwards."""
    query = f"?{request.url.query}" if request.url.query else ""
    wanted = request.url.path + query
    return "/sign-in" if wanted == "/" else f"/sign-in?then={quote(wanted, safe='')}"


async def ask(request: Request) -> Response:
    """The page to sign in at."""
    return page(request, "sign_in.html", title="Sign in", then=_then(request.query_params.get("then")), why=None)


async def sign_in(request: Request) -> Response:
    """Sign in with an API key, which must be able to read."""
    fields = await fields_of(request)
    then, service = _then(fields.get("then")), service_of(request)
    try:
        caller, _ = service.admission.admit(
            f"Bearer {fields.get('key', '').strip()}", request.state.address, "POST /sign-in"
        )
    except Refused as refused:
        words = "too many attempts: wait a minute" if refused.status == 429 else "this key is not valid"
        return page(request, "sign_in.html", refused.status, title="Sign in", then=then, why=words)
    if Scope.READ not in caller.scopes:
        words = "this key cannot read: make one with `yieldbot key new NAME --scope read`"
        return page(request, "sign_in.html", 403, title="Sign in", then=then, why=words)
    sessions_of(request).end(request.cookies.get(cookie_name(request)))
    response = to(then)
    response.set_cookie(
        cookie_name(request),
        sessions_of(request).begin(caller),
        max_age=LONGEST_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    await form_of(request)
    sessions_of(request).end(request.cookies.get(cookie_name(request)))
    response = to("/sign-in")
    response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
    return response


def _then(text: str | None) -> str:
    """A page of ours to see after signing in; the overview where the text names none."""
    return text if text is not None and _INSIDE.fullmatch(text) else "/"


ROUTES = (
    Route("/sign-in", ask, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
)
