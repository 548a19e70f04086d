"""``/live``: says that something has changed, so that pages load their content again (server-sent events);
``/session``: whose session it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from yieldbot.app.events import LONGEST_SECONDS, Events, Stream, TooManyStreams
from yieldbot.app.passkey_sign_in import registered
from yieldbot.web.answering import caller_of, service_of, session_of, sessions_of
from yieldbot.web.sessions import Session

NO_STORE = {"Cache-Control": "no-store"}
HEADERS = {**NO_STORE, "X-Accel-Buffering": "no"}
RETRY_MILLISECONDS = 5000
"""How long browsers wait before they connect again, in milliseconds."""


class Sent(StreamingResponse):
    """A response that streams events; its stream is closed however the response ends."""

    def __init__(self, events: Events, stream: Stream, body: AsyncIterator[str]) -> None:
        super().__init__(body, headers=HEADERS, media_type="text/event-stream")
        self._events, self._stream = events, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``starlette.responses.Response``."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._events.drop(self._stream)


async def live(request: Request) -> Response:
    """``hello`` at first, then ``changed`` for each event that the person may see. It ends with the session."""
    service, session, sessions = service_of(request), session_of(request), sessions_of(request)
    approver = session.approver
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type="text/event-stream")

    def alive() -> bool:
        return sessions.holds(session) and (approver is None or registered(approver, service.context))

    try:
        stream = await service.events.open(caller_of(request), None, alive=None if approver is None else alive)
    except TooManyStreams as many:
        raise HTTPException(429 if many.own else 503, str(many)) from None

    async def body() -> AsyncIterator[str]:
        yield f"retry: {RETRY_MILLISECONDS}\n\nevent: hello\ndata: \n\n"
        async for one in service.events.sent(stream, LONGEST_SECONDS):
            if not sessions.holds(session):  # a key's stream ends with the key too
                return
            if isinstance(one, str):
                yield f"event: alive\ndata: {one}\n\n"  # scripts hear no comments, and a broken line is silent
            elif one.kind != "state":
                yield f"event: changed\ndata: {one.kind}\n\n"

    return Sent(service.events, stream, body())


async def whose(request: Request) -> Response:
    """Whose session this is (null: nobody is signed in), and what its forms send back, for a page from before it."""
    session: Session | None = getattr(request.state, "session", None)
    found = {"name": session and session.caller.name, "token": session and session.token}
    return JSONResponse(found, headers=NO_STORE)


ROUTES = (Route("/live", live), Route("/session", whose, methods=["GET"]))
