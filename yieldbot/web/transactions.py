"""Every transaction that was signed, and how it ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app.service import visible
from yieldbot.web.answering import caller_of, page, partial, service_of
from yieldbot.web.listing import Column, Row, listed, text_of

FILTERS = ("q", "result")
OPEN = "open"
COLUMNS = (
    Column("at", "Signed", lambda row: row["at"], figures=True),
    Column("words", "What it does"),
    Column("result", "Result", lambda row: row["result"] or OPEN),
)


async def transactions(request: Request) -> Response:
    """The newest first."""
    service, caller = service_of(request), caller_of(request)
    every = visible((await service.journalled("transactions")).rows, caller)
    found = listed(request, [row for row in every if _asked(request, row)], len(every), COLUMNS, FILTERS)
    return page(
        request,
        "parts/transaction_rows.html" if found.start and partial(request) else "transactions.html",
        title="Transactions",
        listing=found,
        results=sorted({row["result"] or OPEN for row in every}),
        asked={name: text_of(request, name) for name in FILTERS},
        chains={job.chain.chain: job.chain.name for job in service.context.settings.jobs},
    )


def _asked(request: Request, row: Row) -> bool:
    words = text_of(request, "q").casefold().split()
    called = f"{row['words']} {row['hash']} {row['plan_id'] or ''}".casefold()
    return all(word in called for word in words) and text_of(request, "result") in ("", row["result"] or OPEN)


ROUTES = (Route("/transactions", transactions),)
