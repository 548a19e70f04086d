"""``dry-run`` of many jobs, each with a plan that is rehearsed on a fork: seconds, processor seconds, and the peak of
memory and of open files, those of child processes included. Every job has to end with its rehearsal.

``--chains N``: each account has a job on N chains. ``--against FOLDER`` (a checkout of another commit): the same
there, in the same run on the same sandbox, ``--pairs`` times in turn. ``--files N``, ``--addresses MiB`` (ulimit -v)
and ``--memory MiB`` (a control group, where this user may make one) bound what it may use. ``--keys``: ``run --approve
auto`` opens a keystore for each account before each rehearsal, and then signs nothing, because the policy allows no
amount.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eth_account import Account

from tests.kit import ROOT
from tests.kit.evm.many_chains import more_chains, settings_of
from yieldbot.chains.evm.node.anvil import find_anvil
from yieldbot.sandbox.evm import node as sandbox_node

ENTRY = "import sys; from yieldbot.cli.start import main; sys.exit(main())"
SAMPLE_SECONDS = 0.2


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench accounts")
    made.add_argument("--accounts", type=int, default=120, help="how many wallets with 100,000 USDC each")
    made.add_argument("--chains", type=int, default=1, help="on how many chains each of them has a job")
    made.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of another commit to compare with")
    made.add_argument("--pairs", type=int, default=1, help="how often both are measured, in turn")
    made.add_argument("--files", type=int, help="most files that the process may open")
    made.add_argument("--addresses", type=int, metavar="MiB", help="most address space of each process")
    made.add_argument("--memory", type=int, metavar="MiB", help="most memory of all processes together")
    made.add_argument("--keys", action="store_true", help="open a keystore (scrypt) for each account")
    return made


def compare(
    accounts: int = 120,
    chains: int = 1,
    against: Path | None = None,
    pairs: int = 1,
    files: int | None = None,
    addresses: int | None = None,
    memory: int | None = None,
    keys: bool = False,
) -> dict[str, Any]:
    from yieldbot.config.load import load
    from yieldbot.sandbox import running_sandbox

    limits = Limits(files, addresses, memory)
    with (
        tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder,
        running_sandbox(Path(folder), lambda line: print(line, file=sys.stderr, flush=True)) as sandbox,
    ):
        settings = load(sandbox.config)
        usdc = settings.jobs[0].asset.address
        found = sandbox_node.current(settings.source.parent)
        assert found is not None
        wallets = [_keystore(sandbox.config.parent, at) if keys else Account.create().address for at in range(accounts)]

        async def fund() -> None:
            async with found.node() as node:
                for wallet in wallets:
                    await sandbox_node._fund(node, usdc, wallet)

        asyncio.run(fund())
        config = sandbox.config.with_name("many.toml")
        with more_chains(config.parent, found.rpc_url, chains - 1) as names:
            text = settings_of(sandbox.config.read_text(), wallets, names, "many")
            if keys:
                text = text.replace('auto_max_move = "60000"', 'auto_max_move = "0"')
                text = text.replace('.json"\n', '.json"\npassphrase_file = "passphrase"\n')
            config.write_text(text)
            trees = {"here": ROOT} | ({"there": against.resolve()} if against else {})
            rows: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
            for _ in range(pairs):
                for name, tree in trees.items():
                    shutil.rmtree(config.with_name("many"), ignore_errors=True)
                    rows[name].append(_measured(tree, config, limits, keys))
    wanted = {"accounts": accounts, "chains": chains, "keys": keys, "limits": asdict(limits)}
    return wanted | {name: found[0] if pairs == 1 else found for name, found in rows.items()}


def _keystore(folder: Path, at: int) -> str:
    """The address of a new key in a keystore with the usual work factors."""
    from yieldbot.chains.evm.signing.keystore import create

    path = folder / "keys" / f"{at}.json"
    return str(create(path, (folder / "passphrase").read_text().strip()))


@dataclass(frozen=True)
class Limits:
    """What the program may use; None: as much as it likes."""

    files: int | None
    """Open files of a process."""
    addresses: int | None
    """MiB of address space of a process."""
    memory: int | None
    """MiB of memory of all its processes."""

    def impose(self, group: Path | None) -> None:
        """Called in the child process before it becomes the program."""
        if self.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))
        if self.addresses:
            resource.setrlimit(resource.RLIMIT_AS, (self.addresses * 2**20,) * 2)
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    @contextmanager
    def group(self) -> Iterator[Path | None]:
        """A control group with the bound on memory; None: it is not bounded."""
        if not self.memory:
            yield None
            return
        first = Path("/sys/fs/cgroup/memory")
        found = (first if first.is_dir() else first.parent) / f"yieldbot-bench-{os.getpid()}"
        limit = found / ("memory.limit_in_bytes" if first.is_dir() else "memory.max")
        try:
            found.mkdir()
            limit.write_text(str(self.memory * 2**20))
        except OSError as refused:
            sys.exit(f"--memory: {found} cannot be made ({refused.strerror}): use `systemd-run -p MemoryMax=`")
        try:
            yield found
        finally:
            found.rmdir()


def _measured(tree: Path, config: Path, limits: Limits, keys: bool = False) -> dict[str, Any]:
    """One run of the checkout in ``tree``."""
    path = f"{find_anvil(None).parent}{os.pathsep}{os.environ['PATH']}"
    words = ["run", "--approve", "auto", "--json"] if keys else ["dry-run", "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, limits.group() as group:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, "--config", str(config), *words],
            cwd=tree,
            env=os.environ | {"PATH": path},
            stdout=out,
            stderr=err,
            preexec_fn=partial(limits.impose, group),
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
        lines = err.read().decode(errors="replace").splitlines()
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
        "keys_opened": sum("opening the keystore" in line for line in lines),
        "tracebacks": sum("Traceback" in line or "panicked" in line for line in lines),
    }


def _children(pid: int) -> list[int]:
    """The processes below one, without copies of it that have not become another program yet: their memory is its."""
    own = _program(pid)
    return [one for one in _below(pid) if _program(one) != own]


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _below(pid: int) -> list[int]:
    try:
        near = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*near, *(deeper for one in near for deeper in _below(one))]


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
