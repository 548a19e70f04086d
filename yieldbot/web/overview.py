"""The first page: what there is, what it earns and was predicted to earn, what was done and why, and what waits for a
person."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import exit_orders, proposal_decisions
from yieldbot.app.plan_view import headlines
from yieldbot.app.service import visible
from yieldbot.errors import ConfigError
from yieldbot.web import summary
from yieldbot.web.answering import caller_of, page, service_of


async def overview(request: Request) -> Response:
    """The overview of everything that the person may see."""
    service, caller = service_of(request), caller_of(request)
    plans = visible((await service.journalled("plans")).rows, caller)
    shown = summary.of(
        wealth=visible(service.newest("wealth").rows, caller),
        positions=visible(service.newest("positions").rows, caller),
        plans=plans,
        runs=(await service.runs(caller)).rows,
        accounts=visible(service.accounts().rows, caller),
        chains={job.chain.chain: job.chain.name for job in service.context.settings.jobs},
        unread=service.newest("markets").unread if caller.accounts is None else (),
        reading=service.ready(),
        proposed=await asyncio.to_thread(_proposed, request),
    )
    names = {row["id"]: row["name"] for row in service.newest("markets").rows}
    waiting = [row["id"] for row in shown.waiting]
    heads = await asyncio.to_thread(headlines, waiting, names, service.context)
    ordered = list(dict.fromkeys(one.name for one in await exit_orders.standing(service, caller)))
    return page(request, "overview.html", title="Overview", shown=shown, heads=heads, ordered=ordered, inline=False)


def _proposed(request: Request) -> int:
    """How many of the assistant's proposals wait; those that cannot be read are named on their own page."""
    try:
        rows = proposal_decisions.seen(service_of(request), caller_of(request)).proposals
    except ConfigError:
        return 0
    return sum(row.status == "waiting" for row in rows)


ROUTES = (Route("/", overview),)
