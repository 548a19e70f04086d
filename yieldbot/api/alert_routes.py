"""Alerts under ``/v1``: a measure of a market, token or wallet that passes a threshold."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from yieldbot.api.answering import caller_of, fields_of, listed, needs, newest, one_of, single
from yieldbot.api.idempotency import once
from yieldbot.api.problems import Problem
from yieldbot.app import alerts as use
from yieldbot.app.admission import Scope
from yieldbot.app.alert_documents import AlertDocument, AlertRow, RemovedAlertDocument
from yieldbot.app.alert_names import Known
from yieldbot.app.alert_store import FILE
from yieldbot.app.collections import Page
from yieldbot.app.service import Collection, Service, visible
from yieldbot.model.alerts import OF_MARKETS

router = APIRouter()
Threshold = Field(default=None, max_length=40, description="as `5%`, `50bp`, `0.995`, `60`")


class AlertBody(BaseModel):
    """An alert to make."""

    model_config = ConfigDict(extra="forbid")

    measure: Literal["rate", "price", "depeg", "utilisation", "grade", "wealth"] = Field(description="what it measures")
    subject: str = Field(min_length=1, max_length=200, description="a market's name, a token's symbol, a wallet's name")
    above: str | None = Threshold
    below: str | None = Threshold
    hysteresis: str | None = Field(
        default=None, max_length=40, description="how far the value must return behind the threshold before it ends"
    )
    chain: str | None = Field(
        default=None, max_length=100, description="only subjects on the chain of this name; null: on every chain"
    )
    asset: str | None = Field(
        default=None,
        max_length=100,
        description="for wealth: the asset that it is counted in; null: all, in US dollars",
    )
    severity: Literal["info", "warning", "critical"] = Field(default="warning", description="severity of its findings")


def _all(request: Request) -> Collection:
    """Every alert. Raises ConfigError for a file that cannot be read."""
    service: Service = request.app.state.service
    file = service.context.settings.data_dir / FILE
    try:
        stamp = file.stat()
        version, at = f"alerts-{stamp.st_mtime_ns}-{stamp.st_ino}", int(stamp.st_mtime)
    except OSError:
        version, at = "alerts-0", 0
    rows = use.list_(service.context).alerts
    return Collection(tuple(row.model_dump(mode="json") for row in rows), version, at)


@router.get("/alerts", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[AlertRow])
async def alerts(request: Request) -> Response:
    """Alerts with their state and the last values."""
    return listed(request, await asyncio.to_thread(_all, request), fields_of(AlertRow), "id")


@router.post("/alerts", dependencies=[Depends(needs(Scope.PLAN))], response_model=AlertDocument, status_code=201)
async def make_alert(request: Request, body: AlertBody) -> Response:
    """Make an alert, measured at each reading from now on. A key with accounts makes alerts of these alone. Needs the
    header Idempotency-Key."""
    caller, service = caller_of(request), request.app.state.service
    asked = body.model_dump()
    wanted = use.NewAlertRequest(**asked, accounts=caller.accounts, made_by=f"key {caller.name}")
    read = newest(request, "markets") if wanted.measure in OF_MARKETS else None
    known = None if read is None else Known(visible(read.rows, caller), read.unread)

    async def work() -> tuple[int, str]:
        made = await asyncio.to_thread(use.add, wanted, service.context, known)
        return 201, json.dumps(made.as_json(), separators=(",", ":"), allow_nan=False)

    return await once(request, asked, work)


@router.get("/alerts/{alert_id}", dependencies=[Depends(needs(Scope.READ, ("fields",)))], response_model=AlertRow)
async def alert(request: Request, alert_id: str) -> Response:
    """One alert."""
    found = await asyncio.to_thread(_all, request)
    return single(request, one_of(request, found, alert_id, "id"), fields_of(AlertRow))


@router.delete("/alerts/{alert_id}", dependencies=[Depends(needs(Scope.PLAN))], response_model=RemovedAlertDocument)
async def remove_alert(request: Request, alert_id: str) -> Response:
    """Remove an alert that this key made. With the header Idempotency-Key the same request again gets the same
    answer."""
    caller, service = caller_of(request), request.app.state.service

    async def work() -> tuple[int, str]:
        one_of(request, await asyncio.to_thread(_all, request), alert_id, "id")
        try:
            done = await asyncio.to_thread(use.remove, alert_id, service.context, by=f"key {caller.name}")
        except use.UnknownAlert:  # somebody removed it in between
            raise Problem(404, "NOT_FOUND", "there is no such alert") from None
        except use.NotTheirs as refused:
            raise Problem(403, "NOT_YOURS", str(refused)) from None
        return 200, json.dumps(done.as_json(), separators=(",", ":"))

    if "idempotency-key" in request.headers:
        return await once(request, {}, work)
    status, text = await work()
    return Response(text, status, {"Cache-Control": "no-store"}, "application/json")
