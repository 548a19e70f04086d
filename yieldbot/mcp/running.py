"""Runs the MCP server over stdin and stdout for one assistant, or as a part of the HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from mcp.server.transport_security import TransportSecuritySettings

from yieldbot.app.admission import ASKING, Caller, Scope
from yieldbot.app.ending import INTERRUPTED, at_end
from yieldbot.app.serve import ServeRequest, schedule, tasks
from yieldbot.app.service import Service
from yieldbot.mcp.server import server


def over_http(service: Service) -> tuple[Any, Callable[[], AbstractAsyncContextManager[None]]]:
    """The MCP server as an application for streamable HTTP, and the context that must be open while it answers.

    The REST interface has checked the caller's key before and names the caller in ``app.admission.ASKING``.
    """
    made = server(service, ASKING.get)
    anywhere = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # no page has a key to send
    app = made.streamable_http_app(
        streamable_http_path="/", json_response=True, stateless_http=True, transport_security=anywhere
    )
    return app, made.session_manager.run


async def serve(service: Service, request: ServeRequest, scopes: frozenset[Scope]) -> int:
    """Answer until stdin ends; returns the exit code. Chains are read at the first request and periodically from then
    on."""
    caller = Caller("assistant", scopes)
    work = asyncio.create_task(_later(service, request))
    ends = list[asyncio.Future[None]]()
    try:
        with at_end(lambda: ends.append(asyncio.ensure_future(_ended(service)))):
            await server(service, lambda: caller).run_stdio_async()
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await service.close()
    return 0


async def _ended(service: Service) -> None:
    """End every worker, then this process, since the thread that blocks on stdin cannot be ended in another way."""
    await service.close()
    os._exit(INTERRUPTED)


async def _later(service: Service, request: ServeRequest) -> None:
    """Read the chains periodically, beginning with the first request."""
    while not service.read_at:
        await asyncio.sleep(1.0)
    (reading,) = (task for task in tasks(service, request) if task.name == "observe")
    await schedule(service).run((replace(reading, at_once=False),))
