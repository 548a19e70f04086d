"""The same tools over HTTP, beside REST: by the SDK's own client, through the keys, limits and audit of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.kit.api.served import Served
from yieldbot.api.server import application
from yieldbot.app.run_documents import RunDocument
from yieldbot.mcp.running import over_http
from yieldbot.mcp.server import SCOPES

ALL = {
    "list_markets", "get_market", "get_risk", "get_forecast", "get_history", "list_signals", "list_positions",
    "list_plans", "explain_plan", "list_transactions", "decode", "quote", "list_found_markets", *SCOPES,
}  # fmt: skip


@asynccontextmanager
async def door(served: Served) -> AsyncIterator[httpx2.ASGITransport]:
    """The server with tools at ``/mcp``."""
    app, running = over_http(served.service)
    async with running():
        served.app = application(served.service, {"/mcp": app})
        yield httpx2.ASGITransport(app=served.app, client=("127.0.0.1", 1), raise_app_exceptions=False)


async def tools(transport: Any, headers: dict[str, str]) -> set[str]:
    """The names that a key is shown."""
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers) as http,
        Client(streamable_http_client("http://x/mcp/", http_client=http)) as client,
    ):
        return {one.name for one in (await client.list_tools()).tools}


async def called(transport: Any, headers: dict[str, str], tool: str) -> Any:
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers) as http,
        Client(streamable_http_client("http://x/mcp/", http_client=http)) as client,
    ):
        listed = {one.name for one in (await client.list_tools()).tools}
        assert listed >= {"list_markets", "quote"} and listed <= ALL
        return await client.call_tool(tool, {})


async def test_the_sdks_client_reads_and_plans(served: Served) -> None:
    served.answers = {"queue": RunDocument(exit_code=3, jobs=(), across_chains=()).as_json()}
    async with door(served) as transport:
        found = await called(transport, served.key("read", name="reader"), "list_markets")
        assert not found.is_error and found.structured_content["total"] == 2
        refused = await called(transport, served.key("read", name="reads"), "request_approval")
        assert refused.is_error and "no scope `plan`" in refused.content[0].text
        planner = served.key("read", "plan", name="planner")
        assert await tools(transport, planner) == ALL
        assert await tools(transport, served.key("read", name="only")) == ALL - set(SCOPES)
        made = await called(transport, planner, "request_approval")
        assert not made.is_error and made.structured_content["exit_code"] == 3
    assert [job for job, _ in served.asked].count("queue") == 1
    assert not [line for line in served.service.context.lines if "bug" in line]  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", [b"{}", b"nonsense", b'{"jsonrpc":"2.0","id":1,"method":"none"}', b"[" * 5000])
async def test_what_is_no_call_is_refused_and_no_bug(served: Served, body: bytes) -> None:
    headers = served.key("read") | {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    async with door(served) as transport, httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.post("/mcp/", content=body, headers=headers)
        assert answer.status_code < 500 and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (await client.post("/mcp/", content=body)).status_code == 401
        metrics = await client.get("/v1/metrics", headers=served.key("read", name="other"))
    assert 'route="/mcp"' in metrics.text
