"""A JSON-RPC server on the loopback that passes a fork's reads on to our node.

So a fork starts from a quorum's answers, with our retries and limits; and no URL, which may contain a provider's key,
is on the fork's command line, which every user of the machine can read. The server only answers reads, under a path of
24 random bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.json_text import loads
from yieldbot.rpc.endpoint import READS

MAX_REQUEST_BYTES = 2**20


@asynccontextmanager
async def relay(node: Node) -> AsyncIterator[str]:
    """The URL under which ``node`` answers reads, while the context lasts."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        try:
            requested = loads(await request.text())
        except ValueError:
            return web.json_response(_error(None, -32700, "this is no JSON"))
        if isinstance(requested, list):
            return web.json_response([await _answered(node, one) for one in requested])
        return web.json_response(await _answered(node, requested))

    application = web.Application(client_max_size=MAX_REQUEST_BYTES)
    path = f"/{secrets.token_urlsafe(24)}"
    application.router.add_post(path, answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        await runner.cleanup()


async def _answered(node: Node, request: Any) -> dict[str, Any]:
    if not isinstance(request, Mapping) or not isinstance(request.get("method"), str):
        return _error(None, -32600, "this is no request")
    number, method, params = request.get("id"), str(request["method"]), request.get("params") or []
    if not method.startswith(READS) or not isinstance(params, list):
        return _error(number, -32601, f"{method} is not answered here")
    try:
        return {"jsonrpc": "2.0", "id": number, "result": await node.request(method, params)}
    except NodeRefused as refusal:
        return _error(number, refusal.code or -32000, refusal.node_message, refusal.data)
    except TransientError as failure:
        return _error(number, -32000, str(failure))


def _error(number: Any, code: int, message: str, data: bytes = b"") -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data:
        error["data"] = "0x" + data.hex()
    return {"jsonrpc": "2.0", "id": number, "error": error}
