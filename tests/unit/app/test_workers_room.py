"""Workers: the server's own reading waits for no caller, callers' jobs wait in a short line, and a machine without room
ends nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from yieldbot.app.workers import MOST_AT_ONCE, MOST_WAITING, WorkerFailed, Workers


async def test_no_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*words: Any, **more: Any) -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", full)
    workers = Workers(tmp_path, print)
    for _ in range(MOST_AT_ONCE + 1):
        with pytest.raises(WorkerFailed, match="no process could be started: Too many open files"):
            await workers.run("plan", {}, 1.0)


async def test_a_reading_waits_for_no_caller_and_callers_wait_in_a_short_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers, begun, go = Workers(tmp_path, print), list[str](), asyncio.Event()

    async def started(job: str) -> Any:
        begun.append(job)
        await go.wait()
        raise WorkerFailed(job)

    monkeypatch.setattr(workers, "_started", started)
    asked = [asyncio.create_task(workers.run("queue", {}, 1.0)) for _ in range(MOST_AT_ONCE + MOST_WAITING)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(WorkerFailed, match=f"{MOST_WAITING} jobs wait already"):
        await workers.run("queue", {}, 1.0)
    reading = asyncio.create_task(workers.run("newest", {}, 1.0, own=True))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == ["queue"] * MOST_AT_ONCE + ["newest"]
    asked[-1].cancel()
    go.set()
    await asyncio.gather(*asked, reading, return_exceptions=True)
    assert len(begun) == MOST_AT_ONCE + MOST_WAITING and workers._waiting == 0
