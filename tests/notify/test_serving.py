"""What a server does for notices: at its times, in a thread that its end does not wait for."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.kit.notify.servers import http_service
from tests.notify.test_program import configured
from yieldbot.app.context import Context
from yieldbot.notify.sending import work_of


class Kept(Context):
    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def server(context: Context, failing: str | None) -> Any:
    """The part of a server that this asks for: its context, and what became of its last reading."""
    made = SimpleNamespace(context=context, failing=failing, attempts=1, unread=(), jobs=SimpleNamespace(ends={}))
    made.newest = lambda name: SimpleNamespace(unread=made.unread)
    return made


def test_a_server_whose_readings_fail_says_so_and_when_they_work_again(tmp_path: Path) -> None:
    with http_service() as service:
        made = server(Kept(configured(tmp_path, service.url)), "no answer from the node")

        async def rounds() -> None:
            task = work_of(made)
            for failing in ("no answer", "no answer", "no answer", None):
                made.failing, made.attempts = failing, made.attempts + 1
                await task.work()
                await task.work()  # between two readings nothing is counted

        asyncio.run(rounds())
        bodies = [json.loads(body) for path, _, body in service.requests if path == "/hook"]
        texts = [one["text"] for body in bodies for one in body["findings"]]
    assert texts == ["reading fails: no answer"], "that it works again waits for the channel's next minute"
    assert made.context.lines == []


def test_a_chain_that_cannot_be_read_is_reported_by_its_name(tmp_path: Path) -> None:
    with http_service() as service:
        made = server(Kept(configured(tmp_path, service.url)), None)
        made.unread = ("vault: no answer", "testnet: node is down")

        async def rounds() -> None:
            task = work_of(made)
            for _ in range(2):
                await task.work()
                made.attempts += 1

        asyncio.run(rounds())
        bodies = [json.loads(body) for path, _, body in service.requests if path == "/hook"]
    assert [one["text"] for body in bodies for one in body["findings"]] == ["reading of testnet fails: node is down"]


def test_a_service_that_hangs_keeps_no_server_from_ending(tmp_path: Path) -> None:
    with http_service() as service:
        service.mode = "hang"
        made = server(Kept(configured(tmp_path, service.url)), "x")

        async def ended() -> None:
            task = work_of(made)
            await task.work()
            made.attempts += 1
            work = asyncio.ensure_future(task.work())
            while not service.requests:
                await asyncio.sleep(0.01)
            answers = time.monotonic()
            await asyncio.sleep(0)
            assert time.monotonic() - answers < 1, "the server answers meanwhile"
            work.cancel()

        began = time.monotonic()
        asyncio.run(ended())
        assert time.monotonic() - began < 5
