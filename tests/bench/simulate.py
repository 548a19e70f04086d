"""What a rehearsal costs: a deposit with its allowance on a fresh fork, against a bare ``eth_call`` of the deposit.

The fork runs the exact transactions, shows every balance change, gas and event, and cannot touch the upstream; eth_call
only tells whether one call reverts (here it reverts for want of the allowance: its time is what is measured). The ratio
is the price of the safer way; both are medians over the same rounds of one run.

A whole plan's rehearsal is measured twice too: with the way out of every market that it goes into, and without.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.evm.execution.rehearse import rehearse
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.node.fork import forks
from yieldbot.chains.evm.observe import observe
from yieldbot.chains.evm.session import JobSession, open_session
from yieldbot.decision.decide import decide
from yieldbot.errors import NodeRefused
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.world import Wiring
from yieldbot.journal.store import Journal
from yieldbot.model.market import MarketState, Status
from yieldbot.model.plan import Plan
from yieldbot.model.settings import Settings
from yieldbot.model.tx import EvmCall
from yieldbot.protocols.evm.base import YieldAdapter

ROUNDS, PLAN_ROUNDS = 15, 7
APPROVE = bytes.fromhex("095ea7b3")


async def compare(rpc_url: str, settings: Settings, adapters: Mapping[str, YieldAdapter]) -> dict[str, Any]:
    """Milliseconds of both ways and their ratio, for a deposit of 1,000 whole tokens into the first open market."""
    job = settings.jobs[0]
    async with Node(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60) as node:
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
    plans = await _plans(settings)
    whole, start, bare = (statistics.median(row) * 1000 for row in (forked, started, called))
    return {
        "market": state.market.name,
        "rounds": ROUNDS,
        "fork_start_ms": round(start, 1),
        "fork_deposit_ms": round(whole, 1),
        "eth_call_ms": round(bare, 2),
        "ratio": round(whole / bare, 1),
        **plans,
    }


async def _plans(settings: Settings) -> dict[str, Any]:
    """Milliseconds of the first plan's rehearsal with its ways out and without them, and the ratio."""
    job = settings.jobs[0]
    with tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder, Journal.open(Path(folder) / "j") as journal:
        world = Wiring(
            settings=settings,
            journal=journal,
            approver=DeclineAll(),
            signer_of=lambda wallet: None,
            now=lambda: int(time.time()),
            say=lambda line: None,
        )
        async with open_session(world, job) as live:
            assert isinstance(live, JobSession)
            seen = await live.observe()
            plan = decide(seen, settings.policy, job, world.now()).outcome
            assert isinstance(plan, Plan), plan
            took: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(PLAN_ROUNDS):
                for ways_out in (True, False):
                    live.known = frozenset() if ways_out else frozenset(range(len(plan.legs)))
                    begin = time.perf_counter()
                    found = await rehearse(live.account, live.works(plan, seen), seen.block)
                    took[ways_out].append(time.perf_counter() - begin)
                    assert isinstance(found, Rehearsal), found
    with_it, without = (statistics.median(took[ways_out]) * 1000 for ways_out in (True, False))
    return {
        "plan_legs": len(plan.legs),
        "plan_rounds": PLAN_ROUNDS,
        "rehearsal_with_way_out_ms": round(with_it, 1),
        "rehearsal_without_way_out_ms": round(without, 1),
        "way_out_ratio": round(with_it / without, 2),
    }


def _open(state: MarketState) -> bool:
    roomy = state.capacity is None or float(state.capacity) > 1000
    return state.status is Status.ACTIVE and state.market.protocol != "idle" and roomy


async def _deposit(fork: Node, owner: str, call: EvmCall) -> None:
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
            raise RuntimeError(f"{call.description} reverted on the fork")


def main(rpc_url: str, settings: Settings, adapters: Mapping[str, YieldAdapter]) -> dict[str, Any]:
    """Entry of ``scripts/bench simulate``."""
    return asyncio.run(compare(rpc_url, settings, adapters))
