"""The heartbeat: a URL of a service that raises an alarm when it is not asked for too long, as healthchecks.io does."""

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
"""How long the service may take to answer."""


class Heartbeat:
    """Asks the URL after each success of a job, while the last run of no job failed. A thread of its own does it: no
    job and no end of the server waits for it."""

    def __init__(self, server: Server, url: str) -> None:
        self._server, self._url = server, url
        self._asking: threading.Thread | None = None

    def after(self, name: str, end: JobEnd) -> None:
        """A job has ended."""
        failed = any(one.outcome == "failed" for one in self._server.jobs.ends.values())
        if failed or end.outcome == "busy" or (self._asking is not None and self._asking.is_alive()):
            return
        self._asking = threading.Thread(target=self._ask, name="heartbeat", daemon=True)
        self._asking.start()

    def wait(self) -> None:
        """Wait for what is under way, at most SECONDS: for a process that does everything once."""
        if self._asking is not None:
            self._asking.join(SECONDS)

    def _ask(self) -> None:
        try:
            post(self._url, b"", {}, SECONDS)
        except NotSent as failure:
            self._server.context.complain(f"heartbeat: {failure}")


def heartbeat_of(server: Server) -> Heartbeat | None:
    """The server's heartbeat, which begins with its next job; None where none is configured. Raises ConfigError."""
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
