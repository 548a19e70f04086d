"""``yieldbot`` without a command: each state of a folder has its next step, and nothing but files is read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.journal.store import CHAIN, OWNER, plan, signed
from yieldbot.app.context import Context
from yieldbot.app.next_documents import NextDocument
from yieldbot.app.next_steps import next_steps
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError
from yieldbot.execution.halt import NAME
from yieldbot.journal.journal_entries import AccountStopped, JournalEntry, PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.sandbox import FOLDER
from yieldbot.sandbox.evm.node import Sandbox

URL = "TESTNET_RPC_URL=http://127.0.0.1:9/\n"


def found(file: Path) -> NextDocument:
    return next_steps(Context(file))


def first(file: Path, *entries: JournalEntry) -> tuple[str, str]:
    """The state and the first command, once the journal has these entries."""
    data = Context(file).halt_dir()
    data.mkdir(exist_ok=True)
    with Journal.open(data / JOURNAL) as journal:
        journal.append(*entries)
    document = found(file)
    return document.state, document.steps[0].command.removeprefix(Context(file).program)


def test_an_empty_folder_begins_with_init(tmp_path: Path) -> None:
    document = found(tmp_path / "yieldbot.toml")
    assert "there is no yieldbot.toml" in document.state and document.steps[0].command.endswith(" init")
    assert not list(tmp_path.iterdir())


def test_a_sandbox_that_runs_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's process is replaced by this one."""
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    node = {"rpc_url": "", "pid": os.getpid(), "born": 0, "wallet": "", "transactions": 0, "addresses": {}}
    assert found(tmp_path / "yieldbot.toml").steps[0].command.endswith(" init"), "none runs"
    (folder / Sandbox.STATE).write_text(json.dumps(node))
    monkeypatch.setattr(Sandbox, "alive", True)
    document = found(tmp_path / "yieldbot.toml")
    assert "but a sandbox runs from .yieldbot/sandbox" in document.state
    assert document.steps[0].command == "yieldbot --config .yieldbot/sandbox/yieldbot.toml positions"
    assert document.steps[2].command.endswith(" init")


def test_a_configuration_that_lacks_something_names_it(tmp_path: Path) -> None:
    file = written(tmp_path)
    assert "TESTNET_RPC_URL" in found(file).steps[0].why and found(file).steps[0].command.endswith(".env")
    file.write_text("schema = 1\n")
    assert "[[jobs]]" in found(file).steps[0].why
    file.write_text("schema = \n")
    with pytest.raises(ConfigError, match=r"yieldbot\.toml"):
        found(file)


def test_what_is_due_comes_first(tmp_path: Path) -> None:
    file = written(tmp_path, env=URL)
    assert found(file).state == "configured; nothing has run here yet"
    assert found(file).steps[0].command.endswith(" check")
    assert first(file) == ("configured; nothing is open and no plan waits", " positions")
    waits = (PlanWritten(plan()), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
    assert first(file, *waits)[0] == "configured; nothing is open and no plan waits", "it has expired"
    assert first(file, AccountStopped(CHAIN, OWNER, "a loss", "0xaa"))[1] == " resume --clear"
    assert first(file, signed()) == (
        f"1 transaction is still open; account {OWNER} is stopped (a loss)", " run --approve ask"
    )  # fmt: skip
    (Context(file).halt_dir() / NAME).write_text("{}")
    assert found(file).steps[0].command.endswith(" resume")


def test_plans_that_wait_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, env=URL)
    monkeypatch.setattr("yieldbot.app.next_steps.time.time", lambda: plan().expires_at - 1)
    state, command = first(file, PlanWritten(plan()), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
    assert state == "1 plan waits for you" and command == " history --waiting"
    assert found(file).steps[1].command.endswith(" approve p1")
