"""One event loop, in a thread of its own, for all clients of applications in this process: Starlette's test client
starts a thread and a loop for each request otherwise, which costs more than most requests."""

from __future__ import annotations

import atexit
from functools import cache

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.testclient import TestClient


@cache
def _portal() -> BlockingPortal:
    running = start_blocking_portal()
    portal = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return portal


def in_one_loop(client: TestClient) -> TestClient:
    """The same client, whose requests are all answered in this process's one loop."""
    client.portal = _portal()
    return client
