"""The resources under ``/v1``."""

from __future__ import annotations

import json
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from yieldbot.api.answering import (
    caller_of,
    fields_of,
    listed,
    must_match,
    needs,
    newest,
    one_of,
    service_of,
    single,
    tagged,
    written,
)
from yieldbot.api.idempotency import once
from yieldbot.api.problems import Problem, ProblemDocument
from yieldbot.app.admission import Scope
from yieldbot.app.api_keys import seconds_of
from yieldbot.app.approver_documents import SignedPlanDocument, ToSignDocument
from yieldbot.app.collections import (
    AccountRow,
    GradeRow,
    MarketRow,
    Page,
    PositionRow,
    SignalRow,
    TransactionRow,
    entries_of,
)
from yieldbot.app.forecast_documents import MarketForecast
from yieldbot.app.halt_documents import ResumeDocument
from yieldbot.app.history_documents import JournalEvent, JournalPlan
from yieldbot.app.plan_documents import PlanDocument
from yieldbot.app.reject import RejectRequest, parsed_gain
from yieldbot.app.run_documents import RejectDocument, RunDocument
from yieldbot.errors import ConfigError

router = APIRouter()
CLOSED: dict[int | str, dict[str, Any]] = {
    409: {"model": ProblemDocument, "description": "the plan waits no more"},
    410: {"model": ProblemDocument, "description": "the plan has expired"},
}
SEEN: dict[int | str, dict[str, Any]] = {
    412: {"model": ProblemDocument, "description": "it is not what If-Match names any more"},
}
FIELDS = ("fields",)
NOT_AGAIN = "not_again_for"
MOST_NOT_AGAIN_DAYS = 90
"""As on the page. Exits are never held back."""
NOT_AGAIN_FOR = {
    "name": NOT_AGAIN,
    "in": "query",
    "schema": {"type": "string", "pattern": "^[0-9]{1,5}[hdw]$"},
    "description": f"as `12h`, `7d` or `2w`, at most {MOST_NOT_AGAIN_DAYS} days: the same steps are not proposed again "
    "for so long; exits always are",
}
UNTIL_GAIN = "until_gain"
GAIN_AGAIN = {
    "name": UNTIL_GAIN,
    "in": "query",
    "schema": {"type": "string", "pattern": "^([0-9.]+|\\+[0-9.]+%)$", "maxLength": 40},
    "description": "as `500` (tokens of the plan's asset a year) or `+50%` (more than this plan gains): the same steps "
    "are not proposed again below this gain; with a time too, whichever comes first",
}
REASON, LONGEST_REASON = "reason", 500
WHY = {
    "name": REASON,
    "in": "query",
    "schema": {"type": "string", "maxLength": LONGEST_REASON},
    "description": "why it is rejected, in one line; stored in the journal and shown with the plan",
}


class HealthDocument(BaseModel):
    """Whether the server answers, and its state."""

    status: str = Field(description="`ok`")
    read_at: int = Field(description="when chains were last read, in unix seconds; 0: never")
    failing: bool = Field(description="whether the last reading failed")
    halted: bool = Field(description="whether a halt is in force")
    signer: Literal["ok", "away"] | None = Field(
        description="whether the signer answers, which carries out what is signed; null: there is none"
    )


class HaltState(BaseModel):
    """Whether anything may be signed."""

    halted: bool = Field(description="whether a halt is in force: nothing is signed or sent")
    reason: str | None = Field(description="why and since when; null: none is in force")


class HaltBody(BaseModel):
    """Why everything is halted."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        default="",
        max_length=500,
        description="the reason, shown by everything that refuses to work because of the halt",
    )


class JobsBody(BaseModel):
    """Which jobs; null: any."""

    model_config = ConfigDict(extra="forbid")

    wallet: str | None = Field(default=None, max_length=100, description="a wallet's name")
    chain: str | None = Field(default=None, max_length=100, description="a chain's name")
    asset: str | None = Field(default=None, max_length=100, description="a token's symbol")


class WhatIfBody(BaseModel):
    """Assumptions that differ from the configuration."""

    model_config = ConfigDict(extra="forbid")

    wealth: str | None = Field(default=None, max_length=60, pattern=r"^[0-9]+(\.[0-9]+)?$", description="whole tokens")
    horizon_days: float | None = Field(default=None, gt=0, le=3650, description="days that costs must pay within")
    exclude: tuple[str, ...] = Field(default=(), max_length=50, description="markets that get nothing")
    max_share: float | None = Field(default=None, ge=0, le=1, description="largest fraction in one market")


class SignatureBody(BaseModel):
    """A person's signature."""

    model_config = ConfigDict(extra="forbid")

    approver: str = Field(min_length=1, max_length=64, description="the person's name in the register")
    signature: str = Field(
        min_length=1, max_length=20_000, description="a wallet's 0x and 65 bytes, or a passkey's assertion as JSON"
    )


class PlanBody(BaseModel):
    """What to plan."""

    model_config = ConfigDict(extra="forbid")

    jobs: JobsBody = Field(default_factory=JobsBody, description="which jobs")
    what_if: WhatIfBody = Field(default_factory=WhatIfBody, description="other assumptions")


@router.get("/health", response_model=HealthDocument)
async def health(request: Request) -> Response:
    """Whether the server runs. Needs no key and reveals nothing about accounts."""
    service = service_of(request)
    halted = service.halted() is not None
    state = HealthDocument(
        status="ok",
        read_at=service.read_at,
        failing=service.failing is not None,
        halted=halted,
        signer=None if service.signer is None else "ok" if service.signer.away is None else "away",
    )
    return Response(state.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/ready", status_code=204, response_class=Response)
async def ready(request: Request) -> Response:
    """204 while readings are recent; 503 if they are not. Needs no key."""
    why = service_of(request).ready()
    if why is not None:
        raise Problem(503, "NOT_READY", "no new reading of the chains", {"Retry-After": "30"})
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@router.get(
    "/metrics",
    dependencies=[Depends(needs(Scope.READ))],
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus, of all accounts."""
    if caller_of(request).accounts is not None:
        raise Problem(403, "NOT_ALL_ACCOUNTS", "figures are of all accounts: make a key without --account")
    await service_of(request).journalled("plans")
    made = request.app.state.metrics
    return Response(made.text(), headers={"Cache-Control": "no-store"}, media_type=made.content_type)


@router.get("/markets", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[MarketRow])
async def markets(request: Request) -> Response:
    """Every market, as seen by each job."""
    return listed(request, newest(request, "markets"), fields_of(MarketRow))


@router.get("/markets/{key}", dependencies=[Depends(needs(Scope.READ, FIELDS))], response_model=MarketRow)
async def market(request: Request, key: str) -> Response:
    """One market."""
    return single(request, one_of(request, newest(request, "markets"), key), fields_of(MarketRow))


@router.get("/markets/{key}/risk", dependencies=[Depends(needs(Scope.READ, FIELDS))], response_model=GradeRow)
async def risk(request: Request, key: str) -> Response:
    """One market's grades, with the evidence."""
    return single(request, one_of(request, newest(request, "grades"), key), fields_of(GradeRow))


@router.get("/markets/{key}/forecasts", dependencies=[Depends(needs(Scope.READ))], response_model=MarketForecast)
async def forecasts(request: Request, key: str) -> Response:
    """One market's forecasts over 1 to 30 days."""
    service = service_of(request)
    row = one_of(request, newest(request, "markets"), key)
    if (found := service.forecast_of(row["id"])) is None:
        raise Problem(404, "NO_FORECAST", "memory has too little of this market yet")
    return tagged(request, None, lambda: found)


@router.get("/grades", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[GradeRow])
async def grades(request: Request) -> Response:
    """Every market's grades, the safest first."""
    return listed(request, newest(request, "grades"), fields_of(GradeRow))


@router.get("/signals", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[SignalRow])
async def signals(request: Request) -> Response:
    """What the grades of yield advise: enter, hold or leave."""
    return listed(request, newest(request, "signals"), fields_of(SignalRow))


@router.get("/positions", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[PositionRow])
async def positions(request: Request) -> Response:
    """What we hold."""
    return listed(request, newest(request, "positions"), fields_of(PositionRow))


@router.get("/accounts", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[AccountRow])
async def accounts(request: Request) -> Response:
    """Our accounts, one for each chain."""
    return listed(request, service_of(request).accounts(), fields_of(AccountRow))


@router.get("/plans", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[JournalPlan])
async def plans(request: Request) -> Response:
    """Plans with their present status, the newest first."""
    return listed(request, await service_of(request).journalled("plans"), fields_of(JournalPlan), "id")


@router.post(
    "/plans",
    dependencies=[Depends(needs(Scope.PLAN))],
    response_model=RunDocument,
    status_code=201,
    responses={200: {"model": PlanDocument}},
)
async def make_plans(request: Request, body: PlanBody | None = None) -> Response:
    """Make plans: they are rehearsed on a fork, and wait for a person (201). With `what_if`: what would be done under
    other assumptions (200); nothing is stored. Needs the header Idempotency-Key."""
    caller, service = caller_of(request), service_of(request)
    asked = body or PlanBody()
    what_if = asked.what_if != WhatIfBody()
    wanted = asked.model_dump(exclude_none=True) | {"jobs": service.jobs_of(caller, asked.jobs.model_dump())}

    async def work() -> tuple[int, str]:
        asking = wanted | {"by": f"key {caller.name}"}
        done = await (service.plan(wanted) if what_if else service.queue(asking))
        return (200 if what_if else 201), json.dumps(done, separators=(",", ":"), allow_nan=False)

    return await once(request, wanted, work)


@router.get("/plans/{plan_id}", dependencies=[Depends(needs(Scope.READ, FIELDS))], response_model=JournalPlan)
async def plan(request: Request, plan_id: str) -> Response:
    """One plan."""
    found = await service_of(request).journalled("plans")
    return single(request, one_of(request, found, plan_id, "id"), fields_of(JournalPlan))


@router.get(
    "/plans/{plan_id}/approval",
    dependencies=[Depends(needs(Scope.READ))],
    response_model=ToSignDocument,
    responses=CLOSED,
)
async def approval(request: Request, plan_id: str) -> Response:
    """What a person signs of a plan that waits, and who has signed it."""
    one_of(request, await service_of(request).journalled("plans"), plan_id, "id")
    found = await service_of(request).to_sign(plan_id)
    return tagged(request, None, found.as_json)


@router.put(
    "/plans/{plan_id}/approval",
    dependencies=[Depends(needs(Scope.APPROVE))],
    response_model=SignedPlanDocument,
    responses=CLOSED | SEEN,
)
async def approve(request: Request, plan_id: str, body: SignatureBody) -> Response:
    """Hand in a person's signature. The key approves nothing: the signature does, and it is checked whenever it counts.
    The plan is carried out where the account's key is, by `yieldbot approve --signed`. With `If-Match`: only
    while nobody changed what the caller saw."""
    one_of(request, await service_of(request).journalled("plans"), plan_id, "id")
    await _as_seen(request, plan_id)
    done = await service_of(request).sign(plan_id, body.approver, body.signature)
    return written(done.as_json())


@router.delete(
    "/plans/{plan_id}/approval",
    dependencies=[Depends(needs(Scope.APPROVE, (NOT_AGAIN, UNTIL_GAIN, REASON)))],
    response_model=RejectDocument,
    responses=CLOSED | SEEN,
    openapi_extra={"parameters": [NOT_AGAIN_FOR, GAIN_AGAIN, WHY]},
)
async def reject(request: Request, plan_id: str) -> Response:
    """Reject a plan that waits. With `If-Match`: only while nobody changed what the caller saw."""
    seconds, reason = _not_again(request), request.query_params.get(REASON, "")
    if len(reason) > LONGEST_REASON:
        raise Problem(400, "BAD_PARAMETER", f"{REASON}: write at most {LONGEST_REASON} characters")
    one_of(request, await service_of(request).journalled("plans"), plan_id, "id")
    await _as_seen(request, plan_id)
    gain, by = request.query_params.get(UNTIL_GAIN, ""), f"key {caller_of(request).name}"
    try:
        parsed_gain(gain)
    except ConfigError as wrong:
        raise Problem(400, "BAD_PARAMETER", f"{UNTIL_GAIN}: {wrong}") from None
    asked = RejectRequest(plan_id=plan_id, reason=reason, by=by, not_again_seconds=seconds, until_gain=gain)
    done = await service_of(request).reject(asked)
    return written(done.as_json())


@router.get("/transactions", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[TransactionRow])
async def transactions(request: Request) -> Response:
    """Every transaction that was signed, the newest first."""
    return listed(request, await service_of(request).journalled("transactions"), fields_of(TransactionRow), "hash")


@router.get("/journal", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[JournalEvent])
async def journal(request: Request) -> Response:
    """The journal's entries without signed bytes, the newest first. A key of single accounts sees their entries, and
    alarms of their markets."""
    service = service_of(request)
    found = entries_of(await service.journalled("journal"), service.newest("markets"), caller_of(request))
    return listed(request, found, fields_of(JournalEvent), "seq", ())


@router.get("/halt", dependencies=[Depends(needs(Scope.READ))], response_model=HaltState)
async def halt_state(request: Request) -> Response:
    """Whether a halt is in force."""
    return tagged(request, None, lambda: _halt(request))


@router.put("/halt", dependencies=[Depends(needs(Scope.HALT))], response_model=HaltState)
async def halt(request: Request, body: HaltBody | None = None) -> Response:
    """Halt: sign and send nothing more. The reason of an earlier halt is kept."""
    done = service_of(request).halt(body.reason if body else "")
    await service_of(request).halt_signer(body.reason if body else "")
    return written({"halted": done.halted, "reason": done.reason})


@router.delete("/halt", dependencies=[Depends(needs(Scope.HALT))], response_model=ResumeDocument, responses=SEEN)
async def resume(request: Request) -> Response:
    """Lift the halt. Stopped accounts stay stopped. With `If-Match`: only while it is the halt that the caller saw, and
    none that somebody ordered since."""
    if caller_of(request).accounts is not None:
        raise Problem(403, "NOT_ALL_ACCOUNTS", "a key of single accounts can halt, and cannot lift a halt")
    must_match(request, lambda: _halt(request))
    return written(service_of(request).resume().as_json())


def _halt(request: Request) -> dict[str, Any]:
    reason = service_of(request).halted()
    return {"halted": reason is not None, "reason": reason}


def _not_again(request: Request) -> int | None:
    """Seconds for which the plan's steps are not proposed again; None: nothing is said of that. Raises Problem
    (400)."""
    if (text := request.query_params.get(NOT_AGAIN)) is None:
        return None
    try:
        seconds = seconds_of(text, NOT_AGAIN)
    except ConfigError:
        seconds = -1
    if not 0 <= seconds <= MOST_NOT_AGAIN_DAYS * 86_400:
        raise Problem(400, "BAD_PARAMETER", f"{NOT_AGAIN}: write 12h, 7d or 2w, at most {MOST_NOT_AGAIN_DAYS} days")
    return seconds


async def _as_seen(request: Request, plan_id: str) -> None:
    """Raises Problem (412) if the approval is not what If-Match names."""
    if request.headers.get("if-match") is not None:
        found = await service_of(request).to_sign(plan_id)
        must_match(request, found.as_json)
