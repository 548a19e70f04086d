"""The page of all markets."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import visible
from yieldbot.web.answering import caller_of, page, partial, service_of
from yieldbot.web.listing import Column, Row, choices, listed, text_of

GRADES = ("90", "80", "70", "60", "50", "40")
"""Least grades that the filter offers."""
LEAST_ADDRESS = 6
"""Fewest characters of an address that are looked for."""
FILTERS = ("q", "chain", "asset", "safety", "held", "open")


def _held(row: Row) -> float:
    return float(row["held"]["text"])


def _hours(row: Row) -> float | None:
    found: float | None = row["exit"]["hours"]
    return found


COLUMNS = (
    Column("name", "Market", lambda row: row["name"].casefold()),
    Column(
        "apy",
        "APY expected",
        lambda row: row["total_apy_after_deposit"],
        figures=True,
        hint="with rewards, once we hold the amount below it",
    ),
    Column("safety", "Safety", lambda row: row["safety"], figures=True, hint="0 is worst, 100 is best"),
    Column("trend", "30 days", hint="the APY that it paid on each of the last 30 days", narrow=False),
    Column("exit", "Way out", _hours, hint="how long money needs to leave", narrow=False),
    Column(
        "cash",
        "Liquidity",
        lambda row: float(row["liquidity"]["text"]),
        figures=True,
        hint="what all suppliers together could take out now",
        narrow=False,
    ),
    Column(
        "utilisation",
        "Used",
        lambda row: row["utilisation"],
        figures=True,
        hint="borrowed over supplied",
        narrow=False,
    ),
    Column("held", "We hold", _held, figures=True, hint="our money there"),
)


async def markets(request: Request) -> Response:
    """Every market, as seen by each job: ours first, then by yield."""
    service = service_of(request)
    newest = service.newest("markets")
    every = visible(newest.rows, caller_of(request))
    rows = sorted(
        (row for row in every if _asked(request, row)),
        key=lambda row: (_held(row) == 0, -(row["total_apy_after_deposit"] or 0), row["id"]),
    )
    found = listed(request, rows, len(every), COLUMNS, FILTERS)
    return page(
        request,
        "parts/market_rows.html" if found.start and partial(request) else "markets.html",
        title="Markets",
        listing=found,
        wallets=len({row["wallet"] for row in every}),
        chains=choices(every, "chain"),
        assets=choices(every, "asset"),
        grades=GRADES,
        asked={name: text_of(request, name) for name in FILTERS},
        unread=newest.unread if caller_of(request).accounts is None else (),
        trends=service.trends,
    )


def _asked(request: Request, row: Row) -> bool:
    """Whether the filters let a market through."""
    words = text_of(request, "q").casefold().split()
    called = " ".join((row["name"], row["protocol"], row["chain"], row["asset"])).casefold()
    place = row["address"].casefold()
    least = text_of(request, "safety")
    return (
        all(word in called or (len(word) >= LEAST_ADDRESS and place.startswith(word)) for word in words)
        and text_of(request, "chain") in ("", row["chain"])
        and text_of(request, "asset") in ("", row["asset"])
        and (not _whole(least) or (row["safety"] is not None and row["safety"] >= int(least)))
        and (not text_of(request, "held") or _held(row) > 0)
        and (not text_of(request, "open") or (row["status"] == "active" and not row["vetoes"]))
    )


def _whole(text: str) -> bool:
    """Whether it is a grade: other signs that Unicode calls digits, such as a raised 2, are no number to ``int``."""
    return text.isascii() and text.isdigit() and len(text) < 4


ROUTES = (Route("/markets", markets),)
