"""Little address space or memory: libraries reserve little, too little is one clear line, and failures are one line of
each kind."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.program import ROOT
from tests.program.test_deadline import JOB, world
from yieldbot.app.deadline import Deadline
from yieldbot.app.job_turns import every
from yieldbot.cli.start import _reserve_little
from yieldbot.errors import ConfigError, YieldbotError
from yieldbot.execution.slots import LEAST_ADDRESSES, needs_addresses

MIB = 2**20
USES = """
import resource, sys, threading
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from yieldbot.cli.start import _reserve_little
_reserve_little()
import pyarrow as pa
from pyarrow import parquet
table = pa.table({"x": list(range(10000))})
def work():
    parquet.read_table(sys.argv[2])
parquet.write_table(table, sys.argv[2])
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
status = Path("/proc/self/status").read_text()
print(next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmPeak")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and address space limits are Linux's")
def test_under_a_limit_of_address_space_libraries_reserve_little(tmp_path: Any) -> None:
    command = [sys.executable, "-c", USES, str(LEAST_ADDRESSES), str(tmp_path / "x.parquet")]
    peak = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert int(peak) < LEAST_ADDRESSES // MIB * 3 // 4


def test_too_little_address_space_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_AS: (400 * MIB, resource.RLIM_INFINITY)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[which])
    with pytest.raises(ConfigError, match=r"leaves 400 MiB of address space, and a run needs 768.*MemoryMax"):
        needs_addresses()
    for enough in (LEAST_ADDRESSES, resource.RLIM_INFINITY):
        limits[resource.RLIMIT_AS] = (enough, enough)
        needs_addresses()


def test_without_a_limit_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    _reserve_little()
    assert "OPENBLAS_NUM_THREADS" not in os.environ


async def test_memory_that_ends_is_a_failure_of_its_job_and_faults_outside_of_jobs_are_one_line_of_each_kind() -> None:
    lines, done = list[str](), list[Any]()
    wallets = [SimpleNamespace(address=str(at), name=f"w{at}") for at in range(3)]
    jobs = [SimpleNamespace(**vars(JOB) | {"wallet": wallet}) for wallet in wallets]
    log: Any = SimpleNamespace(ended=lambda *of_job: done.append(of_job[-1]))

    async def work(live: Any, job: Any) -> Any:
        for _ in range(20):
            asyncio.get_running_loop().call_exception_handler({"message": "read error", "exception": MemoryError()})
        raise MemoryError

    deadline = Deadline(replace(world(600, []), say=lines.append))
    ended = await every(deadline, [[(at, job)] for at, job in enumerate(jobs)], work, log)  # type: ignore[arg-type]
    assert len(ended) == len(done) == 3
    failures = [one[1] for one in ended.values() if isinstance(one, tuple)]
    assert len(failures) == 3 and all(isinstance(one, YieldbotError) for one in failures)
    assert all("no more memory" in str(one) for one in failures)
    assert [line for line in lines if "read error" in line] == ["read error: MemoryError"]
