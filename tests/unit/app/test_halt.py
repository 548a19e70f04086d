"""``halt`` and ``resume`` as use cases: what is asked, what is answered, and no terminal between them."""

from __future__ import annotations

from pathlib import Path

from tests.kit.cli.halt import OWNER, folder
from yieldbot.app.context import Context
from yieldbot.app.halt import HaltRequest, ResumeRequest, halt, resume
from yieldbot.execution.halt import halted
from yieldbot.journal.journal_entries import AccountStopped
from yieldbot.journal.store import Journal
from yieldbot.model.ids import evm_chain


def test_a_halt_and_its_end(tmp_path: Path) -> None:
    data = folder(tmp_path)
    context = Context(tmp_path / "yieldbot.toml")
    done = halt(HaltRequest(reason="the oracle looks wrong"), context)
    assert done.halted and done.reason == halted(data) and str(done.reason).endswith(": the oracle looks wrong")
    assert list(done.as_json()) == ["schema", "halted", "reason", "file"] and Path(done.file).parent == data
    assert resume(ResumeRequest(), context).as_json() == {"schema": "yieldbot/resume/v1", "lifted": True, "stopped": []}
    assert not resume(ResumeRequest(), context).lifted and halted(data) is None


def test_a_stopped_account_is_cleared_only_when_that_is_asked_for(tmp_path: Path) -> None:
    data, chain = folder(tmp_path), evm_chain(8453)
    context = Context(tmp_path / "yieldbot.toml")
    with Journal.open(data / "journal.sqlite") as journal:
        journal.append(AccountStopped(chain, OWNER, "50 USDC are missing"))
    row = {"chain_id": chain, "owner": OWNER, "reason": "50 USDC are missing"}
    for clear, after in ((False, {(chain, OWNER): row["reason"]}), (True, {})):
        done = resume(ResumeRequest(clear=clear), context).as_json()
        assert done["stopped"] == [row | {"cleared": clear}]
        with Journal.read(data / "journal.sqlite") as journal:
            assert journal.stopped_accounts() == after
