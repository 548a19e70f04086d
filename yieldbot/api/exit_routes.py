"""Orders to leave markets under ``/v1``. They are lifted by persons alone, on the page or at the terminal."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from yieldbot.api.answering import caller_of, fields_of, listed, needs, service_of
from yieldbot.app.admission import Scope
from yieldbot.app.collections import Collection, Page
from yieldbot.app.exit_orders import ExitOrder, standing

router = APIRouter()


@router.get("/exits", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[ExitOrder])
async def exits(request: Request) -> Response:
    """Orders to leave markets that are in force, the oldest first: nothing goes in there until a person lifts them."""
    found = await standing(service_of(request), caller_of(request))
    rows = tuple(one.model_dump(mode="json") for one in found)
    collection = Collection(rows, f"exits-{hash(str(rows))}", max((row["since"] for row in rows), default=0))
    return listed(request, collection, fields_of(ExitOrder))
