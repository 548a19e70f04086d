"""The process that signs ends with the signer, however either ends: nothing is signed after SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.kit.signer import Signer
from yieldbot.app import signer_work
from yieldbot.signer import running
from yieldbot.signer.running import Worker

STUBBORN = """#!/bin/sh
trap '' TERM INT HUP
sleep 300 & echo "begins to sign $!" >&2
wait
echo signed >"$0.signed"
"""
"""Stands for the process that signs where it is in the middle of something and hears no signal."""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def test_what_signs_is_killed_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer, program = Signer(tmp_path / "signer"), tmp_path / "stubborn"
    program.write_text(STUBBORN)
    program.chmod(0o755)
    monkeypatch.setattr(running, "sys", SimpleNamespace(executable=str(program)))
    monkeypatch.setattr(running, "KILL_AFTER_SECONDS", 0.2)
    worker = Worker(signer.context, signer.intake, 60.0)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while not (found := [line for line in signer.context.lines if "begins to sign" in line]):
            await asyncio.sleep(0.01)
    inner = int(found[0].rpartition(" ")[2])
    assert alive(inner)
    began = time.monotonic()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert time.monotonic() - began < 10 and not alive(inner)
    assert not program.with_name("stubborn.signed").exists()
    signer.journal.close()


def test_what_signs_ends_at_once_when_the_signer_is_killed() -> None:
    """Its standard input closes then."""
    reading, writing = os.pipe()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(reading, 0)
        os.close(writing)
        signer_work.end_with_the_signer()
        os.write(told, b"x")
        time.sleep(300)
        os._exit(0)
    os.close(reading)
    assert os.read(ready, 1) == b"x"
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    for one in (ready, told):
        os.close(one)
