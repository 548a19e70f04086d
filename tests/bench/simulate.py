"""What a rehearsal costs: a deposit with its allowance on a fresh fork, against a bare ``eth_call`` of the deposit.

The fork runs the exact transactions, shows every balance change, gas and event, and cannot touch the upstream; eth_call
only tells whether one call reverts (here it reverts for want of the allowance: its time is what is measured). The ratio
is the price of the safer way; both are medians over the same rounds of one run.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from yieldbot.errors import NodeRefused
from yieldbot.model.market import MarketState, Status
from yieldbot.model.policy import Settings
from yieldbot.model.tx import EvmCall
from yieldbot.observe import observe
from yieldbot.protocols.base import YieldAdapter
from yieldbot.rpc.anvil import find_anvil
from yieldbot.rpc.evm import EvmNode
from yieldbot.rpc.fork import forks

ROUNDS = 15
APPROVE = bytes.fromhex("095ea7b3")


async def compare(rpc_url: str, settings: Settings, adapters: Mapping[str, YieldAdapter]) -> dict[str, Any]:
    """Milliseconds of both ways and their ratio, for a deposit of 1,000 whole tokens into the first open market."""
    job = settings.jobs[0]
    async with EvmNode(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
        seen = await observe(node, job, adapters)
        state = next(s for s in seen.states.values() if _open(s))
        owner = job.wallet.address
        (call,) = adapters[state.market.protocol].deposit(state, job.asset.parse("1000"), owner)
        fork_of_block = forks(node, find_anvil(settings.anvil))
        forked, started, called = [], [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            async with fork_of_block(seen.block) as fork:
                started.append(time.perf_counter() - begin)
                await _deposit(fork, owner, call)
            forked.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            with suppress(NodeRefused):
                await node.call(call.to, call.data, seen.block, owner)
            called.append(time.perf_counter() - begin)
    whole, start, bare = (statistics.median(row) * 1000 for row in (forked, started, called))
    return {
        "market": state.market.name,
        "rounds": ROUNDS,
        "fork_start_ms": round(start, 1),
        "fork_deposit_ms": round(whole, 1),
        "eth_call_ms": round(bare, 2),
        "ratio": round(whole / bare, 1),
    }


def _open(state: MarketState) -> bool:
    roomy = state.capacity is None or float(state.capacity) > 1000
    return state.status is Status.ACTIVE and state.market.protocol != "idle" and roomy


async def _deposit(fork: EvmNode, owner: str, call: EvmCall) -> None:
    allowance = call.allowance
    assert allowance is not None
    await fork.request("anvil_impersonateAccount", [owner])
    allow = APPROVE + bytes(12) + bytes.fromhex(allowance.spender[2:]) + allowance.raw.to_bytes(32, "big")
    for to, data in ((allowance.token.address, allow), (call.to, call.data)):
        sent = {"from": owner, "to": to, "data": "0x" + data.hex(), "gas": hex(3_000_000)}
        name = await fork.request("eth_sendTransaction", [sent])
        receipt = None
        while receipt is None:
            receipt = await fork.request("eth_getTransactionReceipt", [name])
        if receipt["status"] != "0x1":
            raise RuntimeError(f"{call.words} reverted on the fork")


def main(rpc_url: str, settings: Settings, adapters: Mapping[str, YieldAdapter]) -> dict[str, Any]:
    """Entry of ``scripts/bench simulate``."""
    return asyncio.run(compare(rpc_url, settings, adapters))
