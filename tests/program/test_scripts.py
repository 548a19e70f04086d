"""Help and the scripts, started as a person starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kit import ROOT
from tests.kit.program import yieldbot


def test_the_help_names_every_exit_code(tmp_path: Path) -> None:
    assert "130 interrupted (Ctrl-C), 143 ended by SIGTERM" in " ".join(yieldbot("--help", cwd=tmp_path).out.split())


def script(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"tests.{module}", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_scripts_say_what_is_wrong(tmp_path: Path) -> None:
    each = script("mutate", "--each", "-1", "--list")
    assert each.returncode == 2 and "--each -1: write 0 (all changes) or more" in each.stderr
    assert "clear-signing" in "".join(script("bench", "--help").stdout.split())
    unknown = script("bench", "nothing")
    assert (
        unknown.returncode == 2
        and "accuracy, forecast, policy, history, signals, risk, api, accounts, clear-signing" in unknown.stderr
    )
    passes = script("kit.cron", "many", "1")
    assert passes.returncode == 2 and "cron many 1: write how many passes" in passes.stderr and not passes.stdout
    empty = script("bench", "clear-signing", str(tmp_path))
    assert empty.returncode == 2 and "no test file" in empty.stderr and not empty.stdout
