"""What the web page draws, under ``/v1``: wealth over time, a market's curve, what markets paid lately, and what the
assistant proposes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response

from yieldbot.api.answering import caller_of, fields_of, listed, needs, newest, one_of, service_of, single
from yieldbot.app import proposal_decisions
from yieldbot.app.admission import Scope
from yieldbot.app.collections import Collection, CurveRow, Page, TrendRow, WealthRow
from yieldbot.app.proposal_documents import ProposalRow

router = APIRouter()


@router.get("/wealth", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[WealthRow])
async def wealth(request: Request) -> Response:
    """What every account has and had of each asset, what that earned and was predicted to earn."""
    return listed(request, newest(request, "wealth"), fields_of(WealthRow))


@router.get("/markets/{key}/curve", dependencies=[Depends(needs(Scope.READ, ("fields",)))], response_model=CurveRow)
async def curve(request: Request, key: str) -> Response:
    """What one market would pay for other holdings of ours."""
    return single(request, one_of(request, newest(request, "curves"), key), fields_of(CurveRow))


@router.get("/trends", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[TrendRow])
async def trends(request: Request) -> Response:
    """What each market paid lately, in equal steps; only markets that memory knows."""
    return listed(request, newest(request, "trends"), fields_of(TrendRow))


@router.get("/proposals", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[ProposalRow])
async def proposals(request: Request) -> Response:
    """What the assistant proposes beside plans, the newest first. A person accepts it, on the page or at the
    terminal."""
    return listed(request, await _proposals(request), fields_of(ProposalRow), "id", ())


async def _proposals(request: Request) -> Collection:
    found = await asyncio.to_thread(proposal_decisions.seen, service_of(request), caller_of(request))
    rows = tuple(one.model_dump(mode="json") for one in found.proposals)
    return Collection(rows, f"proposals-{hash(str(rows))}", max((row["at"] for row in rows), default=0))
