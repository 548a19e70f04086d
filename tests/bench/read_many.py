"""``python -m tests.bench.read_many CONFIG URL``: reads a job of thousands of markets in a process of its own, whose
memory is then known, and prints one JSON document. ``scripts/bench read`` runs it.

Round trips are rounds that wait for each other; the requests of one round are made at the same time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from yieldbot.app.reading import read_enough
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.observe import observe
from yieldbot.config.load import load
from yieldbot.decision.decide import Decision, decide
from yieldbot.model.amounts import BlockRef
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.reads import EthCall
from yieldbot.protocols import adapters
from yieldbot.rpc.lockstep import Answer

TIMES = 3
"""Each is done so many times; the best counts, since other programs share the machine."""


class CountingNode(Node):
    """A node that counts the rounds of reads."""

    rounds = 0

    async def block_and_base_fee(self, tag: str | int = "latest") -> tuple[BlockRef, int]:
        self.rounds += 1  # the priority fee is asked for at the same time
        return await super().block_and_base_fee(tag)

    async def _round(self, reads: Sequence[EthCall], block: BlockRef) -> list[Answer]:
        self.rounds += 1
        return await super()._round(reads, block)


async def measure(config: Path, rpc_url: str) -> dict[str, Any]:
    """The figures of one run: as `yieldbot plan` reads, and with every market in full."""
    settings = load(config)
    (job,), known = settings.jobs, adapters()
    async with CountingNode(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:

        async def once(full: Collection[MarketId] = ()) -> Snapshot:
            return await observe(node, job, known, full=full)

        async def best(work: Callable[[], Any]) -> tuple[float, Any, int, int]:
            fastest = (float("inf"), None, 0, 0)
            for _ in range(TIMES):
                rounds, requests, start = node.rounds, node.round_trips, time.perf_counter()
                found = await work()
                took = time.perf_counter() - start
                fastest = min(fastest, (took, found, node.rounds - rounds, node.round_trips - requests), key=_seconds)
            return fastest

        seconds, first, rounds, requests = await best(once)

        def decided(snapshot: Snapshot) -> Decision:
            return decide(snapshot, settings.policy, job, snapshot.block.timestamp)

        async def enough() -> Snapshot:
            full: set[MarketId] = set()

            async def observed(more: Collection[MarketId]) -> Snapshot:
                full.update(more)
                snapshot = await once(full)
                full.update(snapshot.states)
                return snapshot

            return await read_enough(observed, decided)

        enough_seconds, view, _, _ = await best(enough)
        start = time.perf_counter()
        proof = decided(view).allocation.certificate
        decision_seconds = time.perf_counter() - start
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        every = [glance.market.id for glance in first.glanced]
        full_seconds, whole, _, full_requests = await best(lambda: once(every))
    return {
        "markets": len(first.states) + len(first.glanced),
        "read_in_full": len(first.states),
        "seconds": round(seconds, 3),
        "round_trips": rounds,
        "requests": requests,
        "peak_mb": round(peak_mb),
        "with_proof_seconds": round(enough_seconds, 3),
        "with_proof_read_in_full": len(view.states),
        "decision_seconds": round(decision_seconds, 3),
        "gap_bps": round(proof.gap_bps, 4),
        "could_be_better": len(proof.unread),
        "objective_against_all": round(proof.objective / decided(whole).allocation.certificate.objective, 6),
        "all_in_full_seconds": round(full_seconds, 3),
        "all_in_full_requests": full_requests,
    }


def _seconds(one: tuple[float, Any, int, int]) -> float:
    return one[0]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(Path(sys.argv[1]), sys.argv[2]))))
