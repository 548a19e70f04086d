"""Sends a notice through a channel, at the end of a command or periodically in a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from yieldbot.app import notify as use
from yieldbot.app.notice_runs import News, of_jobs, of_reading
from yieldbot.app.schedule import Task, every
from yieldbot.model.notices import Channel, Notice, Service
from yieldbot.notify import messages
from yieldbot.notify.http import post
from yieldbot.notify.mail import hand_over

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.app.service import Service as Server

EVERY_SECONDS = 60.0
"""Seconds between two checks of a server for new findings."""
OF_SERVER_SECONDS = 20.0
"""Seconds within which a server sends what is due at one check."""


def send(channel: Channel, notice: Notice, secrets: Mapping[str, str], seconds: float) -> None:
    """Send a notice through a channel within ``seconds``. secrets: the channel's, by key. Raises NotSent."""
    match channel.kind:
        case Service.EMAIL:
            hand_over(channel, messages.email(channel, notice), secrets, seconds)
            return
        case Service.TELEGRAM:
            made = messages.telegram(channel, notice, secrets)
        case Service.SLACK:
            made = messages.slack(channel, notice, secrets)
        case Service.DISCORD:
            made = messages.discord(channel, notice, secrets)
        case Service.NTFY:
            made = messages.ntfy(channel, notice, secrets)
        case Service.WEBHOOK:
            made = messages.webhook(channel, notice, secrets, int(time.time()))
    post(made.url, made.body, made.headers, seconds)


def after(context: Context, news: News | None) -> None:
    """Send new findings at the end of a command. Never raises: a failure is one line on stderr."""
    use.quietly(context, send, news)


def work_of(server: Server) -> Task:
    """The server's periodic task for notices. It runs in a daemon thread, for which the server's shutdown does not
    wait."""

    seen, ended = 0, dict[str, float]()

    async def work() -> None:
        nonlocal seen
        news = of_jobs(server.jobs.ends, ended)
        if server.attempts != seen:  # each reading counts once
            seen = server.attempts
            chains = [job.chain.name for job in server.context.settings.jobs]
            reading = of_reading(server.failing, server.newest("markets").unread, chains)
            news = News(ends=(*reading.ends, *news.ends))
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def sent() -> None:
            use.quietly(server.context, send, news, seconds=OF_SERVER_SECONDS)
            with contextlib.suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=sent, name="notices", daemon=True).start()
        await done.wait()

    return every("notices", EVERY_SECONDS, work, at_once=False)
