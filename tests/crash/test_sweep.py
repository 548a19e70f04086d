"""Sweeps that are killed, or whose workers are: nothing that was finished is lost, and the answer is the same."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ROOT, cluster
from tests.kit.program import Ended, yieldbot
from tests.kit.recording import recording

GRID = ("--grid", "policy.move_horizon_days=3,14", "--grid", "forecaster=mean-3d,quote")
SHAPE = ("--wealth", "1000,50000", "--window", "30", "--every", "20", "--seed", "3")
PIECES = 2 * 3 * (1 + 5)
"""Wealths, windows, and each variant beside what it is compared with."""
WAIT_SECONDS = 240.0


class Sweep:
    """One sweep in a process of its own."""

    def __init__(self, home: Path, *more: str, python: str = sys.executable, begun: str = "") -> None:
        """begun: what its Python does before the command."""
        self.home, self.results = home, home / ".yieldbot" / "sweeps"
        words = ["--json", "backtest", "sweep", "--history", str(home / "recorded.csv.gz"), *GRID, *SHAPE, *more]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        started = ["-c", f"{begun}; from yieldbot.cli.main import main; raise SystemExit(main())"]
        command = [python, *(started if begun else ["-m", "yieldbot.cli.main"]), *words]
        self.process = subprocess.Popen(
            command,
            cwd=home,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finished(self) -> dict[Path, int]:
        """Pieces that are kept, and when each was written."""
        return {one: one.stat().st_mtime_ns for one in self.results.glob("*/*.json")}

    def wait_for(self, pieces: int) -> dict[Path, int]:
        until = time.monotonic() + WAIT_SECONDS
        while len(self.finished()) < pieces:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until, "too slow"
            time.sleep(0.02)
        return self.finished()

    def workers(self) -> list[int]:
        """Processes that this one started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(one) for one in listed.split()]

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=WAIT_SECONDS)
        return Ended(self.process.returncode, out, err)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    recording(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process makes of it that nobody disturbs."""
    folder = tmp_path_factory.mktemp("untouched")
    recording(folder)
    made = Sweep(folder, "--processes", "1")
    ended = made.end()
    assert ended.code == 0 and len(made.finished()) == PIECES, ended.err
    return _figures(ended)


def _figures(ended: Ended) -> Any:
    """All but the command, which names the folder."""
    found = ended.document
    assert found["manifest"].pop("command").startswith("yieldbot backtest sweep --grid")
    return found


def test_a_killed_sweep_leaves_no_worker_and_goes_on_where_it_was(home: Path, untouched: Any) -> None:
    first = Sweep(home, "--processes", "2")
    kept = first.wait_for(8)
    workers = first.workers()
    first.process.send_signal(signal.SIGKILL)
    first.end()
    assert len(workers) >= 2
    until = time.monotonic() + 30
    while any(_alive(one) for one in workers):
        assert time.monotonic() < until, "workers outlive who commands them"
        time.sleep(0.05)
    again = Sweep(home, "--processes", "2")
    ended = again.end()
    assert ended.code == 0 and _figures(ended) == untouched
    assert kept.items() <= again.finished().items() and len(again.finished()) == PIECES, "computed twice"


def test_a_killed_worker_loses_nothing(home: Path, untouched: Any) -> None:
    made = Sweep(home, "--processes", "2")
    kept = made.wait_for(6)
    os.kill(made.workers()[-1], signal.SIGKILL)
    ended = made.end()
    assert ended.code == 0 and _figures(ended) == untouched
    assert kept.items() <= made.finished().items()


def test_what_was_interrupted_says_how_it_goes_on(home: Path, untouched: Any) -> None:
    made = Sweep(home, "--processes", "2")
    made.wait_for(5)
    os.killpg(made.process.pid, signal.SIGINT)  # as a terminal does: to all of them
    ended = made.end()
    assert ended.code == 130 and ended.out == "" and f"of {PIECES} pieces are kept in {made.results}" in ended.line
    command = ended.line.partition("goes on from there: ")[2]
    kept = made.finished()
    again = yieldbot("--json", *shlex.split(command)[1:], cwd=home)
    assert again.code == 0 and _figures(again) == untouched and kept.items() <= made.finished().items()


def test_a_cluster_that_loses_a_worker_gives_the_same(home: Path, untouched: Any) -> None:
    """A real cluster of two workers, one of which dies in the middle; and then there is none, and one comes."""
    if not cluster.PYTHON.exists():
        pytest.skip("scripts/cluster installs what this needs")
    with cluster.running(home, workers=2) as dask:
        made = Sweep(home, "--scheduler", dask.address, python=str(cluster.PYTHON))
        made.wait_for(6)
        dask.kill(0)
        kept = made.wait_for(12)
        dask.kill(1)
        dask.add()
        ended = made.end()
        assert ended.code == 0 and _figures(ended) == untouched, ended.err
        assert kept.items() <= made.finished().items() and len(made.finished()) == PIECES


def test_without_a_scheduler_or_the_extra_there_is_one_line(home: Path) -> None:
    flags = ("--history", str(home / "recorded.csv.gz"), *GRID, *SHAPE, "--scheduler", "tcp://127.0.0.1:9")
    made = yieldbot("backtest", "sweep", *flags, cwd=home)
    assert made.code == 2 and "yieldbot[cluster]" in made.line and "where no key is" in made.line
    if cluster.PYTHON.exists():
        sooner = "from yieldbot.backtest import crews; crews.CONNECT_SECONDS = 1.0"  # nobody is there, however long
        ended = Sweep(home, "--scheduler", "tcp://127.0.0.1:9", python=str(cluster.PYTHON), begun=sooner).end()
        assert ended.code == 2 and "no scheduler answers" in ended.line and "dask scheduler" in ended.line


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
