"""``dry-run`` of many accounts, each with a plan that is rehearsed on a fork: seconds, processor seconds, and the peak
of memory and of open files, those of child processes included. With ``--against FOLDER`` (a checkout of another commit)
the same there, in the same run on the same sandbox. ``--files N`` and ``--memory MiB`` bound what it may use (prlimit),
and every job has to end with its rehearsal all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from eth_account import Account

from tests.kit import ROOT
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.sandbox.evm import node as sandbox_node

ENTRY = "import sys; from yieldbot.cli.start import main; sys.exit(main())"
SAMPLE_SECONDS = 0.2


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench accounts")
    made.add_argument("--accounts", type=int, default=120, help="how many wallets with 100,000 USDC each")
    made.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of another commit to compare with")
    made.add_argument("--files", type=int, help="most files that the process may open")
    made.add_argument("--memory", type=int, metavar="MiB", help="most address space of each Python process")
    return made


def compare(
    accounts: int = 120, against: Path | None = None, files: int | None = None, memory: int | None = None
) -> dict[str, Any]:
    from yieldbot.config.load import load
    from yieldbot.sandbox import running_sandbox

    with (
        tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder,
        running_sandbox(Path(folder), lambda line: print(line, file=sys.stderr, flush=True)) as sandbox,
    ):
        settings = load(sandbox.config)
        usdc = settings.jobs[0].asset.address
        wallets = [Account.create().address for _ in range(accounts)]
        found = sandbox_node.current(settings.source.parent)
        assert found is not None

        async def fund() -> None:
            async with found.node() as node:
                for wallet in wallets:
                    await sandbox_node._fund(node, usdc, wallet)

        asyncio.run(fund())
        config = sandbox.config.with_name("many.toml")
        rest = sandbox.config.read_text().split("[policy]", 1)[1]
        rows = "".join(
            f'[[wallets]]\nname = "w{at}"\naddress = "{wallet}"\nkeystore = "keys/{at}.json"\n\n'
            f'[[jobs]]\nwallet = "w{at}"\nchain = "sandbox"\nasset = "USDC"\n\n'
            for at, wallet in enumerate(wallets)
        )
        config.write_text(f'schema = 1\ndata_dir = "many"\n\n{rows}[policy]{rest}')
        trees = {"here": ROOT} | ({"there": against.resolve()} if against else {})
        rows_found = {name: _measured(tree, config, files, memory) for name, tree in trees.items()}
    return {"accounts": accounts, "files": files, "memory_mib": memory} | rows_found


def _measured(tree: Path, config: Path, files: int | None, memory: int | None) -> dict[str, Any]:
    """One ``dry-run`` of the checkout in ``tree``."""

    def bounded() -> None:
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    path = f"{find_anvil(None).parent}{os.pathsep}{os.environ['PATH']}"
    limits = [f"--as={memory * 2**20}"] if memory else []
    command = [*(["prlimit", *limits] if limits else []), sys.executable, "-c", ENTRY]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [*command, "--config", str(config), "dry-run", "--json"],
            cwd=tree,
            env=os.environ | {"PATH": path},
            stdout=out,
            stderr=err,
            preexec_fn=bounded,
        )
        most, own, forks, opened = 0, 0, 0, 0
        while process.poll() is None:
            memories = [_memory(pid) for pid in (process.pid, *_children(process.pid))]
            most, own, forks = max(most, sum(memories)), max(own, memories[0]), max(forks, len(memories) - 1)
            opened = max(opened, _files(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        out.seek(0)
        err.seek(0)
        lines = err.read().decode(errors="replace")
        jobs = json.loads(out.read() or b"{}").get("jobs", [])
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "exit_code": process.returncode,
        "rehearsed": sum(bool(job.get("rehearsal")) for job in jobs),
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
        "processor_seconds": round(spent, 1),
        "peak_mib": round(most / 2**20),
        "python_mib": round(own / 2**20),
        "forks": forks,
        "open_files": opened,
        "tracebacks": lines.count("Traceback"),
    }


def _children(pid: int) -> list[int]:
    """The processes below one."""
    try:
        near = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*near, *(below for one in near for below in _children(one))]


def _memory(pid: int) -> int:
    """A process's share of memory in bytes: what several have in common is divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
