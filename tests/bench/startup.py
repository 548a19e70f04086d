"""How long commands take to start, against a bare ``python -c pass`` of the same interpreter, interleaved; and with
``--against FOLDER`` (a checkout of another commit) against the same commands there.

Times are processor seconds of the process, the least of the rounds: on a machine that does other work at the same time
they vary less than the time on the wall. ``yieldbot --help`` is also compared on the wall.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.kit import ROOT

ROUNDS = 31
MOST = 5.0
"""The ratio of ``yieldbot --help`` to a bare Python that must not be passed."""
NO_CHAIN = ("history", "wallet list", "alert list", "halt --help")
CHAIN = ("markets", "positions", "plan")
COMMAND_ROUNDS = 7
ENTRY = "import sys; from yieldbot.cli.start import main; sys.exit(main())"


def seconds(command: list[str]) -> float:
    """Wall time of a process that must succeed, with its byte code kept, as an installed program has it."""
    start = time.perf_counter()
    subprocess.run(command, env=_environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def processor_seconds(tree: Path, words: list[str]) -> float:
    """Processor time of a command of the checkout in ``tree``, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", ENTRY, *words],
        cwd=tree,  # where Python looks first, before what is installed
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scripts/bench startup")
    made.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of another commit to compare with")
    return made


def compare(rounds: int = ROUNDS, against: Path | None = None) -> dict[str, Any]:
    """``--help`` on the wall: medians in milliseconds and the median of the rounds' ratios; a round is one of each, one
    after the other. Then the commands, on a sandbox of their own."""
    from yieldbot.sandbox import running_sandbox

    script = Path(sys.executable).with_name("yieldbot")
    ours = [str(script), "--help"] if script.exists() else [sys.executable, "-m", "yieldbot.cli.main", "--help"]
    bare = [sys.executable, "-c", "pass"]
    for command in (ours, bare):  # byte code and the disk's cache
        seconds(command)
    pairs = [(seconds(ours), seconds(bare)) for _ in range(rounds)]
    with (
        tempfile.TemporaryDirectory(prefix="yieldbot-bench-") as folder,
        running_sandbox(Path(folder), lambda line: print(line, file=sys.stderr, flush=True)) as sandbox,
    ):
        rows = [_row(words, ["--config", str(sandbox.config)], against) for words in (*NO_CHAIN, *CHAIN)]
    return {
        "rounds": rounds,
        "yieldbot_help_ms": round(statistics.median(a for a, _ in pairs) * 1000, 1),
        "python_pass_ms": round(statistics.median(b for _, b in pairs) * 1000, 1),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "most": MOST,
        "commands": rows,
    }


def _row(words: str, flags: list[str], against: Path | None) -> dict[str, Any]:
    """A command's processor time here and, where there is one, in the other checkout."""
    trees = [ROOT, *([against.resolve()] if against else [])]
    taken: list[list[float]] = [[] for _ in trees]
    for turn in range(COMMAND_ROUNDS + 1):
        for tree, found in zip(trees, taken, strict=True):
            spent = processor_seconds(tree, [*flags, *words.split()])
            if turn:  # the first writes byte code
                found.append(spent)
    least = [min(found) for found in taken]
    row: dict[str, Any] = {"command": words, "processor_ms": round(least[0] * 1000)}
    return row | ({"there_ms": round(least[1] * 1000), "ratio": round(least[0] / least[1], 2)} if against else {})
