"""The heartbeat: requests to the URL of a monitoring service such as healthchecks.io, which alerts a person when they
stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from yieldbot.app.notify import NotSent
from yieldbot.errors import ConfigError
from yieldbot.notify.http import post

if TYPE_CHECKING:
    from yieldbot.app.serve_jobs import JobEnd
    from yieldbot.app.service import Service as Server

SECONDS = 10.0
"""Seconds within which the service must answer."""


class Heartbeat:
    """Requests the URL after each successful job, unless the last run of another job failed. It does so in a daemon
    thread, for which neither jobs nor the server's shutdown wait."""

    def __init__(self, server: Server, url: str) -> None:
        self._server, self._url = server, url
        self._asking: threading.Thread | None = None

    def after(self, name: str, end: JobEnd) -> None:
        """Called at the end of each job: requests the URL where that is due."""
        failed = any(one.outcome == "failed" for one in self._server.jobs.ends.values())
        if failed or end.outcome == "busy" or (self._asking is not None and self._asking.is_alive()):
            return
        self._asking = threading.Thread(target=self._ask, name="heartbeat", daemon=True)
        self._asking.start()

    def wait(self) -> None:
        """Wait for a request in progress, at most SECONDS; for a process that does every job once and ends."""
        if self._asking is not None:
            self._asking.join(SECONDS)

    def _ask(self) -> None:
        try:
            post(self._url, b"", {}, SECONDS)
        except NotSent as failure:
            self._server.context.complain(f"heartbeat: {failure}")


def heartbeat_of(server: Server) -> Heartbeat | None:
    """The server's heartbeat, connected to the ends of its jobs; None where none is configured. Raises ConfigError."""
    context = server.context
    name = context.settings.serving.heartbeat_env
    if name is None:
        return None
    url = context.environment.get(name, "").strip()
    if not url:
        raise ConfigError(
            f"{context.settings.source}: serve.heartbeat_url_env: ${name} is not set: write the URL there"
        )
    found = Heartbeat(server, url)
    server.jobs.ended.append(found.after)
    return found
