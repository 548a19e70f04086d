"""API keys under ``/v1``: listed and revoked. None is made or rotated here: whoever got hold of a key would make itself
another one that outlives it."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response

from yieldbot.api.answering import caller_of, fields_of, listed, needs, one_of, service_of, written
from yieldbot.app import api_keys as use
from yieldbot.app.admission import Scope
from yieldbot.app.api_key_documents import ApiKey, RevokedKeysDocument
from yieldbot.app.collections import Collection, Page

router = APIRouter()


def _all(request: Request) -> Collection:
    rows = tuple(one.model_dump(mode="json") for one in use.list_(service_of(request).context).keys)
    at = max((row["used_at"] or row["created_at"] for row in rows), default=0)
    return Collection(rows, f"keys-{hash(str(rows))}", at)


@router.get("/keys", dependencies=[Depends(needs(Scope.KEYS, None))], response_model=Page[ApiKey])
async def keys(request: Request) -> Response:
    """API keys without their secrets, also those that are not valid any more. A key with accounts sees those of its
    accounts alone."""
    return listed(request, await asyncio.to_thread(_all, request), fields_of(ApiKey), "prefix")


@router.delete("/keys/{prefix}", dependencies=[Depends(needs(Scope.KEYS))], response_model=RevokedKeysDocument)
async def revoke_key(request: Request, prefix: str) -> Response:
    """Revoke one key at once. The successor of a rotation has the same name and another prefix, and stays valid."""
    one_of(request, await asyncio.to_thread(_all, request), prefix, "prefix")
    context, by = service_of(request).context, f"key {caller_of(request).name}"
    done = await asyncio.to_thread(use.revoke_one, prefix, context, by, request.state.address)
    return written(done.as_json())
