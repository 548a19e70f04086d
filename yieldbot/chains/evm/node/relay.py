"""A JSON-RPC server on the loopback that passes a fork's reads on to our node.

So a fork starts from a quorum's answers, with our retries and limits; and no URL, which may contain a provider's key,
is on the fork's command line, which every user of the machine can read. The server only answers reads, under a path of
24 random bytes. What was read of the fork's block once is kept for the accounts that use the fork later.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from typing import Any

from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import NodeRefused, TransientError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.rpc.endpoint import READS

MAX_REQUEST_BYTES = 2**20
KEPT = ("eth_getStorageAt", "eth_getCode", "eth_getBalance", "eth_getTransactionCount")
"""Methods whose answers at the fork's block are kept: they do not change."""
MOST_KEPT_CHARACTERS = 8 * 2**20
"""How much of the answers is kept."""


@dataclass(slots=True, eq=False)
class Upstream:
    """What a fork reads through."""

    node: Node
    """The node that answers now; all nodes of one fork have the same endpoints and quorum."""
    height: int
    """The fork's block."""
    kept: dict[tuple[str, ...], Any] = field(default_factory=dict)
    """Answers by method and parameters."""
    characters: int = 0
    """The length of all answers that are kept."""

    async def request(self, method: str, params: list[Any]) -> Any:
        """As ``Node.request``; what is known of the fork's block is not read again."""
        if method not in KEPT or not all(isinstance(one, str) for one in params) or params[-1:] != [hex(self.height)]:
            return await self.node.request(method, params)
        key = (method, *params)
        if key not in self.kept:
            answer = await self.node.request(method, params)
            length = len(answer) if isinstance(answer, str) else MOST_KEPT_CHARACTERS
            if self.characters + length > MOST_KEPT_CHARACTERS:
                return answer
            self.kept[key] = answer
            self.characters += length
        return self.kept[key]


@asynccontextmanager
async def relay(upstream: Upstream) -> AsyncIterator[str]:
    """The URL under which reads are answered, while the context lasts."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        try:
            requested = loads(await request.text())
        except ValueError:
            return web.json_response(_error(None, -32700, "this is no JSON"))
        if isinstance(requested, list):
            return web.json_response([await _answered(upstream, one) for one in requested])
        return web.json_response(await _answered(upstream, requested))

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


async def _answered(upstream: Upstream, request: Any) -> dict[str, Any]:
    if not isinstance(request, Mapping) or not isinstance(request.get("method"), str):
        return _error(None, -32600, "this is no request")
    number, method, params = request.get("id"), str(request["method"]), request.get("params") or []
    if not method.startswith(READS) or not isinstance(params, list):
        return _error(number, -32601, f"{method} is not answered here")
    try:
        return {"jsonrpc": "2.0", "id": number, "result": await upstream.request(method, params)}
    except NodeRefused as refusal:
        return _error(number, refusal.code or -32000, refusal.node_message, refusal.data)
    except TransientError as failure:
        return _error(number, -32000, str(failure))


def _error(number: Any, code: int, message: str, data: bytes = b"") -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data:
        error["data"] = "0x" + data.hex()
    return {"jsonrpc": "2.0", "id": number, "error": error}
