"""Signing in and out."""

from __future__ import annotations

import asyncio
import base64
import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from yieldbot.app.admission import Caller, Refused, Scope
from yieldbot.app.passkey_sign_in import Approver, Challenges, caller, person_of
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
        who, _ = service.admission.admit(
            f"Bearer {fields.get('key', '').strip()}", request.state.address, "POST /sign-in"
        )
    except Refused as refused:
        words = "too many attempts: wait a minute" if refused.status == 429 else "this key is not valid"
        return page(request, "sign_in.html", refused.status, title="Sign in", then=then, why=words)
    if Scope.READ not in who.scopes:
        words = "this key cannot read: make one with `yieldbot key new NAME --scope read`"
        return page(request, "sign_in.html", 403, title="Sign in", then=then, why=words)
    return _begun(request, who, then)


async def challenge(request: Request) -> Response:
    """A new challenge for a passkey. Anybody may have one: it is worth something to registered persons alone."""
    made = _challenges(request).new(request.state.address)
    return JSONResponse({"challenge": encoded(made)}, headers={"Cache-Control": "no-store"})


async def by_passkey(request: Request) -> Response:
    """Sign in with a passkey of a person in the register of approvers, who answered a challenge of ours."""
    fields, service = await fields_of(request), service_of(request)
    then, given = _then(fields.get("then")), decoded(fields.get("challenge", ""))
    why = "this page waited too long: try again"
    if _challenges(request).take(given):
        origin = f"{request.url.scheme}://{request.url.netloc}"
        person = await asyncio.to_thread(person_of, given, fields.get("assertion", ""), origin, service.context)
        if person is not None:
            service.admission.note(person.name, request.state.address, "sign-in with a passkey", "200")
            return _begun(request, caller(person), then, person)
        why = "this passkey belongs to nobody in the register of approvers"
    refused = service.admission.wrong(request.state.address, "POST /sign-in/passkey", why)
    words = "too many attempts: wait a minute" if refused.status == 429 else why
    return page(request, "sign_in.html", refused.status, title="Sign in", then=then, why=words)


async def sign_out(request: Request) -> Response:
    """End the session."""
    await form_of(request)
    sessions_of(request).end(request.cookies.get(cookie_name(request)))
    response = to("/sign-in")
    response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
    return response


def _begun(request: Request, who: Caller, then: str, approver: Approver | None = None) -> Response:
    """Begin a session with a new id in place of any other, and see the page that was wanted."""
    sessions_of(request).end(request.cookies.get(cookie_name(request)))
    response = to(then)
    response.set_cookie(
        cookie_name(request),
        sessions_of(request).begin(who, approver),
        max_age=LONGEST_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def encoded(value: bytes) -> str:
    """Base64url without padding, as WebAuthn writes bytes."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of a short base64url text; none where it is no such text."""
    try:
        return base64.b64decode(text[:200] + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        return b""


def _challenges(request: Request) -> Challenges:
    found: Challenges = request.app.state.challenges
    return found


def _then(text: str | None) -> str:
    """A page of ours to see after signing in; the overview where the text names none."""
    return text if text is not None and _INSIDE.fullmatch(text) else "/"


ROUTES = (
    Route("/sign-in", ask, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-in/challenge", challenge, methods=["POST"]),
    Route("/sign-in/passkey", by_passkey, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
)
