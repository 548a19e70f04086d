"""Which large modules a command loads: what it needs and no other, since loading them takes most of a short command's
time. No time is measured here; ``scripts/bench startup`` does that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.config.files import SETTINGS, written
from tests.kit.program import ROOT
from yieldbot.cli.main import COMMANDS

LARGE = frozenset(
    [
        "web3",
        "requests",
        "websockets",
        "pandas",
        "pyarrow",
        "numpy",
        "duckdb",
        "highspy",
        "eth_abi",
        "eth_account",
        "eth_keys",
        "eth_utils",
        "aiohttp",
        "cffi",
        "cryptography",
        "solders",
        "solana",
        "sqlalchemy",
        "asyncio",
        "lightgbm",
        "matplotlib",
        "fastapi",
        "mcp",
        "anthropic",
    ]
)
"""Packages that take as long to load as a Python does, or longer."""
WITHOUT_A_CHAIN = {
    "history": set[str](),
    "wallet list": set[str](),
    "approver list": set[str](),
    "halt": set[str](),
    "resume": set[str](),
    "help": set[str](),
    "alert list": set[str](),
    "proposal list": set[str](),
    "key list": {"asyncio", "sqlalchemy"},
}
"""Commands that read no chain, with the large packages that each needs where there is no journal yet."""
OF_THE_JOURNAL = ("history", "halt", "resume")
"""Those of them that read or write the journal, whose rows and plans are a tenth of a start."""
PROBE = """
import json, sys
from yieldbot.cli.start import main
sys.argv[1:] = json.loads(sys.argv[1])
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)))
"""


def loaded(program: str, *words: str, cwd: Path = ROOT) -> set[str]:
    """The modules in a new process at its end."""
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", WITHOUT_A_CHAIN)
def test_a_command_that_reads_no_chain_loads_no_adapter_and_nothing_large(command: str, tmp_path: Path) -> None:
    config = written(tmp_path, SETTINGS)
    modules = loaded(PROBE, json.dumps(["--config", str(config), *command.split()]), cwd=tmp_path)
    assert "rich" in modules or command in ("halt", "resume")
    assert LARGE & modules == WITHOUT_A_CHAIN[command]
    assert not [name for name in modules if name.startswith("yieldbot.protocols.") and "regist" not in name]
    assert not {"yieldbot.app.graded", "yieldbot.chains.evm.signing.kms"} & modules
    assert command in OF_THE_JOURNAL or not {"yieldbot.journal.store", "yieldbot.model.market"} & modules


def test_the_modules_of_all_commands_load_nothing_large_before_one_runs() -> None:
    names = [f"yieldbot.cli.{module}" for module in COMMANDS]
    modules = loaded(f"import json, sys, {', '.join(names)}\nprint(json.dumps(sorted(sys.modules)))")
    assert set(names) <= modules
    assert LARGE & modules == {"asyncio"}


def test_python_does_not_look_for_cycles_while_it_loads_nor_as_it_ends() -> None:
    """Both took a third of the processor time of a command that reads a chain."""
    program = """
import gc, json, sys
from yieldbot.cli.start import COLLECTED, main
looked = []
gc.collect()
gc.callbacks.append(lambda phase, _: looked.append(phase))
sys.argv[1:] = ["markets", "--help"]
main()
print(json.dumps([str(len(looked)), str(gc.get_freeze_count() > 20_000), str(gc.get_threshold() == COLLECTED)]))
"""
    assert loaded(program) == {"0", "True"}


def test_a_journal_is_opened_and_written_without_anything_large(tmp_path: Path) -> None:
    """It is open in the process that signs."""
    use = "journal.append(AccessNoted(by='x', where='', what='y', outcome='z', times=1)); assert journal.verify() == 1"
    modules = loaded(
        "import json, sys; from pathlib import Path; from yieldbot.journal.access_entries import AccessNoted\n"
        "from yieldbot.journal.store import Journal\n"
        f"with Journal.open(Path({str(tmp_path)!r}) / 'journal.sqlite') as journal:\n    {use}\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert LARGE & modules == set()
