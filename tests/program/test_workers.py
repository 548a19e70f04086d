"""Worker processes of a server: what they ask of nodes and how they end is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.kit.api.served import Served
from tests.unit.api.test_metrics import figures
from tests.unit.app.test_overview import Quiet, context
from yieldbot.app import stored_secrets
from yieldbot.app.workers import WorkerFailed, Workers

__all__ = ["context"]


def test_requests_to_nodes_are_counted_in_a_real_worker_by_number_and_outcome(context: Quiet) -> None:
    """The node's address has a key in its path, which is in no label; nobody answers at its port. It is in the
    encrypted file, whose passphrase only this process was given: the worker gets its key through standard input."""
    (context.config.parent / ".env").unlink()
    answers = ["four plain words", "four plain words", "http://127.0.0.1:9/KEY-IN-THE-PATH"]
    context.secret = lambda question: answers.pop(0)
    stored_secrets.set_(stored_secrets.SetSecretRequest(name="TESTNET_RPC_URL", piped=str), context)
    context.secret = None
    served = Served(context)
    del served.service.workers.run  # type: ignore[method-assign]
    asyncio.run(served.service.jobs.run("watch"))
    found = figures(served, served.key("read"))
    name = "yieldbot_rpc_request_duration_seconds_"
    where = (("outcome", "unreachable"), ("provider", "testnet-1"))
    assert found[(f"{name}count", where)] >= 1 and found[(f"{name}sum", where)] > 0
    assert found[(f"{name}bucket", (("le", "+Inf"), *where))] == found[(f"{name}count", where)]
    assert {dict(labels)["provider"] for one, labels in found if one.startswith(name)} == {"testnet-1"}


def test_jobs_are_counted_by_how_they_end(context: Quiet) -> None:
    """With real worker processes: one that ends with an error of ours, and one that is no job."""
    ended: list[tuple[str, str]] = []

    async def both() -> None:
        workers = Workers(context.config.absolute(), lambda line: None)
        workers.ended = lambda job, outcome, seconds: ended.append((job, outcome))
        with pytest.raises(WorkerFailed, match="no job has it"):
            await workers.run("plan", {"jobs": {"wallet": "nobody"}}, 60.0)
        with pytest.raises(WorkerFailed, match="ended without an answer"):
            await workers.run("nothing", {}, 60.0)
        with pytest.raises(WorkerFailed, match="no answer within 0 s"):
            await workers.run("plan", {}, 0.01)
        await workers.close()
        with pytest.raises(WorkerFailed, match="stopping"):
            await workers.run("plan", {}, 60.0)

    asyncio.run(both())
    assert [outcome for _, outcome in ended] == ["ConfigError", "WorkerFailed", "WorkerFailed", "WorkerFailed"]
    assert not list(Path(context.config).parent.glob("core*"))
