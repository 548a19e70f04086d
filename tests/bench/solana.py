"""Solana: how fast 100 reserves are observed and decoded, and what a dry run costs, cold and warm.

Observed are 100 different reserves of Kamino's double on a local cluster, over HTTP as any node. Decoding is held
against klend-sdk's own decoder in node, on the same bytes in the same run: it reads every field of a reserve where we
read those that decide. The SDK is installed for this alone, from a lock file; where that cannot be, the row says so. A
dry run observes, decides and rehearses the plan on a fork: as a process of its own, and where it was done before. Its
rehearsal is timed with the way out of each market and without.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring

RESERVES = 100
ROUNDS = 5
KLEND = Path(__file__).parent / "klend"
GENESIS = "11111111111111111111111111111112"


def compare() -> dict[str, Any]:
    """The rows of the table."""
    return asyncio.run(_observed()) | _dry_run()


async def _observed() -> dict[str, Any]:
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.amounts import Token
    from yieldbot.model.deployment import Deployment
    from yieldbot.model.ids import Address, svm_chain
    from yieldbot.protocols.solana.kamino_lend import ADAPTER, reserve_of
    from yieldbot.protocols.solana.layout import layout
    from yieldbot.sandbox.solana.cluster import Cluster
    from yieldbot.sandbox.solana.images import mint, named
    from yieldbot.sandbox.solana.protocols.kamino_lend import KaminoTerms, kamino_market, kamino_reserve
    from yieldbot.sandbox.solana.server import serve

    chain = svm_chain(GENESIS)
    cluster = Cluster(GENESIS, auto=False)
    lending, images = kamino_market()
    owner, tokens, reserves = named("bench", "owner"), [], []
    for i in range(RESERVES):
        token = Token(chain, named("bench", str(i)), f"T{i}", 6)
        terms = KaminoTerms(available_raw=(i + 1) * 10**12, borrowed_raw=(2 * i + 1) * 10**12)
        reserve, more = kamino_reserve(lending, token.address, 6, cluster.slot, terms, f"bench {i}")
        images |= more | {token.address: mint(named("bench", "authority"), 10**18, 6)}
        tokens.append(token)
        reserves.append(reserve)
    cluster.set(images)
    params = {"program": lending.program, "reserves": reserves}
    async with serve(lambda: cluster) as url, Node(chain, url) as node:
        block = await node.block()
        (markets,) = await node.run(
            [ADAPTER.discover(Deployment("kamino_lend", chain, "Bench", params, tuple(tokens)))], block
        )
        assert isinstance(markets, tuple) and len(markets) == RESERVES
        took, trips = [], 0
        for _ in range(ROUNDS):
            before, start = node.endpoint.round_trips, time.perf_counter()
            answers = await node.run([ADAPTER.observe(m, owner, block) for m in markets], block)
            took.append(time.perf_counter() - start)
            trips = node.endpoint.round_trips - before
        read = sum(not isinstance(a, Exception) for a in answers)
    data = [image.data for r in reserves if (image := cluster.newest(Address(r))) is not None]
    codec = layout("kamino_lend")
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for one in data:
            reserve_of(codec.decode("Reserve", one))
        best = max(best, len(data) / (time.perf_counter() - start))
    theirs = _klend(data)
    if isinstance(theirs, dict):
        ours = [str(reserve_of(codec.decode("Reserve", one)).available_raw) for one in data]
        assert theirs["available"] == ours, "both read the same"
    rival = round(theirs["per_second"]) if isinstance(theirs, dict) else theirs
    return {
        "reserves": read,
        "observe_seconds": round(statistics.median(took), 4),
        "round_trips": trips,
        "decoded_per_second": round(best),
        "klend_sdk_decoded_per_second": rival,
        "ratio": round(best / rival, 1) if isinstance(rival, int) else None,
    }


def _klend(data: list[bytes]) -> dict[str, Any] | str:
    """What klend-sdk's decoder does with the same accounts, or why it could not be asked."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return "not measured: npm and node are not here"
    with tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder:
        for file in KLEND.iterdir():
            shutil.copy(file, folder)
        shutil.copy(KLEND.parents[2] / ".npmrc", folder)
        installed = subprocess.run([npm, "ci", "--silent"], cwd=folder, capture_output=True, check=False, timeout=300)
        if installed.returncode:
            return "not measured: npm could not install @kamino-finance/klend-sdk"
        lines = "\n".join(base64.b64encode(one).decode() for one in data)
        done = subprocess.run([node, "decode.cjs"], cwd=folder, input=lines, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


async def _rehearsed(world: Wiring) -> dict[str, Any]:
    """Milliseconds of a plan's rehearsal on a fork, and without the way out of each of its markets."""
    from yieldbot.chains.solana.execution.rehearsal import Rehearsal
    from yieldbot.chains.solana.execution.rehearse import rehearse
    from yieldbot.chains.solana.session import JobSession, open_session
    from yieldbot.decision.decide import decide
    from yieldbot.model.plan import Plan

    (job,) = world.settings.jobs
    took: dict[bool, list[float]] = {True: [], False: []}
    async with open_session(world, job) as live:
        assert isinstance(live, JobSession)
        snapshot = await live.observe()
        plan = decide(snapshot, world.settings.policy, job, world.now()).outcome
        assert isinstance(plan, Plan)
        works = [live._work(plan, snapshot, index) for index in range(len(plan.legs))]
        for _ in range(2 * ROUNDS):
            for whole, row in took.items():
                start = time.perf_counter()
                found = await rehearse(
                    live.account, works if whole else [replace(one, out=None) for one in works], snapshot.block
                )
                row.append((time.perf_counter() - start) * 1000)
                assert isinstance(found, Rehearsal), found
    whole_ms, bare_ms = (statistics.median(took[which]) for which in (True, False))
    return {
        "rehearsal_ms": round(whole_ms, 1),
        "rehearsal_without_exit_ms": round(bare_ms, 1),
        "exit_adds": round(whole_ms / bare_ms - 1, 2),
    }


def _dry_run() -> dict[str, Any]:
    """Seconds of ``yieldbot dry-run`` as a process of its own, and of the same cycle where it has run before."""
    from yieldbot.app import cycle
    from yieldbot.config.load import load
    from yieldbot.execution.approvals import DeclineAll
    from yieldbot.execution.world import Wiring
    from yieldbot.journal.store import Journal
    from yieldbot.sandbox.solana.node import running

    with tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder, running(Path(folder)) as sandbox:
        command = [sys.executable, "-m", "yieldbot.cli.main", "--json", "--config", str(sandbox.config), "dry-run"]
        cold = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cold.append(time.perf_counter() - start)
            assert json.loads(done.stdout)["jobs"], done.stderr
        settings = load(sandbox.config)
        warm, legs = [], 0
        with Journal.open(settings.data_dir / "journal.sqlite") as journal:
            world = Wiring(
                settings=settings,
                journal=journal,
                approver=DeclineAll(),
                signer_of=lambda wallet: None,  # type: ignore[arg-type, return-value]
                now=lambda: int(time.time()),
                say=lambda line: None,
            )
            for _ in range(ROUNDS + 1):
                start = time.perf_counter()
                report = asyncio.run(cycle.run_job(world, settings.jobs[0]))
                warm.append(time.perf_counter() - start)
                assert report.rehearsal is not None, report
                legs = len(report.rehearsal.legs)
            rehearsed = asyncio.run(_rehearsed(world))
    return rehearsed | {
        "dry_run_legs": legs,
        "dry_run_process_seconds": round(statistics.median(cold), 3),
        "dry_run_warm_seconds": round(statistics.median(warm[1:]), 3),
    }
