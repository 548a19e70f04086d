"""The register of approvers, and API keys, for those who may see them."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yieldbot.app import api_keys
from yieldbot.app import approvers as register
from yieldbot.app.admission import Caller, Scope
from yieldbot.app.api_key_documents import ApiKey
from yieldbot.web.answering import caller_of, form_of, need, page, service_of, to


async def approvers(request: Request) -> Response:
    """Who may approve, and how many must. They approve for all accounts: who may see one alone does not see them."""
    need(request, Scope.READ)
    if caller_of(request).accounts is not None:
        raise HTTPException(403, "approvers are of all accounts: sign in with a key made without --account")
    found = await asyncio.to_thread(register.list_, service_of(request).context)
    return page(request, "approvers.html", title="Approvers", view=found.model_dump(mode="json"))


async def keys(request: Request) -> Response:
    """API keys without their secrets."""
    need(request, Scope.KEYS)
    rows = [one.model_dump(mode="json") for one in await asyncio.to_thread(_seen, request)]
    rows.sort(key=lambda one: (one["ended"] is not None, one["name"]))
    return page(request, "keys.html", title="Keys", keys=rows)


async def revoke(request: Request) -> Response:
    """Revoke one key at once."""
    need(request, Scope.KEYS)
    await form_of(request)
    prefix = request.path_params["prefix"]
    if all(one.prefix != prefix for one in await asyncio.to_thread(_seen, request)):
        raise HTTPException(404, "there is no such key")
    context, by = service_of(request).context, f"key {caller_of(request).name}"
    await asyncio.to_thread(api_keys.revoke_one, prefix, context, by, request.state.address)
    return to("/keys")


def _seen(request: Request) -> list[ApiKey]:
    caller: Caller = caller_of(request)
    found = api_keys.list_(service_of(request).context).keys
    return [
        one
        for one in found
        if caller.accounts is None or (one.accounts is not None and caller.accounts.issuperset(one.accounts))
    ]


ROUTES = (
    Route("/approvers", approvers, methods=["GET"]),
    Route("/keys", keys, methods=["GET"]),
    Route("/keys/{prefix}/revocation", revoke, methods=["POST"]),
)
