"""Uniswap v3 swaps by our own arithmetic: how far from QuoterV2's answers over random pools (0 units), and how fast.

Pools at random prices with random positions, amounts of 25 orders of magnitude, both ways, exact in and exact out, a
fifth of them up to a price limit. QuoterV2 runs the pool itself in an eth_call; it is timed through web3.py's contract
layer, one quote after the other, over a sample; ours over the same questions. Reading the pool for us is timed apart.
And how far from the best a split over 20 pools may be, by its own bound.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

from tests.fork.pools import FEES, compare, new_pool, uniswap
from tests.property.test_split import venues_of
from yieldbot.allocator.split import split
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool
from yieldbot.protocols.uniswap_v3 import read_pool
from yieldbot.rpc.evm import EvmNode

POOLS = 40
QUOTES = 100
SAMPLE = 60
SPLITS = 50
SEED = 20_000


async def measured(rpc_url: str, settings: Any) -> dict[str, Any]:
    """The rows of the table. AssertionError for an answer that is a unit off."""
    from web3 import HTTPProvider, Web3

    job = settings.jobs[0]
    same = refused = 0
    read, ours, slow, asked = [], 0.0, 0.0, 0
    async with EvmNode(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
        for number in range(POOLS):
            snapshot = await node.request("evm_snapshot", [])
            draw = random.Random(SEED + number)
            world = await uniswap(node)
            fee = draw.choice(list(FEES))
            address = await new_pool(world, draw, fee)
            start = time.perf_counter()
            (pool,) = await node.run([read_pool(address, 2 * MOST_TICK)], await node.block())
            read.append(time.perf_counter() - start)
            assert isinstance(pool, V3Pool)
            one, other = await compare(world, pool, draw, fee, QUOTES)
            same, refused = same + one, refused + other
            if number % 8 == 0:
                w3 = Web3(HTTPProvider(rpc_url))
                quoter = w3.eth.contract(
                    address=Web3.to_checksum_address(world.quoter.address), abi=world.quoter._web3.abi
                )
                pair = [token.address for token in world.tokens]
                for _ in range(SAMPLE):
                    amount = int(10 ** draw.uniform(3, 18))
                    start = time.perf_counter()
                    try:
                        pool.swap(amount, True)
                    except Unswappable:
                        continue
                    ours += time.perf_counter() - start
                    start = time.perf_counter()
                    with suppress(Exception):  # a revert costs its time all the same
                        quoter.functions.quoteExactInputSingle((*pair, amount, fee, 0)).call()
                    slow += time.perf_counter() - start
                    asked += 1
            await node.request("evm_revert", [snapshot])
    return _split() | {
        "pools": POOLS,
        "quotes": same + refused,
        "same_to_the_unit": same,
        "refused_by_both": refused,
        "pool_read_ms": round(sorted(read)[len(read) // 2] * 1e3, 1),
        "our_quote_us": round(ours / asked * 1e6, 1),
        "quoter_through_web3_us": round(slow / asked * 1e6, 1),
        "ratio": round(slow / ours),
    }


def _split() -> dict[str, Any]:
    """How far from the best a split over 20 pools can be, at most, and how long it takes."""
    gaps, took = [], []
    for number in range(SPLITS):
        draw = random.Random(SEED + number)
        venues = venues_of(draw, 20, draw.random() < 0.5)
        start = time.perf_counter()
        found = split(venues, 10 ** draw.randint(12, 20))
        took.append(time.perf_counter() - start)
        gaps.append(found.gap_bps)
    return {
        "splits_of_20_pools": SPLITS,
        "worst_gap_bps": round(max(gaps), 6),
        "split_ms": round(sorted(took)[SPLITS // 2] * 1e3),
    }


def main(rpc_url: str, settings: Any, adapters: Any) -> dict[str, Any]:
    """Entry of ``scripts/bench swap``."""
    return asyncio.run(measured(rpc_url, settings))
