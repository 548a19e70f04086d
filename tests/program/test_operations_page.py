"""docs/operations.md as an operator follows it: its commands for backup and restore are run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.config.files import written
from tests.kit.journal.store import plan, signed
from yieldbot.app.context import Context
from yieldbot.app.wiring import JOURNAL
from yieldbot.chains.evm.signing.keystore import create
from yieldbot.cli.main import INTERRUPTED
from yieldbot.errors import ConfigError, InvariantError, PendingError, RunInProgress, SafetyError
from yieldbot.journal.journal_entries import PlanWritten
from yieldbot.journal.store import Journal

PAGE = (ROOT / "docs" / "operations.md").read_text().partition("## What to keep")[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.S)


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not there")
def test_a_backup_is_made_while_the_journal_is_open_and_restored_as_written(tmp_path: Path) -> None:
    home, tools = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    tools.mkdir()
    file = written(home)
    file.write_text(re.sub(r"(?m)^data_dir = .*$", 'data_dir = ".yieldbot"', file.read_text()))
    create(home / "keys" / "main.json", "correct horse battery", scrypt_n=2)
    program = tools / "yieldbot"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m yieldbot.cli.main "$@"\n')
    program.chmod(0o700)
    data = Context(file).halt_dir()
    data.mkdir(mode=0o700, exist_ok=True)
    backup, halt, restore = BLOCKS
    with Journal.open(data / JOURNAL) as journal:
        journal.append(PlanWritten(plan()), signed())
        copied, archived, rest = backup.partition("\ntar ")
        for block in (halt, copied, archived + rest, f"set -e\n{restore}"):
            env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
            done = subprocess.run(["bash", "-ec", block], cwd=home, env=env, check=True, capture_output=True, text=True)
            if block == copied:  # a run goes on between
                before = journal.history()
                journal.append(signed())
    compared = [line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith(("<", ">"))]
    assert len(compared) == 2 and len(set(compared)) == 1, "the restored journal has the backup's last hash"
    restored = tmp_path / "restored"
    assert (restored / "keys" / "main.json").read_bytes() == (home / "keys" / "main.json").read_bytes()
    assert oct((restored / "keys" / "main.json").stat().st_mode)[-2:] == "00"
    with Journal.read(restored / ".yieldbot" / JOURNAL) as copy:
        assert copy.history() == before
        assert len(copy.transactions()) == 1
    assert (data / "HALT").exists() and not (restored / ".yieldbot" / "HALT").exists()


def test_the_table_of_exit_codes_has_each() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE.partition("### What each exit code")[2], re.M)
    codes = {int(code) for row in rows for code in row.split(",")}
    kinds = (ConfigError, SafetyError, PendingError, RunInProgress, InvariantError)
    assert codes == {0, 3, INTERRUPTED, 143, *(kind.exit_code for kind in kinds)}
