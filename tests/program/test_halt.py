"""``yieldbot halt`` and ``resume``: a file that any script can make, and accounts that stopped themselves."""

from __future__ import annotations

from pathlib import Path

from tests.kit.cli.halt import OWNER, folder
from tests.kit.program import yieldbot
from yieldbot.execution.halt import NAME, halted
from yieldbot.journal.journal_entries import AccountStopped
from yieldbot.journal.store import Journal
from yieldbot.model.ids import evm_chain


def test_halt_and_resume(tmp_path: Path) -> None:
    data = folder(tmp_path)
    ended = yieldbot("halt", "--reason", "the oracle looks wrong", "--json", cwd=tmp_path)
    assert ended.code == 0 and ended.document["halted"] and "the oracle looks wrong" in ended.document["reason"]
    first = halted(data)
    assert first and "the oracle looks wrong" in first
    again = yieldbot("halt", "--reason", "another", cwd=tmp_path)
    assert again.code == 0 and halted(data) == first  # who halted first is not forgotten
    checked = yieldbot("check", cwd=tmp_path)
    assert checked.code != 0 and "FAIL  halt: nothing is signed or sent (since " in checked.out
    assert yieldbot("resume", "--json", cwd=tmp_path).document["lifted"] is True
    assert "FAIL  halt" not in yieldbot("check", cwd=tmp_path).out
    assert halted(data) is None
    assert "no halt was in force" in yieldbot("resume", cwd=tmp_path).out


def test_a_bare_file_halts(tmp_path: Path) -> None:
    data = folder(tmp_path)
    data.mkdir()
    (data / NAME).touch()
    assert halted(data) == "no reason given"
    (data / NAME).unlink()
    (data / NAME).mkdir()  # nothing that can be read
    assert halted(data) == "no reason given"


def test_a_stopped_account_is_told_of_and_cleared_when_asked(tmp_path: Path) -> None:
    data = folder(tmp_path)
    chain = evm_chain(8453)
    with Journal.open(data / "journal.sqlite") as journal:
        journal.append(AccountStopped(chain, OWNER, "50 USDC are missing"))
    told = yieldbot("resume", cwd=tmp_path)
    assert told.code == 0 and "is stopped" in told.out and "50 USDC are missing" in told.out
    seen = {row["what"]: row for row in yieldbot("check", "--json", cwd=tmp_path).document["checks"]}
    assert seen[f"account {OWNER} on {chain}"]["said"] == "it is stopped: 50 USDC are missing" and "halt" not in seen
    with Journal.read(data / "journal.sqlite") as journal:
        assert journal.stopped_accounts() == {(chain, OWNER): "50 USDC are missing"}
    (row,) = yieldbot("resume", "--clear", "--json", cwd=tmp_path).document["stopped"]
    assert row["cleared"] and row["reason"] == "50 USDC are missing"
    with Journal.read(data / "journal.sqlite") as journal:
        assert journal.stopped_accounts() == {}
        assert journal.verify() == 2
