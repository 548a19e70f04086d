"""``/v1/events``: changes of state as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from yieldbot.api.answering import caller_of, needs, service_of
from yieldbot.api.listing import shown
from yieldbot.api.problems import Problem
from yieldbot.app.admission import Scope
from yieldbot.app.event_documents import KINDS, Event
from yieldbot.app.events import LONGEST_SECONDS, Events, Stream, TooManyStreams

router = APIRouter()
MEDIA = "text/event-stream"
RETRY_MILLISECONDS = 3000
"""How long clients wait before they connect again, in milliseconds."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Sent(StreamingResponse):
    """A response that streams events; its stream is closed however the response ends."""

    def __init__(self, events: Events, stream: Stream, body: AsyncIterator[str]) -> None:
        super().__init__(body, headers=HEADERS, media_type=MEDIA)
        self._events, self._stream = events, stream

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """See ``starlette.responses.Response``."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.drop(self._stream)


@router.get(
    "/events",
    dependencies=[Depends(needs(Scope.READ, ("kinds", "wait")))],
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "events: lines `id`, `event` (the kind) and `data` (an Event as JSON), then an empty line",
            "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/SentEvent"}}},
        }
    },
)
async def events(request: Request) -> Response:
    """A stream of server-sent events. The first, `state`, is the present state. With the header `Last-Event-ID` the
    events since then come next, or `reset` if there are too many of them. A stream lasts at most an hour."""
    service, caller = service_of(request), caller_of(request)
    kinds, seconds, last_id = _kinds(request), _seconds(request), _last_id(request)
    if getattr(request.state, "bare", False):  # HEAD
        return Response(headers=HEADERS, media_type=MEDIA)
    try:
        stream = await service.events.open(caller, last_id, kinds)
    except TooManyStreams as many:
        status = 429 if many.own else 503
        service.admission.note(caller.name, request.state.address, "GET /v1/events", f"{status} streams")
        code = "TOO_MANY_STREAMS"
        raise Problem(status, code, str(many), {"Retry-After": "30"}) from None

    async def body() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        async for one in service.events.sent(stream, seconds):
            yield f": {one}\n\n" if isinstance(one, str) else _framed(one)

    return Sent(service.events, stream, body())


def _framed(event: Event) -> str:
    named = "" if event.id is None else f"id: {event.id}\n"
    return f"{named}event: {event.kind}\ndata: {event.model_dump_json(exclude_none=True)}\n\n"


def _kinds(request: Request) -> frozenset[str]:
    """The kinds of events that the caller requests; empty: all. Raises Problem (400) for an unknown kind."""
    found = frozenset(one.strip() for one in request.query_params.get("kinds", "").split(",") if one.strip())
    for name in sorted(found):
        if name not in KINDS:
            raise Problem(400, "BAD_PARAMETER", f"{shown(name)} is no kind of event: known are {', '.join(KINDS)}")
    return found


def _seconds(request: Request) -> float:
    """The requested duration of the stream, in seconds. Raises Problem (400)."""
    text = request.query_params.get("wait", str(LONGEST_SECONDS))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and int(text) <= LONGEST_SECONDS):
        raise Problem(400, "BAD_PARAMETER", f"wait={shown(text)}: write seconds from 0 to {LONGEST_SECONDS}")
    return float(text)


def _last_id(request: Request) -> int | None:
    """The number of the last event that the caller has received; None: none. Raises Problem (400)."""
    text: Any = request.headers.get("last-event-id", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Problem(400, "BAD_EVENT_ID", f"Last-Event-ID: {shown(text)} is none of ours: leave the header out")
    return int(text)
