"""What all pages share: templates, security headers, the person who asks, and forms that only our pages can send."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from yieldbot.app.admission import Caller, Scope
from yieldbot.app.passkey_sign_in import registered
from yieldbot.app.proposal_decisions import Decider
from yieldbot.app.service import Service
from yieldbot.web import navigation
from yieldbot.web.assets import assets
from yieldbot.web.rendering import templates
from yieldbot.web.sessions import Session, Sessions, same

MOST_FORM = 64 * 1024
"""Most bytes of a form."""
MOST_FIELDS = 50
LEAST_PACKED = 1_000
"""Fewest bytes that are worth compressing."""
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content-Security-Policy of every page: nothing is loaded from elsewhere, and nothing written into a page runs."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send forms with `Origin: null` (Fetch, 3.2)
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def cookie_name(request: Request) -> str:
    """The session's cookie: with TLS one that no other host and no plain HTTP can set (prefix ``__Host-``)."""
    return "__Host-yieldbot" if request.url.scheme == "https" else "yieldbot"


def service_of(request: Request) -> Service:
    """The service behind the pages."""
    service: Service = request.app.state.service
    return service


def sessions_of(request: Request) -> Sessions:
    """The sessions of this server."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def session_of(request: Request) -> Session:
    """The session of the person who asks. Every route but those to sign in has one."""
    session: Session = request.state.session
    return session


def valid(session: Session, service: Service) -> bool:
    """Whether the key behind a session is valid, or the person is in the register of approvers."""
    if session.approver is None:
        return bool(service.admission.living([session.caller.prefix]))
    return registered(session.approver, service.context)


def caller_of(request: Request) -> Caller:
    """The person who asks, with their rights."""
    return session_of(request).caller


def decider_of(request: Request) -> Decider:
    """The person who asks, as somebody who decides what takes a person of the register of approvers."""
    session = session_of(request)
    person = session.approver
    name = f"key {session.caller.name}" if person is None else person.name
    return Decider(session.caller, name, person is not None, request.state.address)


def need(request: Request, scope: Scope) -> None:
    """Raises Forbidden, and adds a line to the audit, where the person lacks this scope."""
    address, what = request.state.address, f"{request.method} {request.scope['route'].path}"
    service_of(request).admission.need(caller_of(request), scope, address, what)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page. values: the template's names."""
    session: Session | None = getattr(request.state, "session", None)
    common = {
        "asset": lambda name: assets()[name].address,
        "links": navigation.links(request) if session else (),
        "session": session,
        "token": session.token if session else "",
        "can": lambda scope: session is not None and Scope(scope) in session.caller.scopes,
        "halted": service_of(request).halted() if session else None,
        "read_at": service_of(request).read_at,
    }
    body = templates().get_template(template).render(common | values)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding, HX-Request"}
    return HTMLResponse(packed(request, body.encode(), headers), status, headers)


def packed(request: Request, body: bytes, headers: dict[str, str]) -> bytes:
    """The body, compressed where the browser takes that; headers: gets what browsers must then know."""
    if len(body) < LEAST_PACKED or "gzip" not in request.headers.get("accept-encoding", ""):
        return body
    headers["Content-Encoding"] = "gzip"
    return gzip.compress(body, 5, mtime=0)


def partial(request: Request) -> bool:
    """Whether htmx asks for a part of a page, not for a page that a person goes back to."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"


def failed(request: Request, status: int, words: str) -> Response:
    """A page with an error's one line."""
    return page(request, "error.html", status, title=HTTPStatus(status).phrase, words=words)


def to(path: str) -> Response:
    """See another page of ours (303). path: begins with one slash."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form that one of our own pages sent in this session.

    Raises HTTPException: 403 from another origin or without the session's token, 413, 415, 400.
    """
    fields = await fields_of(request)
    if not same(fields.get("token", ""), session_of(request).token):
        raise HTTPException(403, "this form is from another session: load the page again")
    return fields


async def fields_of(request: Request) -> Mapping[str, str]:
    """The fields of a form, whose sender has been checked by its origin alone. Raises HTTPException as ``form_of``."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "this is no form")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_FORM:
            raise HTTPException(413, "this form is too large")
    try:
        found = parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400, "this form cannot be read") from None
    if len(dict(found)) != len(found):
        raise HTTPException(400, "a field is given twice")
    return dict(found)


def ours(request: Request) -> bool:
    """Whether a request that may change something comes from a page of ours: browsers name the origin of every form and
    of every request of a script (Fetch, 3.2), and whether it is the same site (Fetch Metadata)."""
    if (site := request.headers.get("sec-fetch-site")) is not None and site != "same-origin":
        return False
    return request.headers.get("origin") == f"{request.url.scheme}://{request.url.netloc}"
