"""An EVM chain in the past: the same adapters at past blocks, through a node that keeps their states (an archive
node)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field, replace

from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.connect import connect
from yieldbot.chains.evm.observe import observe
from yieldbot.chains.ports import ArchiveWatch
from yieldbot.model.amounts import BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Snapshot
from yieldbot.model.settings import Job
from yieldbot.protocols import adapters

FIRST = 1
"""The first block with a usable time: the time of a chain's block 0 is often 0."""


@dataclass(slots=True)
class _ArchiveWatch:
    """See ``ArchiveWatch``."""

    job: Job
    """The job whose markets are read."""
    node: Node
    """An archive node."""
    known: list[BlockRef] = field(default_factory=list)
    """Blocks whose times are known, ascending."""

    @property
    def round_trips(self) -> int:
        return self.node.round_trips

    async def verify_chain(self) -> None:
        await self.node.verify_chain()

    async def newest(self) -> BlockRef:
        found = await self.node.block()
        self._note(found)
        return found

    async def block_before(self, moment: int, slack_seconds: int = 0) -> BlockRef | None:
        """Found by interpolation between two blocks whose times are known: two or three requests on chains with regular
        blocks."""
        if not self.known:
            await self.newest()
        if self.known[0].height > FIRST and self.known[0].timestamp > moment:
            self._note(await self.node.block(FIRST))
        if self.known[0].timestamp > moment:
            return None
        halves = False
        while True:
            at = bisect_right(self.known, moment, key=lambda one: one.timestamp) - 1
            low = self.known[at]
            high = self.known[at + 1] if at + 1 < len(self.known) else None
            if high is None or high.height - low.height <= 1 or moment - low.timestamp <= slack_seconds:
                return low
            part = 0.5 if halves else (moment - low.timestamp) / max(1, high.timestamp - low.timestamp)
            guess = low.height + int(part * (high.height - low.height))
            halves = not halves
            self._note(await self.node.block(min(max(guess, low.height + 1), high.height - 1)))

    async def observe(self, block: BlockRef) -> Snapshot:
        return await observe(self.node, self.job, adapters(), at=block)

    def _note(self, block: BlockRef) -> None:
        at = bisect_right(self.known, block.height, key=lambda one: one.height)
        if not at or self.known[at - 1].height != block.height:
            self.known.insert(at, block)


@asynccontextmanager
async def open_archive(job: Job) -> AsyncIterator[ArchiveWatch]:
    """Opens the job's chain in the past. Merkl's API is not queried, since it has no rewards of past blocks."""
    async with connect(job.chain, timeout_seconds=30.0) as node:
        yield _ArchiveWatch(replace(job, chain=replace(job.chain, merkl=None)), node)
