"""A client of the event stream of a server in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

PATIENCE = 60.0
"""Longest wait for an event, in seconds; long enough for a slow machine."""


class Listener:
    """A client with one open stream. Used inside a running event loop."""

    def __init__(self, app: Any, headers: Mapping[str, str], query: str = "", method: str = "GET") -> None:
        self._app, self._query, self._method = app, query, method
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._came: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._asked = False
        self._text = ""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.takes = asyncio.Event()
        """Set while the client reads what is sent."""
        self.takes.set()

    async def __aenter__(self) -> Listener:
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "method": self._method, "scheme": "http", "path": "/v1/events", "raw_path": b"/v1/events",
            "query_string": self._query.encode(), "root_path": "", "headers": self._headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
        }  # fmt: skip
        self.task = asyncio.create_task(self._app(scope, self._receive, self._send))
        start = await asyncio.wait_for(self._came.get(), PATIENCE)
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        self.takes.set()
        await asyncio.wait_for(self.task, PATIENCE)

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def frame(self) -> str | None:
        """The next block of lines as it was sent; None: the answer is complete."""
        while "\n\n" not in self._text:
            message = await asyncio.wait_for(self._came.get(), PATIENCE)
            self._text += message.get("body", b"").decode()
            if not message.get("more_body", False):
                return None
        block, _, self._text = self._text.partition("\n\n")
        return block

    async def event(self) -> dict[str, Any] | None:
        """The next event; None: the stream has ended."""
        while (block := await self.frame()) is not None:
            lines = dict(line.partition(": ")[::2] for line in block.split("\n"))
            if "data" in lines:
                found: dict[str, Any] = json.loads(lines["data"])
                assert found["kind"] == lines["event"] and str(found.get("id")) == lines.get("id", "None")
                return found
        return None

    async def all(self) -> list[dict[str, Any]]:
        """Every event until the stream ends."""
        found = []
        while (one := await self.event()) is not None:
            found.append(one)
        return found

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        self._came.put_nowait(message)
