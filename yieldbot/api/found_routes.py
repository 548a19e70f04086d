"""Found markets under ``/v1``, as the last `yieldbot discover` stored them."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response

from yieldbot.api.answering import fields_of, listed, needs, service_of
from yieldbot.app.admission import Scope
from yieldbot.app.collections import Page
from yieldbot.app.found_rows import FoundRow, found_rows

router = APIRouter()


@router.get("/found-markets", dependencies=[Depends(needs(Scope.READ, None))], response_model=Page[FoundRow])
async def found_markets(request: Request) -> Response:
    """Markets that registries list on chain, as the last `yieldbot discover` read them; nothing is read now."""
    found = await asyncio.to_thread(found_rows, service_of(request).context.settings)
    return listed(request, found, fields_of(FoundRow), own=())
