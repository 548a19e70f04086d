"""The assistant's pane: questions of the person, answers as they come, and the conversation of this session.

What a model wrote is text of a stranger here: it is written escaped, as paragraphs, with no markup or link of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from yieldbot.app.admission import Caller, Scope
from yieldbot.app.asking import Ended, Event, Looking, Piece, Turn, Withdrawn, why_off
from yieldbot.app.service import visible
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.text import one_line, printable
from yieldbot.web.answering import caller_of, form_of, need, page, service_of, session_of, sessions_of, to, valid
from yieldbot.web.figures import address

if TYPE_CHECKING:
    from yieldbot.app.answer_documents import AnswerDocument, FigurePart, SourcePart
    from yieldbot.web.sessions import Session

MOST_TURNS = 10
"""Most questions of a conversation that are kept; beyond them the oldest is forgotten."""
AT_ONCE = 4
"""Most answers that are being made at a time, of all sessions together."""
LONGEST_QUESTION = 2_000
EXAMPLES = (
    "What do we hold, and what does it earn?",
    "Why was the last plan made?",
    "Which market pays most among those graded A?",
    "How fast could we leave every market?",
)
LISTS = {
    "list_markets": ("/markets", "Markets"),
    "list_positions": ("/positions", "Positions"),
    "list_plans": ("/plans", "Plans"),
    "list_transactions": ("/transactions", "Transactions"),
}
"""Tools, and the page that shows what each reads."""
_PLAN = re.compile(r"[0-9a-f]{64}")
STREAM = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a paragraph."""

    text: str
    """The text."""
    source: str
    """The source of the number with which the text ends, as S2; empty: it ends with none."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A source below an answer."""

    source: SourcePart
    """The source."""
    name: str
    """Its name as one line."""
    figures: tuple[FigurePart, ...]
    """The answer's numbers that it has."""
    page: tuple[str, str] | None
    """Address and name of our page that shows the same; None: none does."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer on the page."""

    document: AnswerDocument
    """The answer's document."""
    paragraphs: tuple[tuple[Mark, ...], ...]
    """The answer, with a mark behind each number."""
    sources: tuple[Shown, ...]
    """The sources of its numbers."""
    others: int
    """How many sources have none of its numbers."""


async def show(request: Request) -> Response:
    """The conversation, and the form for the next question."""
    need(request, Scope.READ)
    return _page(request)


async def ask(request: Request) -> Response:
    """Answer a question: as events for a script of ours, else as the page with the answer."""
    need(request, Scope.READ)
    fields = await form_of(request)
    session, question = session_of(request), fields.get("question", "").strip()
    if why_off(service_of(request).assistant) is not None:
        return _page(request, 503)
    if not question or len(question) > LONGEST_QUESTION:
        words = f"a question of at most {LONGEST_QUESTION} characters" if question else "write a question first"
        return _page(request, 422, words, question[:LONGEST_QUESTION])
    taken: set[int] = request.app.state.asking
    if id(session) in taken or len(taken) >= AT_ONCE:
        whose = "the answer before" if id(session) in taken else "others' answers"
        return _page(request, 429, f"{whose} is not complete yet: ask again then", question)
    place = _Place(taken, id(session))
    events = _events(request, question, place)
    if STREAM in request.headers.get("accept", ""):
        return _Sent(events, place)
    async with aclosing(events):
        async for _ in events:
            pass
    return to("/ask#latest")


async def forget(request: Request) -> Response:
    """Begin a new conversation: the one before is forgotten."""
    await form_of(request)
    session_of(request).turns.clear()
    return to("/ask")


class _Place:
    """A place among the answers that are being made, until it is left."""

    def __init__(self, taken: set[int], session: int) -> None:
        self._taken, self._session = taken, session
        taken.add(session)
        self._left = False

    def leave(self) -> None:
        """Leave it, once."""
        if not self._left:
            self._taken.discard(self._session)
        self._left = True


class _Sent(StreamingResponse):
    """Events of one answer; the question ends with the connection."""

    def __init__(self, events: AsyncGenerator[str, None], place: _Place) -> None:
        super().__init__(events, headers=HEADERS, media_type=STREAM)
        self._events, self._place = events, place

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """See ``starlette.responses.Response``."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            self._place.leave()  # the events were perhaps never asked for


async def _events(request: Request, question: str, place: _Place) -> AsyncGenerator[str, None]:
    """The events of an answer as they are sent; the answer becomes a part of the conversation. It ends with the
    session."""
    service, session = service_of(request), session_of(request)
    assert service.assistant is not None
    turns = [Turn(one.question, one.answer) for one in session.turns if one.answer]
    answer = service.assistant.ask(question, _rights(caller_of(request)), turns)
    try:
        async for event in answer:
            if not (sessions_of(request).holds(session) and valid(session, service)):
                return
            if isinstance(event, Ended):
                session.turns.append(event.document)
                del session.turns[:-MOST_TURNS]
            yield _sent(event)
    finally:
        place.leave()
        if (close := getattr(answer, "aclose", None)) is not None:
            await close()


def _sent(event: Event) -> str:
    match event:
        case Looking():
            kind, text = "looking", event.tool.replace("_", " ")
        case Piece():
            kind, text = "piece", event.text
        case Withdrawn():
            kind, text = "withdrawn", event.reason
        case Ended():
            kind, text = "ended", event.document.status
    return f"event: {kind}\ndata: {json.dumps(printable(text))}\n\n"


def _rights(caller: Caller) -> Caller:
    """The person, with no more than the scopes ``read`` and ``plan``."""
    return replace(caller, scopes=caller.scopes & {Scope.READ, Scope.PLAN})


def _page(request: Request, status: int = 200, why: str | None = None, question: str = "") -> Response:
    session: Session = session_of(request)
    markets = visible(service_of(request).newest("markets").rows, caller_of(request))
    keys = frozenset(str(row["key"]) for row in markets)
    return page(
        request,
        "ask.html",
        status,
        title="Ask",
        off=why_off(service_of(request).assistant),
        why=why,
        question=question,
        longest=LONGEST_QUESTION,
        examples=EXAMPLES,
        turns=[exchange(one, keys) for one in session.turns],
    )


def exchange(document: AnswerDocument, keys: frozenset[str]) -> Exchange:
    """An answer as the page shows it. keys: of the markets that the person may see, which alone are linked."""
    used = {one.source for one in document.figures}
    sources = [
        Shown(
            one,
            one_line(one.name, 200),
            tuple(dict.fromkeys(figure for figure in document.figures if figure.source == one.source)),
            page_of(one, keys),
        )
        for one in document.sources
        if one.source in used
    ]
    return Exchange(
        document,
        paragraphs(printable(document.answer or ""), document.figures),
        tuple(sources),
        len(document.sources) - len(sources),
    )


def paragraphs(answer: str, figures: Sequence[FigurePart]) -> tuple[tuple[Mark, ...], ...]:
    """The paragraphs of an answer; each number that is found again in it ends a part."""
    marks, at = list[tuple[int, str]](), 0
    for figure in figures:
        text = printable(figure.text).rstrip()
        found = re.compile(rf"(?<![\d.,]){re.escape(text)}(?!\d)").search(answer, at) if text else None
        if found is not None:
            at = found.end()
            marks.append((at, figure.source))
    made, begin = list[tuple[Mark, ...]](), 0
    for line in answer.split("\n"):
        end, parts, at = begin + len(line), list[Mark](), begin
        for place, source in marks:
            if begin < place <= end:
                parts.append(Mark(answer[at:place], source))
                at = place
        if at < end:
            parts.append(Mark(answer[at:end], ""))
        if line.strip():
            made.append(tuple(parts))
        begin = end + 1
    return tuple(made)


def page_of(source: SourcePart, keys: frozenset[str]) -> tuple[str, str] | None:
    """The page that shows what a source says. Its arguments are a model's: a market is linked where it is
    among ``keys``, a plan by nothing but an id, whose page shows it to whoever may see it."""
    if source.kind != "tool":
        return None
    tool, _, given = source.name.partition(" ")
    if tool in LISTS:
        return LISTS[tool]
    try:
        found = loads(given)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    key, plan = found.get("key"), found.get("plan_id")
    if isinstance(key, str) and key in keys:
        return address("markets", key), "Market"
    return (address("plans", plan), "Plan") if isinstance(plan, str) and _PLAN.fullmatch(plan) else None


ROUTES = (
    Route("/ask", show, methods=["GET"]),
    Route("/ask", ask, methods=["POST"]),
    Route("/ask/forget", forget, methods=["POST"]),
)
