"""A real Dask cluster on this machine's loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit import ROOT

PYTHON = ROOT / ".cache" / "cluster" / "bin" / "python"
"""Python of the environment that ``scripts/cluster`` installs."""
START_SECONDS = 120.0


@dataclass
class Cluster:
    """A scheduler and its workers."""

    address: str
    """The scheduler's address."""
    folder: Path
    """The folder in which scheduler and workers write."""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(self) -> None:
        """Start one more worker with one thread, which nothing restarts when it ends."""
        words = ["dask", "worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        more = ["--no-dashboard", "--local-directory", str(self.folder)]
        self.workers.append(_start([*words, *more], self.folder, log))

    def kill(self, place: int) -> None:
        """Kill a worker by its index, like a machine that goes away."""
        self.workers[place].send_signal(signal.SIGKILL)
        self.workers[place].wait()


@contextmanager
def running(folder: Path, workers: int) -> Iterator[Cluster]:
    """A cluster with this number of workers, which ends with the block."""
    said = folder / "scheduler.log"
    with said.open("wb") as log:
        scheduler = _start(["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], folder, log)
    made = Cluster("", folder)
    try:
        until = time.monotonic() + START_SECONDS
        while not (found := re.search(r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)", said.read_text())):
            assert scheduler.poll() is None and time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        made.address = found[1]
        for _ in range(workers):
            made.add()
        yield made
    finally:
        for one in (*made.workers, scheduler):
            one.kill()
            one.wait()


def _start(words: list[str], folder: Path, log: object) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "false"}
    command = [str(PYTHON.with_name(words[0])), *words[1:]]
    return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)  # type: ignore[call-overload, no-any-return]
