"""Ctrl-C ends a command with its own exit code, wherever it was."""

from __future__ import annotations

import argparse
import asyncio
import signal

import pytest

from yieldbot.cli import halt
from yieldbot.cli.main import INTERRUPTED, main


async def _at_work(*, again: bool) -> None:
    """Interrupted while it waits. again: what it waits for, as libraries do, cancels it once more."""
    signal.raise_signal(signal.SIGINT)
    if again:
        this = asyncio.current_task()
        assert this is not None
        this.cancel()
    await asyncio.sleep(60)


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_in_an_event_loop(
    again: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(args: argparse.Namespace, context: object) -> int:
        asyncio.run(_at_work(again=again))
        return 0

    monkeypatch.setattr(halt, "halt", work)
    assert main(["halt"]) == INTERRUPTED
    assert capfd.readouterr().err.splitlines() == ["yieldbot: interrupted"]
