"""Alerts: measures that pass a threshold of the user's. They are listed, made and removed by the use cases of REST."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import alerts as use
from yieldbot.app.admission import Scope
from yieldbot.app.alert_names import Known
from yieldbot.app.service import visible
from yieldbot.errors import ConfigError
from yieldbot.model.alerts import OF_MARKETS, Measure
from yieldbot.web.answering import caller_of, form_of, need, page, service_of, session_of, to

SIDES = ("above", "below")
SEVERITIES = ("info", "warning", "critical")


async def alerts(request: Request) -> Response:
    """Every alert that the person may see, those that stand first."""
    return await _page(request)


async def make(request: Request) -> Response:
    """Make an alert of what the form says."""
    need(request, Scope.PLAN)
    fields = await form_of(request)
    service, caller = service_of(request), caller_of(request)
    side = fields.get("side", "")
    given = {name: fields.get(name, "").strip() or None for name in ("hysteresis", "chain", "asset")}
    wanted = use.NewAlertRequest(
        measure=fields.get("measure", ""),
        subject=fields.get("subject", "").strip()[:200],
        above=fields.get("threshold", "").strip()[:40] if side == "above" else None,
        below=fields.get("threshold", "").strip()[:40] if side == "below" else None,
        severity=fields.get("severity", "warning"),
        accounts=caller.accounts,
        made_by=_by(request),
        **given,
    )
    markets = service.newest("markets")
    known = Known(visible(markets.rows, caller), markets.unread) if wanted.measure in OF_MARKETS else None
    try:
        await asyncio.to_thread(use.add, wanted, service.context, known)
    except ConfigError as wrong:
        return await _page(request, 422, service.shown(str(wrong)), fields)
    await _note(request, "201")
    return to("/alerts")


async def remove(request: Request) -> Response:
    """Remove an alert that this person made."""
    need(request, Scope.PLAN)
    await form_of(request)
    service, alert_id = service_of(request), request.path_params["alert_id"]
    if all(row["id"] != alert_id for row in _rows(request)):
        raise HTTPException(404, "there is no such alert, or it is not yours to see")
    try:
        await asyncio.to_thread(use.remove, alert_id, service.context, by=_by(request))
    except use.UnknownAlert:  # somebody removed it in between
        return to("/alerts")
    except use.NotTheirs as refused:
        return await _page(request, 403, str(refused))
    await _note(request, "200")
    return to("/alerts")


async def _page(request: Request, status: int = 200, why: str | None = None, fields: Any = None) -> Response:
    service = service_of(request)
    markets = visible(service.newest("markets").rows, caller_of(request))
    rows = await asyncio.to_thread(_rows, request)
    return page(
        request,
        "alerts.html",
        status,
        title="Alerts",
        alerts=sorted(rows, key=lambda row: (not row["stands"], -row["made_at"])),
        measures=[one.value for one in Measure],
        sides=SIDES,
        severities=SEVERITIES,
        names=sorted({row["name"] for row in markets} | {row["asset"] for row in markets}),
        by=_by(request),
        why=why,
        fields=fields or {},
    )


def _rows(request: Request) -> list[dict[str, Any]]:
    found = use.list_(service_of(request).context, caller_of(request).accounts).alerts
    return [row.model_dump(mode="json") for row in found]


def _by(request: Request) -> str:
    """Who makes an alert here: the same name as over REST, so that the same key may remove it there."""
    session = session_of(request)
    return f"key {session.caller.name}" if session.approver is None else session.approver.name


async def _note(request: Request, status: str) -> None:
    service, what = service_of(request), f"{request.method} {request.scope['route'].path}"
    service.admission.note(caller_of(request).name, request.state.address, what, status)
    await service.write_audit()


ROUTES = (
    Route("/alerts", alerts, methods=["GET"]),
    Route("/alerts", make, methods=["POST"]),
    Route("/alerts/{alert_id}/remove", remove, methods=["POST"]),
)
