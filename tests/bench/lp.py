"""Liquidity orders in random Uniswap v3 pools: how far their results are from the predictions (0 units), and how long
reading a position exactly takes.

Random pools, ranges and amounts over 18 orders of magnitude; each position is opened, compounded, added to, collected,
halved and emptied with trades in between, on the real position manager. Errors are base units of both tokens, summed.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from tests.kit.lp_play import Tally, play
from tests.kit.pools import uniswap
from yieldbot.chains.evm.node.client import Node

POOLS = 24
POSITIONS = 12
SEED = 30_000


async def measured(rpc_url: str, settings: Any) -> dict[str, Any]:
    """The rows of the table. AssertionError for a unit of error, or an allowance that is left."""
    job, tally, start = settings.jobs[0], Tally(), time.perf_counter()
    async with Node(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
        for number in range(POOLS):
            snapshot = await node.request("evm_snapshot", [])
            await play(await uniswap(node), random.Random(SEED + number), tally, POSITIONS)
            await node.request("evm_revert", [snapshot])
    assert tally.errors == 0 and tally.left_allowed == 0, tally
    return {
        "pools": POOLS,
        "positions": tally.played["add"],
        "orders": sum(tally.played.values()),
        "by_kind": tally.played,
        "error_units": tally.errors,
        "allowance_left_units": tally.left_allowed,
        "seconds": round(time.perf_counter() - start),
    }


def main(rpc_url: str, settings: Any, adapters: Any) -> dict[str, Any]:
    """Entry of ``scripts/bench lp``."""
    return asyncio.run(measured(rpc_url, settings))
