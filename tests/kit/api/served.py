"""A server in this process: the real application and service, with workers' jobs run in this process, on the double of
a chain's session from ``tests/unit/app/test_overview.py``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.kit.portal import in_one_loop
from yieldbot.access.caller import Scope
from yieldbot.access.database import url_of
from yieldbot.access.ring import KeyRing
from yieldbot.api.server import application, belong
from yieldbot.app import worker
from yieldbot.app.context import Context
from yieldbot.app.service import Service
from yieldbot.app.workers import WorkerFailed
from yieldbot.errors import SafetyError, YieldbotError

FREE: list[FastAPI] = []
"""Applications of tests that have ended: to make one takes a tenth of a second."""
TAKEN: list[FastAPI] = []
"""Those of the test that runs."""


def _application(service: Service) -> FastAPI:
    made = FREE.pop() if FREE else application(service)
    belong(made, service)
    TAKEN.append(made)
    return made


class Served:
    """A running server, and functions that make API keys for it."""

    def __init__(self, context: Context) -> None:
        self.service = Service(context, 300.0)
        self.service.events.longest_seconds = 0.0  # the client takes complete answers alone; Listener takes others
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        """By job: the answer to give instead of running the use case, or the error to raise."""
        self.documents: dict[str, Any] = {}
        """The documents of the last reading that the use cases made."""
        self.service.workers.run = self._run  # type: ignore[method-assign]
        self.app = _application(self.service)
        self.client = in_one_loop(TestClient(self.app, raise_server_exceptions=False, client=("127.0.0.1", 1)))
        self.ring = KeyRing(url_of(context.settings.data_dir))

    def read(self) -> None:
        """Read the chains once."""
        asyncio.run(self.service.observe())

    def key(self, *scopes: str, name: str = "", **more: Any) -> dict[str, str]:
        """The headers of a new key with these scopes."""
        text, _ = self.ring.new(name or "-".join(scopes), frozenset(map(Scope, scopes)), int(time.time()), **more)
        return {"Authorization": f"Bearer {text}"}

    async def _run(self, job: str, request: Mapping[str, Any], seconds: float, *, own: bool = False) -> dict[str, Any]:
        self.asked.append((job, request))
        if job in self.answers:
            found = self.answers[job]
            if isinstance(found, Exception):
                raise found
            return dict(found)
        self.service.context.kept = None  # each worker is a process of its own
        try:
            found = await asyncio.to_thread(worker.JOBS[job], self.service.context, request)
            if job == "newest":
                self.documents = found
            return found
        except YieldbotError as failure:
            code = failure.code if isinstance(failure, SafetyError) else None
            raise WorkerFailed(str(failure), type(failure).__name__, code) from None
