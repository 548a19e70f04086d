"""Words of others reach a person as printable lines, whichever command shows them."""

from __future__ import annotations

from pathlib import Path

from tests.kit.program import yieldbot
from tests.unit.model.test_text import NASTY, harmless
from yieldbot.journal.journal_entries import AccountStopped
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address, evm_chain


def test_the_journal_is_told_without_escapes(tmp_path: Path) -> None:
    (tmp_path / "yieldbot.toml").write_text('schema = 1\ndata_dir = "data"\n')
    with Journal.open(tmp_path / "data" / "journal.sqlite") as journal:
        journal.append(AccountStopped(evm_chain(1), Address("0x" + "11" * 20), NASTY))
    for words in (("history",), ("history", "--json"), ("resume",), ("resume", "--json")):
        ended = yieldbot(*words, cwd=tmp_path, environment={"PYTHONIOENCODING": "utf-8"})
        assert ended.code == 0 and ended.out and all(harmless(line) for line in ended.out.split("\n")), words
        if "--json" in words:
            assert ended.document  # what was escaped is the same to who parses it
