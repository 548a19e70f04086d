"""A sandbox of a file's own with the protocols that it needs, and our funded wallet on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.bench.accuracy import Accuracy
from yieldbot.config.load import load
from yieldbot.protocols import adapters
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.node import Sandbox
from yieldbot.sandbox.evm.protocols import found


@pytest.fixture(scope="module")
def own_sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for one test file. ``NEEDS`` in that file names the protocols to deploy in addition to the sandbox's
    own market; without it all are deployed."""
    protocols = getattr(request.module, "NEEDS", found())
    with running_sandbox(tmp_path_factory.mktemp("own"), protocols=protocols) as sandbox:
        yield sandbox


@pytest.fixture
async def chain(own_sandbox: Sandbox) -> AsyncIterator[Accuracy]:
    """Our funded wallet on the sandbox, whose node sends for any account without a signature."""
    (job,) = load(own_sandbox.config).jobs
    async with own_sandbox.node() as node:
        snapshot = await node.request("evm_snapshot", [])
        yield Accuracy(node, job, adapters())
        await node.request("evm_revert", [snapshot])
