"""The page of one market: its past and what is expected, its curve, its risk with the evidence, and who controls it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import Service, visible
from yieldbot.app.watched import watched
from yieldbot.errors import ConfigError
from yieldbot.web import orders
from yieldbot.web.answering import caller_of, page, service_of
from yieldbot.web.charts import Chart, Line, Mark
from yieldbot.web.expected import expected_of, horizon_days
from yieldbot.web.figures import compounded, grown
from yieldbot.web.listing import text_of

Row = Mapping[str, Any]
DAY = 86_400
SPANS = {"7": 7, "30": 30, "90": 90, "365": 365}
"""Days of the past that the page can show."""
MOST_POINTS = 180
"""Most points of a line over the past."""
MOST_EVENTS = 20
"""Most alarms of the past that are listed."""


async def market(request: Request) -> Response:
    """One market, as seen by the first of our jobs there."""
    service, caller = service_of(request), caller_of(request)
    key = request.path_params["key"]
    row = next((one for one in visible(service.newest("markets").rows, caller) if one["key"] == key), None)
    if row is None:
        raise HTTPException(404, "there is no such market, or it is not yours to see")
    span = text_of(request, "days") if text_of(request, "days") in SPANS else "30"
    past, why = await _past(service, row, SPANS[span])
    forecast = service.forecast_of(row["id"])
    curve = _same(service, "curves", row)
    ordered = await orders.standing(request)
    return page(
        request,
        "market.html",
        title=row["name"],
        one=row,
        key=key,
        span=span,
        spans=SPANS,
        past=past,
        why_no_past=why,
        forecast=forecast,
        rates=_rates(past, forecast),
        used=_line(past, "utilisation", "Borrowed over supplied", "percent", row["asset"]),
        cash=_line(past, "cash", "Cash", "amount", row["asset"]),
        curve=curve,
        yields=_yields(curve, row),
        expected=expected_of(curve),
        horizon=horizon_days(service),
        grade=_same(service, "grades", row),
        position=_same(service, "positions", row),
        look=await asyncio.to_thread(_look, service, row),
        events=await _events(service, row),
        orders=[
            one
            for one in ordered["orders"]
            if (one["chain_id"], one["owner"], one["market_id"]) == (row["chain_id"], row["owner"], row["id"])
        ],
        may_not_lift=ordered["may_not_lift"],
    )


def _same(service: Service, name: str, row: Row) -> Row | None:
    """The row of another kind about the same market and account."""
    wanted = row["id"], row["chain_id"], row["owner"]
    rows = service.newest(name).rows
    return next((one for one in rows if (one["id"], one["chain_id"], one["owner"]) == wanted), None)


async def _past(service: Service, row: Row, days: int) -> tuple[Sequence[Row], str | None]:
    """The stored rates of the last days, and why there are none."""
    step = max(300, days * DAY // MOST_POINTS)
    behind = max(0, service.read_at - service.memory_until) // DAY  # a sandbox's days are not ours
    try:
        found = await service.remembered_rows(row["id"], row["chain_id"], days + behind, step)
    except ConfigError:
        return (), "memory has no reading of this market: each reading of its chain adds one"
    known = [one for one in found.rows if one["supply_rate"] is not None]
    return known, None if len(known) > 1 else "memory has too few readings of these days yet for a line"


def _rates(past: Sequence[Row], forecast: Row | None) -> Chart | None:
    """What the market paid, and what it is expected to pay over the days ahead, as yields."""
    if len(past) < 2:
        return None
    x = [float(one["time"]) for one in past]
    paid = [None if one["realised_rate"] is None else compounded(one["realised_rate"]) for one in past]
    quoted = [compounded(one["supply_rate"]) for one in past]
    lines = [Line("Quoted", quoted, kind="two"), Line("Paid", paid)]
    if forecast is not None and forecast["horizons"]:
        last = x[-1]
        ahead = [one for one in forecast["horizons"] if one["horizon_days"] * DAY <= (last - x[0]) or last == x[0]]
        ahead = ahead or forecast["horizons"][:1]
        gap = [None] * (len(x) - 1)
        joint = next((value for value in reversed(paid) if value is not None), quoted[-1])
        x += [last + one["horizon_days"] * DAY for one in ahead]
        lines = [Line(one.name, [*one.values, *(None for _ in ahead)], kind=one.kind) for one in lines] + [
            Line(
                "Expected on average until then, and its 80\u202f% interval",
                [*gap, joint, *_ahead(ahead, "mean")],
                [*gap, joint, *_ahead(ahead, "low")],
                [*gap, joint, *_ahead(ahead, "high")],
                kind="ahead",
            )
        ]
    return Chart(name="Rates over time; the table below has the values", x=x, lines=lines)


def _ahead(horizons: Sequence[Row], end: str) -> list[float]:
    """A forecast's mean, or an end of its interval, over each horizon, as yields."""
    return [grown(one[end], one["horizon_days"]) for one in horizons]


def _line(past: Sequence[Row], field: str, name: str, unit: Any, symbol: str) -> Chart | None:
    known = [one for one in past if one[field] is not None]
    if len(known) < 2:
        return None
    return Chart(
        name=f"{name} over time",
        x=[float(one["time"]) for one in known],
        lines=[Line(name, [one[field] for one in known])],
        unit=unit,
        symbol=symbol,
    )


def _yields(curve: Row | None, row: Row) -> Chart | None:
    """The yield by our holding, with the present one."""
    if curve is None:
        return None
    points = [one for one in curve["points"] if one["apy"] is not None]
    if len(points) < 2:
        return None
    here = next((one for one in points if one["holding"] == curve["held"]), None)
    marks = [] if here is None else [Mark(here["holding"], here["apy"], "We are here")]
    return Chart(
        name=f"APY expected by our holding in {row['asset']}; the table below has the values",
        x=[one["holding"] for one in points],
        lines=[Line("APY expected of all that we would hold", [one["apy"] for one in points])],
        along="amount",
        symbol=row["asset"],
        marks=marks,
    )


def _look(service: Service, row: Row) -> Row | None:
    """The last look at who controls its contracts."""
    try:
        found = watched(row["id"], row["chain_id"], service.context)
    except ConfigError:
        return None
    return None if found is None else found.as_json()


async def _events(service: Service, row: Row) -> list[Row]:
    """Alarms that were raised or ended there, the newest first."""
    found = [
        one
        for one in (await service.journalled("journal")).rows
        if one["kind"].startswith("alarm.")
        and one["chain"] == row["chain_id"]
        and one["body"].get("market_id") == row["id"]
    ]
    return found[:MOST_EVENTS]


ROUTES = (Route("/markets/{key}", market),)
