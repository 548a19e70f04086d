"""The process of the Solana sandbox's node: ``python -m yieldbot.sandbox.solana.run GENESIS WALLET TIMESTAMP TOKEN``,
with ``--auto`` where slots follow the wall clock, and the names of protocols beside those of its own market.

Prints its URL once it serves. Ends on SIGTERM, or at the end of standard input if its parent asks for that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

from yieldbot.model.ids import Address, svm_chain
from yieldbot.sandbox.solana.cluster import Cluster
from yieldbot.sandbox.solana.market import STANDARD, market
from yieldbot.sandbox.solana.server import serve


async def run(genesis: str, wallet: Address, timestamp: int, auto: bool, also: Sequence[str] = ()) -> None:
    """Serve until SIGTERM, or the end of standard input."""
    began = time.monotonic()

    def fresh() -> Cluster:
        cluster = Cluster(genesis, auto=auto, timestamp=timestamp + int(time.monotonic() - began))
        found = market(svm_chain(genesis), cluster.slot, cluster.timestamp, wallet, (*STANDARD, *also))
        cluster.set(found.images)
        cluster.published = dict(found.published)
        cluster.set({address: made(cluster.timestamp) for address, made in found.published.items()})
        cluster.each_epoch.extend(found.each_epoch)
        return cluster

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if os.environ.get("YIELDBOT_DIES_WITH_STDIN"):
        loop.add_reader(sys.stdin.fileno(), ended.set)  # nothing is ever written there: readable means closed
    async with serve(fresh) as url:
        print(url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    further = [word for word in sys.argv[5:] if word != "--auto"]
    asyncio.run(run(sys.argv[1], Address(sys.argv[2]), int(sys.argv[3]), "--auto" in sys.argv, further))
