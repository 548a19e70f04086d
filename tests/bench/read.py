"""How fast 500 markets are read, against the same reads by web3.py contract calls, on the same node in one run.

The sandbox holds about ten markets; observing each of them many times gives the number of reads, and the node's work,
of as many different markets. The slow side makes the very same calls (recorded from the flows) through web3.py's
contract layer, argument encoding and result decoding included; it is timed over a sample and scaled by their number.

Then a process of its own (``read_many.py``) reads 2,000 different Morpho Blue markets: it glances at each, and reads
those in full that could matter.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.kit import ROOT
from tests.kit.evm import many_markets
from yieldbot.chains.evm.node.client import Node
from yieldbot.model.amounts import BlockRef
from yieldbot.model.reads import EthCall, Flow
from yieldbot.sandbox.evm.node import current

T = TypeVar("T")
MARKETS = 500
MANY = 2000
DAYS = 20.0
"""Days that pass after the markets are made: their rates adapt to their utilisation."""
SAMPLE = 400


def recorded(flow: Flow[T], into: list[EthCall]) -> Flow[T]:
    """The same flow, noting each read that it makes."""
    answers: Sequence[bytes] | None = None
    try:
        while True:
            reads = flow.send(answers) if answers is not None else next(flow)
            into.extend(reads)
            answers = yield reads
    except StopIteration as done:
        return done.value


def abi_by_selector(abis: Path) -> dict[bytes, dict[str, Any]]:
    """Every function of abis/*.json by its four bytes."""
    from eth_utils.abi import function_abi_to_4byte_selector

    found: dict[bytes, dict[str, Any]] = {}
    for file in sorted(abis.glob("*.json")):
        document = json.loads(file.read_text())
        entries = document if isinstance(document, list) else document.get("abi", [])
        for entry in entries:
            if entry.get("type") == "function":
                found[function_abi_to_4byte_selector(entry)] = entry
    return found


async def compare(rpc_url: str, settings: Any, adapters: Any) -> dict[str, Any]:
    """Time both sides; returns the rows of the table. Raises LookupError when no market can be read."""
    from eth_abi.abi import decode
    from web3 import HTTPProvider, Web3

    job = settings.jobs[0]
    node = Node(job.chain.chain, rpc_url, multicall3=job.chain.multicall3, timeout_seconds=60)
    async with node:
        block: BlockRef = await node.block()
        discovered = await node.run([adapters[d.protocol].discover(d) for d in job.chain.deployments], block)
        markets = [m for found in discovered if isinstance(found, tuple) for m in found if m.asset == job.asset]
        if not markets:
            raise LookupError("no market was discovered")
        chosen = [markets[i % len(markets)] for i in range(MARKETS)]

        def flows() -> list[Flow[Any]]:
            return [adapters[m.protocol].observe(m, job.wallet.address, block) for m in chosen]

        reads: list[EthCall] = []
        await node.run([recorded(flow, reads) for flow in flows()], block)
        best, trips = float("inf"), 0
        for _ in range(3):
            before, start = node.round_trips, time.perf_counter()
            await node.block()
            answers = await node.run(flows(), block)
            best, trips = min(best, time.perf_counter() - start), node.round_trips - before
    ours = sum(not isinstance(a, Exception) for a in answers)

    w3 = Web3(HTTPProvider(rpc_url))
    abis = abi_by_selector(ROOT / "abis")
    stride = max(1, len(reads) // SAMPLE)
    sample = [read for read in reads[::stride] if read.data[:4] in abis and not read.lag_blocks]
    start = time.perf_counter()
    for read in sample:
        entry = abis[read.data[:4]]
        arguments = decode([_type(i) for i in entry["inputs"]], read.data[4:])
        contract = w3.eth.contract(address=Web3.to_checksum_address(read.to), abi=[entry])
        try:
            contract.functions[entry["name"]](*arguments).call(block_identifier=block.height)
        except Exception:  # an optional read that reverts costs its time all the same
            continue
    slow = (time.perf_counter() - start) / len(sample) * len(reads)
    return {
        "markets": MARKETS,
        "markets_read": ours,
        "reads": len(reads),
        "round_trips": trips,
        "yieldbot_seconds": round(best, 4),
        "web3_contract_calls_seconds": round(slow, 3),
        "web3_sample": len(sample),
        "ratio": round(slow / best, 1),
    }


def _type(entry: dict[str, Any]) -> str:
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_type(part) for part in entry["components"]) + ")" + kind[len("tuple") :]


def main(rpc_url: str, settings: Any, adapters: Any) -> dict[str, Any]:
    """Entry of ``scripts/bench read``."""
    return asyncio.run(compare(rpc_url, settings, adapters)) | {"many": many(rpc_url, settings)}


def many(rpc_url: str, settings: Any) -> dict[str, Any]:
    """A job of 2,000 markets. Raises LookupError where no sandbox runs in the configuration's folder."""
    sandbox = current(settings.source.parent)
    if sandbox is None:
        raise LookupError("no sandbox runs there")
    file = settings.source.parent / "chains" / "sandbox.toml"
    kept, before = file.read_text(), sandbox.rpc("evm_snapshot")
    try:
        config = many_markets.listed(sandbox, many_markets.make(sandbox, MANY))
        sandbox.warp(DAYS)
        command = [sys.executable, "-m", "tests.bench.read_many", str(config), rpc_url]
        found: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
        return found
    finally:
        file.write_text(kept)
        sandbox.rpc("evm_revert", before)
