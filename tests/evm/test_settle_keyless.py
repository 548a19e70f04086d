"""An outcome that a run did not wait for is recorded by a process without a key, from a real chain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.kit.evm.world import transactions, world
from yieldbot.app import cycle
from yieldbot.app.context import Context
from yieldbot.app.settle import settle
from yieldbot.chains.evm.execution import transact
from yieldbot.errors import PendingError
from yieldbot.execution.approvals import Auto
from yieldbot.execution.lock import run_lock
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox


async def test_it_is_recorded_once_and_nothing_is_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(*words: Any, **more: Any) -> Any:
        raise PendingError("the run ended before it was mined")

    with monkeypatch.context() as patch, world(sandbox, Auto) as w:
        patch.setattr(transact, "confirm", gone)
        with pytest.raises(PendingError):
            await cycle.run_job(w, w.settings.jobs[0])
    sent = int(sandbox.rpc("eth_getTransactionCount", sandbox.wallet, "pending"), 16)  # mined by now or not
    context = Context(sandbox.directory / "yieldbot.toml")
    found = await asyncio.to_thread(settle, context)
    assert (found.settled, found.waits, found.failures, found.exit_code) == (1, (), (), 0)
    with Journal.read(context.settings.data_dir / "journal.sqlite") as journal:
        (tx,) = journal.transactions()
    assert isinstance(tx.outcome, Confirmed) and tx.outcome.deltas and transactions(sandbox) == sent
    with run_lock(context.settings.data_dir):  # nothing is open any more: no lock is needed
        assert (await asyncio.to_thread(settle, context)).settled == 0
