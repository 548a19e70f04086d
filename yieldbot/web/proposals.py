"""What the assistant proposes beside plans: each is accepted or rejected by whoever may."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import proposal_decisions as use
from yieldbot.app.admission import Scope
from yieldbot.app.proposal_documents import ProposalRow
from yieldbot.app.service import visible
from yieldbot.errors import SafetyError, YieldbotError
from yieldbot.web import orders
from yieldbot.web.answering import caller_of, decider_of, form_of, need, page, service_of, session_of, to

KINDS = {"exit": "Leave a market", "alert": "A new alert", "setting": "A change of one setting"}
TONES = {"waiting": "wait", "accepted": "good", "rejected": "none", "expired": "none"}
MOST_ENDED = 20
"""Most proposals in the list that wait no more."""


async def proposals(request: Request) -> Response:
    """Proposals that wait, and the newest of those that do not."""
    need(request, Scope.READ)
    rows = await _rows(request)
    waiting = [one for one in rows if one.status == "waiting"]
    ended = [one for one in rows if one.status != "waiting"][:MOST_ENDED]
    return page(request, "proposals.html", title="Proposals", waiting=waiting, ended=ended, kinds=KINDS, tones=TONES)


async def proposal(request: Request) -> Response:
    """One proposal."""
    need(request, Scope.READ)
    return await _page(request, await _row(request))


async def accept(request: Request) -> Response:
    """Accept the proposal: the page of what comes of it, or why nothing was done."""
    need(request, Scope.PLAN)
    await form_of(request)
    row, deciding = await _row(request), request.app.state.deciding
    if row.id in deciding:
        return await _page(request, row, 409, "It is being carried out: load the page again in a minute.")
    deciding.add(row.id)
    work = asyncio.create_task(use.accept(row.id, service_of(request), decider_of(request)))
    work.add_done_callback(lambda _: deciding.discard(row.id))
    try:
        found, plan = await asyncio.shield(work)  # an exit goes on when the browser goes away
    except YieldbotError as failure:
        return await _refused(request, failure)
    if plan is not None:
        return to(f"/plans/{plan}")
    return await _page(request, found.proposal, done=service_of(request).shown(found.done or ""))


async def reject(request: Request) -> Response:
    """Reject the proposal."""
    need(request, Scope.PLAN)
    await form_of(request)
    row = await _row(request)
    try:
        await use.reject(row.id, service_of(request), decider_of(request))
    except YieldbotError as failure:
        return await _refused(request, failure)
    return to(f"/proposals/{row.id}")


async def _refused(request: Request, failure: YieldbotError) -> Response:
    status = 403 if isinstance(failure, SafetyError) and failure.code == "NOT_ALLOWED" else 409
    return await _page(request, await _row(request), status, service_of(request).shown(str(failure)))


async def _page(
    request: Request, row: ProposalRow, status: int = 200, why: str | None = None, done: str | None = None
) -> Response:
    caller, session = caller_of(request), session_of(request)
    ordered = await orders.standing(request)
    return page(
        request,
        "proposal.html",
        status,
        title=KINDS[row.kind],
        row=row,
        tone=TONES[row.status],
        held=_held(request, row),
        may_not=use.why_not(row, caller, session.approver is not None),
        running=row.id in request.app.state.deciding,
        why=why,
        done=done,
        orders=_orders(row, ordered["orders"]) if row.status == "accepted" else (),
        may_not_lift=ordered["may_not_lift"],
    )


def _held(request: Request, row: ProposalRow) -> dict[str, Any] | None:
    """What is held now in the market of an exit; None: nothing, or another kind."""
    found = visible(service_of(request).newest("positions").rows, caller_of(request))
    mine = (one for one in found if one["id"] == row.market_id and row.wallet in (None, one["wallet"]))
    return next((dict(one) for one in mine), None)


def _orders(row: ProposalRow, ordered: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The orders in force of an accepted exit."""
    mine = (one for one in ordered if one["market_id"] == row.market_id)
    return [one for one in mine if row.wallet in (None, one["wallet"]) and row.chain in (None, one["chain"])]


async def _rows(request: Request) -> tuple[ProposalRow, ...]:
    return (await asyncio.to_thread(use.seen, service_of(request), caller_of(request))).proposals


async def _row(request: Request) -> ProposalRow:
    """The proposal. Raises HTTPException (404) for one that is not there, or not the caller's."""
    wanted = request.path_params["proposal_id"]
    found = next((one for one in await _rows(request) if one.id == wanted), None)
    if found is None:
        raise HTTPException(404, "there is no such proposal")
    return found


ROUTES = (
    Route("/proposals", proposals, methods=["GET"]),
    Route("/proposals/{proposal_id}", proposal, methods=["GET"]),
    Route("/proposals/{proposal_id}/acceptance", accept, methods=["POST"]),
    Route("/proposals/{proposal_id}/rejection", reject, methods=["POST"]),
)
