"""A provider double: what real providers put before a node. It refuses what its plan leaves out, with their statuses
and words, and hands the rest on.

Labelled double: the statuses, codes and words are those that public reports quote (QuickNode: 413, -32614 and -32615;
Alchemy: 400, 429; Infura: -32602, -32005; Solana's own: 429), the limits are the test's.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, web
from eth_abi import decode

Refusal = tuple[int, int, str]
"""HTTP status, JSON-RPC code, words."""
KEY = "SECRETKEY0123456789"


@dataclass
class Provider:
    """answer: a request's result by method and params, where no upstream is. blocks, accounts, reads: the most of
    eth_getLogs, getMultipleAccounts and an aggregate; refuse: why a request is refused, None when it is not.
    sizes: what was asked for, in order, by method, and whether it was given."""

    answer: Callable[[str, list[Any]], Any]
    status: int = 413
    blocks: int | None = None
    accounts: int | None = None
    reads: int | None = None
    refuse: Callable[[str, list[Any]], Refusal | None] = lambda method, params: None
    headers: Mapping[str, str] = field(default_factory=dict)
    sizes: list[tuple[str, int, bool]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    url: str = ""

    async def serve(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        if isinstance(asked, list):
            refusal = self.status, -32600, "batches are not in your plan"
            return self._error(None, refusal)
        method, params = asked["method"], asked.get("params") or []
        self.asked[method] += 1
        refusal = self.refuse(method, params) or self._limit(method, params)
        if refusal is not None:
            return self._error(asked["id"], refusal)
        answer = self.answer(method, params)
        if asyncio.iscoroutine(answer):
            answer = await answer
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": answer})

    def _error(self, number: Any, refusal: Refusal) -> web.Response:
        status, code, words = refusal
        document = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": words}}
        return web.json_response(document, status=status, headers=dict(self.headers))

    def _limit(self, method: str, params: list[Any]) -> Refusal | None:
        size, most, refusal = 0, None, (self.status, -32000, "")
        if method == "eth_getLogs":
            size = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            most, refusal = self.blocks, (self.status, -32614, f"eth_getLogs is limited to a {self.blocks} range")
        elif method == "getMultipleAccounts":
            size, most = len(params[0]), self.accounts
            refusal = self.status, -32615, f"getMultipleAccounts is limited to a {self.accounts} account range"
        elif method == "eth_call" and params[0]["data"].startswith("0x82ad56cb"):
            (calls,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(params[0]["data"][10:]))
            size, most = len(calls), self.reads
            refusal = self.status, -32000, "response size exceeded: out of gas"
        if not size:
            return None
        self.sizes.append((method, size, most is None or size <= most))
        return refusal if most is not None and size > most else None


@asynccontextmanager
async def served(provider: Provider) -> AsyncIterator[Provider]:
    """The provider under a URL on the loopback that holds a key, while the context lasts."""
    application = web.Application(client_max_size=2**24)
    application.router.add_post("/v2/" + KEY, provider.serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2/{KEY}"
        yield provider
    finally:
        await runner.cleanup()


def upstream(url: str, session: ClientSession) -> Callable[[str, list[Any]], Any]:
    """Answers of a real node behind the provider."""

    async def ask(method: str, params: list[Any]) -> Any:
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with session.post(url, json=question) as got:
            return (await got.json())["result"]

    return ask
