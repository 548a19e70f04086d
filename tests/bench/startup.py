"""How long ``yieldbot --help`` takes to start, against a bare ``python -c pass``: the same interpreter, interleaved."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROUNDS = 31
MOST = 5.0
"""The ratio that must not be passed."""


def seconds(command: list[str]) -> float:
    """Wall time of a process that must succeed, with its byte code kept, as an installed program has it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def compare(rounds: int = ROUNDS) -> dict[str, Any]:
    """Medians in milliseconds and the median of the rounds' ratios; a round is one of each, one after the other."""
    script = Path(sys.executable).with_name("yieldbot")
    ours = [str(script), "--help"] if script.exists() else [sys.executable, "-m", "yieldbot.cli.main", "--help"]
    bare = [sys.executable, "-c", "pass"]
    for command in (ours, bare):  # byte code and the disk's cache
        seconds(command)
    pairs = [(seconds(ours), seconds(bare)) for _ in range(rounds)]
    return {
        "rounds": rounds,
        "yieldbot_help_ms": round(statistics.median(a for a, _ in pairs) * 1000, 1),
        "python_pass_ms": round(statistics.median(b for _, b in pairs) * 1000, 1),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
        "most": MOST,
    }
