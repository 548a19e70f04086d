"""Markets that registries list on chain, as the last ``yieldbot discover`` stored them."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.found_rows import found_rows
from yieldbot.web.answering import page, partial, service_of
from yieldbot.web.listing import Column, Row, choices, listed, text_of

FILTERS = ("q", "chain", "asset", "state")
STATES = {"found": "not in your files", "listed": "in your files", "gone": "gone"}
"""States of found markets (``FoundRow``), in words."""
COLUMNS = (
    Column("name", "Market", lambda row: row["name"].casefold()),
    Column(
        "supplied", "Supplied", lambda row: row["supplied"], figures=True, hint="by everybody, when it was last read"
    ),
    Column("state", "State", lambda row: row["state"]),
    Column("seen", "First seen", lambda row: row["first_seen"], figures=True, narrow=False),
)


async def found(request: Request) -> Response:
    """Every found market, the largest first."""
    every = await asyncio.to_thread(found_rows, service_of(request).context.settings)
    rows = sorted((row for row in every.rows if _asked(request, row)), key=lambda row: (-row["supplied"], row["key"]))
    shown = listed(request, rows, len(every.rows), COLUMNS, FILTERS)
    return page(
        request,
        "parts/found_rows.html" if shown.start and partial(request) else "found.html",
        title="Found markets",
        listing=shown,
        chains=choices(every.rows, "chain"),
        assets=choices(every.rows, "asset"),
        states=STATES,
        asked={name: text_of(request, name) for name in FILTERS},
        last=every.as_of,
    )


def _asked(request: Request, row: Row) -> bool:
    words = text_of(request, "q").casefold().split()
    called = " ".join((row["name"], row["registry"], row["market"], row["curator"] or "")).casefold()
    return (
        all(word in called for word in words)
        and text_of(request, "chain") in ("", row["chain"])
        and text_of(request, "asset") in ("", row["asset"])
        and text_of(request, "state") in ("", row["state"])
    )


ROUTES = (Route("/found", found),)
