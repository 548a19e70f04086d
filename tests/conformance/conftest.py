"""The sandbox's chain as these tests drive it; it is put back after each."""

from collections.abc import AsyncIterator

import pytest

from tests.bench.accuracy import Accuracy
from yieldbot.config.load import load
from yieldbot.protocols import adapters
from yieldbot.sandbox.node import Sandbox


@pytest.fixture
async def chain(sandbox: Sandbox) -> AsyncIterator[Accuracy]:
    """Our funded wallet on the sandbox, whose node sends for any account without a signature."""
    (job,) = load(sandbox.config).jobs
    async with sandbox.node() as node:
        yield Accuracy(node, job, adapters())
