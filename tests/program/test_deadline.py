"""A run that hangs ends at its deadline, releases its lock and says where it was."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.policies import loose
from yieldbot.app import deadline as module
from yieldbot.app.deadline import Deadline, run_within
from yieldbot.errors import PendingError, RunTimedOut
from yieldbot.execution.world import Wiring

JOB: Any = SimpleNamespace(
    chain=SimpleNamespace(chain="eip155:1"), wallet=SimpleNamespace(address="0x" + "11" * 20),
    asset=SimpleNamespace(address="0x" + "22" * 20), assets=(),
)  # fmt: skip


def world(seconds: int, open_ones: list[Any]) -> Wiring:
    settings: Any = SimpleNamespace(policy=replace(loose(horizon_days=30.0), run_timeout_seconds=seconds), jobs=())
    journal: Any = SimpleNamespace(open_transactions=lambda chain, owner: open_ones, last_held=lambda chain: {})
    nothing: Any = None
    return Wiring(
        settings=settings, journal=journal, approver=nothing, signer_of=nothing,
        now=lambda: 0, say=lambda line: None,
    )  # fmt: skip


def test_what_awaits_for_ever_is_cancelled_and_closed() -> None:
    given = Deadline(world(1, []))
    closed = []

    async def work() -> None:
        try:
            given.world.say("rehearsing 2 legs on a fork of block 7")
            await asyncio.sleep(600)
        finally:
            closed.append(1)

    began = time.monotonic()
    with pytest.raises(RunTimedOut, match=r"1 s \(policy.run_timeout_seconds\) have passed; it was at: rehearsing 2"):
        run_within(given, JOB, work)
    assert time.monotonic() - began < 5 and closed == [1]
    with pytest.raises(RunTimedOut, match="not begun"):
        run_within(given, JOB, work)


def test_while_a_transaction_is_open_it_says_so() -> None:
    stuck = SimpleNamespace(signed=SimpleNamespace(hash="0xabc"))

    async def work() -> None:
        await asyncio.sleep(600)

    with pytest.raises(PendingError, match="it was at: settling what is open; 0xabc is still open: run again"):
        run_within(Deadline(world(1, [stuck])), JOB, work)


def test_what_never_awaits_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.2)

    async def spins() -> None:
        while True:
            pass

    with pytest.raises(RunTimedOut, match="settled by the next run"):
        run_within(Deadline(world(1, [])), JOB, spins)


def test_an_error_of_the_work_itself_is_not_the_deadlines() -> None:
    async def work() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        run_within(Deadline(world(60, [])), JOB, work)
