"""Uniswap v3 swaps by our own arithmetic: how far from QuoterV2's answers over random pools (0 units), and how fast.

Pools at random prices with random positions, amounts of 25 orders of magnitude, both ways, exact in and exact out, a
fifth of them up to a price limit. QuoterV2 runs the pool itself in an eth_call; it is timed through web3.py's contract
layer, one quote after the other, over a sample; ours over the same questions. Reading the pool for us is timed apart.
And how far from the best a split over 20 pools may be, by its own bound.
Curve's StableSwap the same, in each of its flavours, against the get_dy of a double: no package has its contracts.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

from tests.kit.pools import FEES, compare, new_pool, uniswap
from tests.kit.stable_pools import FLAVOURS, coins_of, listed, made, questions, read
from tests.kit.stable_pools import compare as compare_stable
from tests.kit.venues import venues_of
from yieldbot.allocator.split import split
from yieldbot.chains.evm.node.client import Node
from yieldbot.math.concentrated import MOST_TICK, Unswappable, V3Pool
from yieldbot.math.stableswap import get_dy
from yieldbot.model.address import checksummed
from yieldbot.protocols.evm.abi import abi
from yieldbot.protocols.evm.uniswap_v3 import read_pool
from yieldbot.sandbox.evm.deployer import Deployer

POOLS = 40
QUOTES = 100
SAMPLE = 60
SPLITS = 50
STABLE_POOLS = 5
"""Of each flavour."""
SEED = 20_000


async def measured(rpc_url: str, settings: Any) -> dict[str, Any]:
    """The rows of the table. AssertionError for an answer that is a unit off."""
    from web3 import HTTPProvider, Web3

    job = settings.jobs[0]
    same = refused = 0
    reading, ours, slow, asked = [], 0.0, 0.0, 0
    async with Node(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
        for number in range(POOLS):
            snapshot = await node.request("evm_snapshot", [])
            draw = random.Random(SEED + number)
            world = await uniswap(node)
            fee = draw.choice(list(FEES))
            address = await new_pool(world, draw, fee)
            start = time.perf_counter()
            (pool,) = await node.run([read_pool(address, 2 * MOST_TICK)], await node.block())
            reading.append(time.perf_counter() - start)
            assert isinstance(pool, V3Pool)
            one, other = await compare(world, pool, draw, fee, QUOTES)
            same, refused = same + one, refused + other
            if number % 8 == 0:
                w3 = Web3(HTTPProvider(rpc_url))
                quoter = w3.eth.contract(address=Web3.to_checksum_address(world.quoter.address), abi=world.quoter.abi)
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
        stable = await _stable(node)
    return (
        _split()
        | stable
        | {
            "pools": POOLS,
            "quotes": same + refused,
            "same_to_the_unit": same,
            "refused_by_both": refused,
            "pool_read_ms": round(sorted(reading)[len(reading) // 2] * 1e3, 1),
            "our_quote_us": round(ours / asked * 1e6, 1),
            "quoter_through_web3_us": round(slow / asked * 1e6, 1),
            "ratio": round(slow / ours),
        }
    )


async def _stable(node: Node) -> dict[str, Any]:
    """Curve's pools: our answers against the double's, and the time of ours against a get_dy through our own node."""
    d = Deployer(node, [checksummed(account) for account in await node.request("eth_accounts", [])])
    same = refused = asked = 0
    reading, ours, slow = [], 0.0, 0.0
    snapshot = await node.request("evm_snapshot", [])
    for number, flavour in enumerate(flavour for flavour in FLAVOURS for _ in range(STABLE_POOLS)):
        draw = random.Random(SEED + number)
        pool, tokens = await made(d, draw, flavour, coins_of(draw, flavour))
        (first, *_) = await listed(d, flavour, pool, tokens)
        start = time.perf_counter()
        state = await read(d, first)
        reading.append(time.perf_counter() - start)
        one, other = await compare_stable(d, draw, state, pool, QUOTES)
        same, refused = same + one, refused + other
        for question in questions(draw, state, SAMPLE // 10):
            start = time.perf_counter()
            try:
                get_dy(state, *question)
            except Unswappable:
                continue
            ours += time.perf_counter() - start
            data = abi("curve_stableswap").encode("get_dy", *question)
            start = time.perf_counter()
            await node.call(checksummed(pool.address), data)
            slow += time.perf_counter() - start
            asked += 1
    await node.request("evm_revert", [snapshot])
    return {
        "curve_double_pools": STABLE_POOLS * len(FLAVOURS),
        "curve_double_quotes": same + refused,
        "curve_double_same_to_the_unit": same,
        "curve_double_refused_by_both": refused,
        "curve_double_pool_read_ms": round(sorted(reading)[len(reading) // 2] * 1e3, 1),
        "curve_our_quote_us": round(ours / asked * 1e6, 1),
        "curve_double_get_dy_us": round(slow / asked * 1e6, 1),
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
