"""What markets are expected to pay, how good forecasts were, and results of backtests."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.paper_documents import PaperComparison
from yieldbot.app.paper_show import PaperShowRequest, show
from yieldbot.app.paper_state import existing
from yieldbot.app.saved_backtests import saved
from yieldbot.app.service import Service, visible
from yieldbot.errors import YieldbotError
from yieldbot.web.answering import caller_of, page, service_of

SHOWN_HORIZONS = (1, 7, 30)
"""Horizons in days that the list of markets shows."""


async def forecasts(request: Request) -> Response:
    """The newest forecasts of the markets that the person sees, and each forecaster's skill."""
    service, caller = service_of(request), caller_of(request)
    seen = visible(service.newest("markets").rows, caller)
    markets = {(row["chain_id"], row["id"]): row for row in seen}
    found = service.forecasts
    rows = (
        []
        if found is None
        else [
            {
                "market": markets[row["chain"], row["market"]],
                "forecast": row,
                "by_days": {one["horizon_days"]: one for one in row["horizons"]},
            }
            for row in found["markets"]
            if (row["chain"], row["market"]) in markets and row["horizons"]
        ]
    )
    standings = [] if found is None else found["standings"]
    return page(
        request,
        "forecasts.html",
        title="Forecasts",
        found=found,
        rows=sorted(rows, key=lambda row: -row["by_days"][SHOWN_HORIZONS[1]]["mean"]),
        horizons=SHOWN_HORIZONS,
        standings=sorted(standings, key=lambda row: (row["market_class"], row["horizon_days"], -row["weight"])),
        notes=() if found is None or caller.accounts is not None else found["notes"],
    )


async def backtests(request: Request) -> Response:
    """Paper wallets, and results of backtests that were put into the data directory; of no single account, so for those
    who see all."""
    service = service_of(request)
    whole = caller_of(request).accounts is None
    found = await asyncio.to_thread(saved, service.context) if whole else ()
    paper, why = await asyncio.to_thread(_paper, service) if whole else ((), None)
    return page(request, "backtests.html", title="Backtests", found=found, paper=paper, why=why, whole=whole)


def _paper(service: Service) -> tuple[tuple[PaperComparison, ...], str | None]:
    """Each paper wallet beside the real one over the last days; and why they cannot be shown, None: they can."""
    if not existing(service.context.settings.data_dir):
        return (), None
    try:
        return show(PaperShowRequest(backtest=False), service.context).wallets, None
    except YieldbotError as failure:  # none has made a step, or one's journal is damaged
        return (), service.shown(str(failure))


ROUTES = (Route("/forecasts", forecasts), Route("/backtests", backtests))
