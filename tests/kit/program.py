"""Runs the real program in a process of its own, as a person or cron would (``tests.kit.warm``: how it is started)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import ROOT, warm


@dataclass(frozen=True)
class Ended:
    """A finished run."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """stderr, which must be exactly one line of ours."""
        (line,) = self.err.splitlines()
        assert line.startswith("yieldbot: ") and "Traceback" not in self.out
        return line


def yieldbot(
    *words: object,
    cwd: Path,
    given: str = "",
    environment: dict[str, str] | None = None,
    seconds: float = 600,
    umask: int = -1,
    cold: bool = False,
) -> Ended:
    """Run ``yieldbot WORDS...`` in ``cwd`` with ``given`` on standard input, without RPC addresses from this machine's
    environment.

    cold: start a new Python instead of forking one that has loaded everything.
    """
    clean = {name: value for name, value in os.environ.items() if not name.endswith("RPC_URL") and name != "COLUMNS"}
    env = clean | {"PYTHONPATH": str(ROOT)} | (environment or {})
    if not cold and warm.can_fork(environment or {}):
        return Ended(*warm.run([*map(str, words)], cwd=cwd, given=given, env=env, seconds=seconds, umask=umask))
    done = subprocess.run(
        [sys.executable, "-m", "yieldbot.cli.main", *map(str, words)],
        cwd=cwd,
        input=given,
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        umask=umask,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
