"""Files of ours that somebody or something has changed: one line of ours at the end, never a traceback."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.allocator.documents import BANK, POOL, problem
from tests.kit.config.files import written
from tests.kit.config.fuzz import VALUES, changed, places
from tests.kit.draws import draws
from tests.kit.journal.store import BLOCK, CHAIN, OWNER, plan, signed
from yieldbot.cli.main import main
from yieldbot.config.load import load
from yieldbot.journal.journal_entries import Observed, PlanMarked, PlanStatus, PlanWritten, TxSent, TxSettled
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Confirmed, Delta

QUIET = settings(max_examples=draws(15, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])


def ends_well(capsys: pytest.CaptureFixture[str], *words: str) -> int:
    """Run a command in this process: a documented exit code, and no bug is spoken of."""
    code = main(words)
    said = capsys.readouterr()
    assert code in (0, 1, 2, 3, 4, 5) and "this is a bug" not in said.err + said.out, said.err
    assert "Traceback" not in said.err
    return code


@QUIET
@given(st.data())
def test_a_problem_document_with_anything_in_it(capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    document: Any = problem(POOL, BANK, groups=[{"name": "g", "members": ["pool"], "max_share": 0.5}])
    for _ in range(data.draw(st.integers(1, 3))):
        if found := places(document):
            document = changed(document, data.draw(st.sampled_from(found)), data.draw(VALUES), data.draw(st.booleans()))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "problem.json"
        file.write_text(json.dumps(document))
        assert ends_well(capsys, "allocate", str(file), "--json") in (0, 2)


def test_a_group_of_nobody_is_told_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(problem(POOL, groups=[{"name": "g", "members": [], "max_share": 0.5}])))
    assert ends_well(capsys, "allocate", str(file), "--json") == 2


@QUIET
@given(st.binary(max_size=60))
def test_a_problem_file_of_any_bytes(capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "problem.json"
        file.write_bytes(content)
        assert ends_well(capsys, "allocate", str(file)) == 2


def journal_in(folder: Path) -> Path:
    """The journal that a configuration in the folder names, of one plan from its writing to its end."""
    path = load(written(folder)).data_dir / "journal.sqlite"
    with Journal.open(path) as journal:
        journal.append(PlanWritten(plan(), ("supply 5 USDC",)), PlanMarked("p1", PlanStatus.APPROVED, "auto"))
        journal.append(signed())
        journal.append(TxSent(CHAIN, OWNER, "0xaa", 1))
        done = Confirmed("0xaa", BLOCK, 90_000, 10**9, (Delta(signed().predicted[0].token, -5),))
        journal.append(TxSettled(CHAIN, OWNER, done), PlanMarked("p1", PlanStatus.EXECUTED, "execution"))
        journal.append(Observed(CHAIN, OWNER, BLOCK, holdings={}))
    with sqlite3.connect(path) as base:
        base.execute("pragma wal_checkpoint(truncate)")
        base.execute("pragma journal_mode=delete")
    return path


def told(capsys: pytest.CaptureFixture[str], change: Callable[[Path], None]) -> int:
    """The exit code that every command which reads the journal ends with, once it is changed."""
    with TemporaryDirectory() as folder:
        change(journal_in(Path(folder)))
        commands = (("history",), ("history", "--plans"), ("history", "--verify"), ("resume",))
        config = str(Path(folder) / "yieldbot.toml")
        (code,) = {ends_well(capsys, "--config", config, *words) for words in commands}
        return code


def test_a_journal_that_nobody_touched_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal_in(tmp_path)
    assert main(("--config", str(tmp_path / "yieldbot.toml"), "history", "--verify")) == 0
    assert "7 entries, none changed" in capsys.readouterr().out
    assert told(capsys, lambda path: None) == 0


def test_an_index_that_does_not_find_its_rows_is_damage(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x00")) == 1


@pytest.mark.parametrize("what", [b"supply 5 USDC", b"CREATE INDEX"])
def test_text_that_is_none_any_more_is_damage(capsys: pytest.CaptureFixture[str], what: bytes) -> None:
    broken = b"\xff" + what[1:]
    assert told(capsys, lambda path: path.write_bytes(path.read_bytes().replace(what, broken))) == 1


@QUIET
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=20))
def test_a_journal_with_bytes_changed(capsys: pytest.CaptureFixture[str], flips: list[tuple[float, int]]) -> None:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        for where, bits in flips:
            content[int(where * len(content))] ^= bits
        path.write_bytes(content)

    assert told(capsys, flip) in (0, 1)


@QUIET
@given(st.floats(0, 1, exclude_max=True))
def test_a_journal_cut_off(capsys: pytest.CaptureFixture[str], where: float) -> None:
    assert told(capsys, lambda path: path.write_bytes(path.read_bytes()[: int(where * path.stat().st_size)])) in (0, 1)


@QUIET
@given(st.data())
def test_a_row_edited_with_a_tool_is_found(capsys: pytest.CaptureFixture[str], data: st.DataObject) -> None:
    def edit(path: Path) -> None:
        with sqlite3.connect(path) as base:
            for (name,) in base.execute("select name from sqlite_master where type = 'trigger'").fetchall():
                base.execute(f'drop trigger "{name}"')
            (table,) = next(
                row for row in base.execute("select name from sqlite_master where type = 'table'") if "event" in row[0]
            )
            columns = [row[1] for row in base.execute(f'pragma table_info("{table}")')]
            rows = base.execute(f'select rowid, * from "{table}"').fetchall()
            row = data.draw(st.sampled_from(rows))
            place = data.draw(st.integers(0, len(columns) - 1))
            numbers, texts = st.sampled_from([99, -1, 2**62]), st.sampled_from(["", "x", "{}", "[]", "null", "0x00"])
            new = data.draw(numbers if isinstance(row[place + 1], int) else texts)
            if row[place + 1] == new:
                new = "changed"
            base.execute(f'update "{table}" set "{columns[place]}" = ? where rowid = ?', (new, row[0]))

    assert told(capsys, edit) == 1
