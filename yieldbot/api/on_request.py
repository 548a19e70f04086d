"""Routes whose answers are computed at each request: a market's stored history, quotes, exports."""

from __future__ import annotations

import json

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from yieldbot.api.answering import (
    answered,
    caller_of,
    fields_of,
    kept,
    listed,
    missing,
    needs,
    newest,
    one_of,
    service_of,
)
from yieldbot.api.idempotency import once
from yieldbot.api.listing import shown
from yieldbot.api.problems import Problem, ProblemDocument
from yieldbot.app.admission import Scope
from yieldbot.app.collections import Page
from yieldbot.app.export import FORMATS
from yieldbot.app.export_documents import ExportDocument
from yieldbot.app.memory_documents import SeenThen
from yieldbot.app.quote_documents import QuoteDocument
from yieldbot.app.remembered import duration
from yieldbot.errors import ConfigError

router = APIRouter()
MOST_DAYS = 3650
MOST_ROWS = 2000
"""Most rows of one history, on all its pages."""
WINDOW = ("days", "step")
JOBS = ("wallet", "chain", "asset")
MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "rotki": "text/csv; charset=utf-8",
    "rotki-trades": "text/csv; charset=utf-8",
    "beancount": "text/plain; charset=utf-8",
}
"""Media types of exports, by their kind."""
AMOUNT = r"^[0-9]+(\.[0-9]+)?$"


class QuoteBody(BaseModel):
    """A swap to quote: either `amount` or `out`."""

    model_config = ConfigDict(extra="forbid")

    given: str = Field(min_length=1, max_length=60, description="symbol of the token that goes in")
    wanted: str = Field(min_length=1, max_length=60, description="symbol of the token that comes out")
    amount: str | None = Field(default=None, max_length=60, pattern=AMOUNT, description="whole tokens that go in")
    out: str | None = Field(default=None, max_length=60, pattern=AMOUNT, description="whole tokens that come out")
    chain: str | None = Field(default=None, max_length=60, description="a chain's name; null: the one that has jobs")

    @model_validator(mode="after")
    def _one(self) -> QuoteBody:
        if (self.amount is None) == (self.out is None):
            raise ValueError("name either amount, what goes in, or out, what comes out")
        return self


@router.get("/markets/{key}/history", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[SeenThen])
async def stored_history(request: Request, key: str) -> Response:
    """One market's stored history, the oldest first: a row for each step of the last days."""
    row = one_of(request, newest(request, "markets"), key)
    days, step = _window(request)
    try:
        found = await service_of(request).remembered_rows(row["id"], row["chain_id"], days, step)
    except ConfigError:
        raise Problem(404, "NO_HISTORY", "memory has nothing of this market yet") from None
    return listed(request, found, fields_of(SeenThen), "time", WINDOW)


@router.post("/quotes", dependencies=[Depends(needs(Scope.READ))], response_model=QuoteDocument)
async def quote(request: Request, body: QuoteBody) -> Response:
    """What a swap would bring now over the pools of one chain, as their state is. Nothing is sent. Needs the header
    Idempotency-Key."""
    service = service_of(request)
    wanted = body.model_dump() | {"chain": service.chain_of(caller_of(request), body.chain)}

    async def work() -> tuple[int, str]:
        return 200, json.dumps(await service.quote(wanted), separators=(",", ":"), allow_nan=False)

    return await once(request, wanted, work)


@router.get(
    "/exports/{kind}",
    dependencies=[Depends(needs(Scope.READ, (*JOBS, "from", "to", "offline")))],
    response_model=ExportDocument,
    responses={
        200: {
            "description": "the file; with `Accept: application/json` its document",
            "content": {"text/csv": {}, "text/plain": {}},
        },
        404: {"model": ProblemDocument, "description": "there is no such kind"},
    },
)
async def exported(request: Request, kind: str) -> Response:
    """Every transaction of our accounts with its value, as `csv`, `rotki`, `rotki-trades` or `beancount`. The chains
    are asked for transfers and balances, which takes a while; with `offline=true` the journal alone is."""
    if kind not in FORMATS:
        raise missing()
    service, query = service_of(request), request.query_params
    offline = query.get("offline", "false")
    if offline not in ("true", "false"):
        raise Problem(400, "BAD_PARAMETER", f"offline={shown(offline)}: write true or false")
    jobs = service.jobs_of(caller_of(request), {name: query.get(name) for name in JOBS})
    asked = {
        "jobs": jobs,
        "format": kind,
        "from": query.get("from"),
        "to": query.get("to"),
        "offline": offline == "true",
    }
    question = ("export", service.moment(), json.dumps(asked, sort_keys=True))
    document = request.app.state.exports.get(question)
    if document is None:
        document = await service.export(asked)
        request.app.state.exports = {question: document}  # only the last export is kept, since it may be long
    if _wants_json(request):
        return answered(request, *kept(request, None, lambda: document), more={"Vary": "Authorization, Accept"})
    if document["exit_code"]:
        words = "; ".join(document["notes"][:3]) or "a chain could not be asked"
        raise Problem(503, "CHAIN_UNREACHABLE", f"{words}: try again, or with offline=true", {"Retry-After": "60"})
    raw = document["content"].encode()
    ending = "beancount" if kind == "beancount" else "csv"
    more = {"Vary": "Authorization, Accept", "Content-Disposition": f'attachment; filename="yieldbot-{kind}.{ending}"'}
    return answered(request, raw, media=MEDIA[kind], more=more)


def _window(request: Request) -> tuple[int, int]:
    """(days, seconds of a step) of a history. Raises Problem (400)."""
    values = {name: request.query_params.getlist(name) for name in WINDOW}
    for name, found in values.items():
        if len(found) > 1:
            raise Problem(400, "BAD_PARAMETER", f"{name} is given twice")
    days = (values["days"] or ["30"])[0]
    if not (days.isascii() and days.isdigit() and len(days) < 5 and 1 <= int(days) <= MOST_DAYS):
        raise Problem(400, "BAD_PARAMETER", f"days={shown(days)}: write a number from 1 to {MOST_DAYS}")
    text = (values["step"] or ["1d"])[0]
    try:
        step = duration(text)
    except ConfigError as bad:
        raise Problem(400, "BAD_PARAMETER", f"step={shown(text)}: write 10m, 6h, 1d or 1w") from bad
    assert step is not None
    if (rows := int(days) * 86_400 // step) > MOST_ROWS:
        raise Problem(
            400, "BAD_PARAMETER", f"{days} days by {text} are {rows} rows, at most {MOST_ROWS}: take a longer step"
        )
    return int(days), step


def _wants_json(request: Request) -> bool:
    named = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return named == "application/json"
