"""What routes share: the check of the caller's scope, query parameters, rows that the caller may see, pages and
validators (ETag)."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from yieldbot.api import listing
from yieldbot.api.methods import known, template_of
from yieldbot.api.problems import Problem
from yieldbot.app.admission import Caller, Scope
from yieldbot.app.service import Collection as Rows
from yieldbot.app.service import Service, visible

MOST_KEPT = 512
"""Most answers that are cached; each belongs to one request for one reading of the chains."""
MOST_KEPT_BYTES = 16 * 2**20
"""Most bytes of all cached answers together."""


def service_of(request: Request) -> Service:
    """The service behind the routes."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """The caller of a request."""
    caller: Caller = request.state.caller
    return caller


def needs(scope: Scope, query: Collection[str] | None = ()) -> Callable[[Request], Awaitable[None]]:
    """A dependency of a route: raises Forbidden for a caller without this scope, before the body is parsed, and Problem
    (400) for a query parameter that is not understood.

    query: the query parameters that the route knows; None: it checks them itself.
    """

    async def check(request: Request) -> None:
        what = f"{known(request.method)} {template_of(request)}"
        service_of(request).admission.need(caller_of(request), scope, request.state.address, what)
        if query is not None:
            only(request, query)

    return check


def only(request: Request, known: Collection[str]) -> None:
    """Raises Problem (400) for a query parameter that is not among the known ones, or is given twice."""
    for name in request.query_params:
        if name not in known:
            words = f"known are {', '.join(known)}" if known else "this resource has none"
            raise Problem(400, "BAD_PARAMETER", f"{listing.shown(name)} is no parameter: {words}")
        if len(request.query_params.getlist(name)) > 1:
            raise Problem(400, "BAD_PARAMETER", f"{name} is given twice")


def newest(request: Request, name: str) -> Rows:
    """The newest rows. Raises Problem (503) before chains were read for the first time, so that "not read" is not taken
    for "none"."""
    found = service_of(request).newest(name)
    if not found.as_of:
        raise Problem(503, "NOT_READY", "chains are being read for the first time", {"Retry-After": "5"})
    return found


def fields_of(row: type[BaseModel]) -> tuple[str, ...]:
    """Names of a row's fields."""
    return tuple(row.model_fields)


def one_of(request: Request, found: Rows, key: str, by: str = "key") -> Any:
    """The row with this key, if the caller may see it. Raises Problem (404)."""
    row = next((row for row in visible(found.rows, caller_of(request)) if row[by] == key), None)
    if row is None:
        raise missing()
    return row


def missing() -> Problem:
    """There is no such resource, or the caller may not know of it: both look alike."""
    return Problem(404, "NOT_FOUND", "there is no such resource, or it is not yours to see")


def single(request: Request, row: Mapping[str, Any], known: Sequence[str]) -> Response:
    """A single row, or only the fields of it that ``fields`` names. Raises Problem for a field that it does not
    have."""
    wanted = listing.fields(request.query_params.get("fields"), known)
    return tagged(request, None, lambda: {name: row[name] for name in wanted or row})


def listed(
    request: Request, found: Rows, known: tuple[str, ...], key: str = "key", own: Collection[str] | None = None
) -> Response:
    """A page of a collection with its validator (ETag).

    own: query parameters of the route that are not filters; given where the rows belong to no account and the route has
    checked that the caller may see all of them. None: only rows of accounts that the caller may see. Raises Problem for
    parameters that are not understood.
    """
    caller = caller_of(request)
    parameters = [one for one in request.query_params.multi_items() if one[0] not in (own or ())]
    asked = listing.wanted(parameters, known)
    question = (found.version, caller.accounts, request.url.path, str(request.url.query), found.as_of)

    def body() -> Mapping[str, Any]:
        rows = visible(found.rows, caller) if own is None else found.rows
        items, cursor, total = listing.page_of(found, rows, asked, key)
        return {"items": items, "next": cursor, "total": total, "as_of": found.as_of, "unread": list(found.unread)}

    return tagged(request, question, body)


def tagged(request: Request, question: Any, body: Callable[[], Any]) -> Response:
    """A document with its validator (ETag), or 304 if the caller has it already. question: the key under which the
    answer is cached, so that it is computed once for equal requests; None: it is not cached."""
    return answered(request, *kept(request, question, body))


def kept(request: Request, question: Any, body: Callable[[], Any]) -> tuple[bytes, str]:
    """(a document as JSON, its validator), from the cache if the same ``question`` was answered before, else computed
    now."""
    known: OrderedDict[Any, tuple[bytes, str]] = request.app.state.kept
    if question is None or (answer := known.get(question)) is None:
        raw = _raw(body())
        answer = (raw, listing.etag(raw))
        if question is not None:
            known[question] = answer
            while len(known) > MOST_KEPT or sum(len(one) for one, _ in known.values()) > MOST_KEPT_BYTES:
                known.popitem(last=False)
    return answer


def answered(
    request: Request,
    raw: bytes,
    tag: str | None = None,
    media: str = "application/json",
    more: Mapping[str, str] | None = None,
) -> Response:
    """A body with its validator, or 304 without a body if the caller has it already."""
    tag = tag or listing.etag(raw)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"} | dict(more or {})
    if listing.matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(raw, headers=headers, media_type=media)


def must_match(request: Request, current: Callable[[], Any]) -> None:
    """Raises Problem (412) where the header If-Match names another state than the present one: somebody changed it
    after the caller read it. current: the document that a GET answers."""
    named = request.headers.get("if-match")
    if named is None:
        return
    if not listing.matches(named, listing.etag(_raw(current()))):
        raise Problem(412, "CHANGED", "it is not what you saw any more: read it again, and decide anew")


def written(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that changes something; its headers forbid caches to store it."""
    return Response(_raw(document), status, {"Cache-Control": "no-store"} | dict(headers or {}), "application/json")


def _raw(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
