"""The checkpoint in the journal's file: what it saves, and what is noticed in spite of it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.journal.store import BLOCK, CHAIN, MARKET, OWNER, USDC, plan, signed
from yieldbot.errors import DiskFull, InvariantError
from yieldbot.journal import checkpoint, connections, relevant, rows, store, verified
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSettled,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import BlockRef
from yieldbot.model.tx import Expired

HELD = RecordedHolding(held_raw=10**9, apr=0.03, horizon_seconds=604_800.0)


def observed(number: int, raw: int = 10**9) -> Observed:
    """What a run sees every half hour."""
    block = BlockRef(CHAIN, number, f"0x{number:064x}", BLOCK.timestamp - BLOCK.timestamp % 86_400 + number * 1800)
    return Observed(CHAIN, OWNER, block, asset=USDC.address, holdings={MARKET: replace(HELD, held_raw=raw + number)})


def ended(number: int, outcome: str = "held", by: str = "schedule", reason: str = "") -> RunEnded:
    return RunEnded(chain=CHAIN, owner=OWNER, plan_id="", run=f"r{number}", by=by, command="run", wallet="main",
                    assets=("USDC",), began=1_700_000_000, seconds=1.0, outcome=outcome, code="",
                    reason=reason or f"{number}.5 USDC a year is too little")  # fmt: skip


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and stretches of few rows, and a process that remembers nothing."""
    monkeypatch.setattr(checkpoint, "AGAIN_ROWS", 20)
    monkeypatch.setattr(store, "SOME_ROWS", 10)
    monkeypatch.setattr(verified, "_verified", {})
    monkeypatch.setattr(verified, "_folds", {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 62 rows with a checkpoint at its end."""
    found = tmp_path / "journal.sqlite"
    with Journal.open(found) as journal:
        journal.append(PlanWritten(plan()), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
        for number in range(29):
            journal.append(observed(number), AccessNoted(by="key a", where="", what="GET /v1/plans", outcome="403"))
        journal.append(AccountStopped(CHAIN, OWNER, "why", "0xaa"), signed())
    verified._folds.clear()
    return found


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of each row whose hash is computed."""
    numbers, digest = list[int](), store.row_digest

    def counted(row: rows.Row) -> str:
        numbers.append(int(row[0]))
        return digest(row)

    monkeypatch.setattr(store, "row_digest", counted)
    yield numbers


def altered(path: Path, *statements: str) -> None:
    """Changed with another program, its triggers put back."""
    database = sqlite3.connect(path)
    for one in ("DROP TRIGGER events_keep", "DROP TRIGGER events_stay", *statements, *store._SCHEMA[2:4]):
        database.execute(one)
    database.commit()
    database.close()


def test_an_opening_verifies_what_came_since_and_a_stretch_of_the_rest(path: Path, judged: list[int]) -> None:
    with Journal.open(path) as journal:
        assert set(judged) <= {62, *range(1, 63)} and len(judged) <= 14
        judged.clear()
        records = journal.records()
        assert len(judged) <= 7 and {one.seq for one in records} == {1, 2, 3, 59, 61, 62}, "first and last of the day"
        assert journal.stopped_accounts() == {(CHAIN, OWNER): "why"} == journal.faulted_accounts()
        assert [one.plan.id for one in journal.plans(PlanStatus.QUEUED)] == ["p1"]
        assert [one.signed.hash for one in journal.open_transactions(CHAIN, OWNER)] == ["0xaa"]
        judged.clear()
        journal.append(TxSettled(CHAIN, OWNER, Expired("0xaa", "late")), AccountCleared(CHAIN, OWNER, "me"))
        assert not journal.open_transactions(CHAIN, OWNER) and not journal.stopped_accounts()
        assert max(judged) == 64 and len(judged) < 12
    for _ in range(99):  # a random stretch each time: every row comes under it
        Journal.read(path).close()
        if set(judged) >= set(range(1, 65)):
            break
    else:
        pytest.fail("rows that are never verified")


def test_a_checkpoint_gives_what_all_rows_give(path: Path) -> None:
    with Journal.read(path) as journal:
        kept = journal.records()
    altered(path, "DELETE FROM checkpoint")
    verified._folds.clear()
    with Journal.read(path) as journal:
        assert journal.records() == kept


@pytest.mark.parametrize("row", [1, 2, 3, 61, 62])
def test_a_row_that_counts_is_compared_before_it_is_used(path: Path, row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    altered(path, f"UPDATE events SET at = at + 1 WHERE seq = {row}")
    monkeypatch.setattr(random, "randint", lambda first, last: 20)  # the stretch is elsewhere
    with pytest.raises(InvariantError, match=f"row {row} was changed"), Journal.open(path) as journal:
        journal.records()
        journal.stopped_accounts()


def test_a_row_with_a_hash_of_its_own_is_not_the_one_that_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = sqlite3.connect(path)
    row = list(database.execute(f"SELECT {rows.COLUMNS} FROM events WHERE seq = 61").fetchone())
    database.close()
    row[7] = row[7].replace("why", "not")
    altered(path, f"UPDATE events SET body = '{row[7]}', hash = '{rows.row_digest(row[:9])}' WHERE seq = 61")
    monkeypatch.setattr(random, "randint", lambda first, last: 20)
    with pytest.raises(InvariantError, match="row 61 was changed"), Journal.open(path) as journal:
        journal.stopped_accounts()


def test_an_old_row_that_counts_for_nothing_is_found_by_verify(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered(path, "UPDATE events SET body = '{}' WHERE seq = 8")
    monkeypatch.setattr(random, "randint", lambda first, last: 20)
    with Journal.read(path) as journal:
        assert journal.records()
        with pytest.raises(InvariantError, match="row 8 was changed"):
            journal.verify()
    monkeypatch.setattr(random, "randint", lambda first, last: 5)
    with pytest.raises(InvariantError, match="row 8 was changed"):
        Journal.open(path)


@pytest.mark.parametrize(
    "doubt",
    [
        "UPDATE checkpoint SET state = replace(state, '61', '60')",
        "UPDATE checkpoint SET seq = 60",
        "UPDATE checkpoint SET hash = 'f'",
        "UPDATE checkpoint SET version = 0",
        "UPDATE checkpoint SET whole_at = whole_at - 9",
        "DELETE FROM checkpoint",
        "DROP TABLE checkpoint",
        "an older one",
        "a week ago",
        "a clock that went back",
    ],
)
def test_in_doubt_all_rows_are_read_again(path: Path, doubt: str, judged: list[int]) -> None:
    now = {"a week ago": 7 * 86_400.0, "a clock that went back": -60.0}.get(doubt, 0.0)
    with Journal.read(path) as journal:
        kept, whole_at = journal.records(), journal._whole_at
    verified._folds.clear()
    if doubt == "an older one":
        altered(path, "DELETE FROM events WHERE seq > 40")  # a file from a backup with a checkpoint of later
    elif not now:
        altered(path, doubt)
    judged.clear()
    assert whole_at is not None
    with Journal.open(path, clock=lambda: whole_at + now) as journal:
        assert set(judged) >= set(range(1, 41))
        if doubt != "an older one":
            assert journal.records() == kept
    with Journal.read(path) as journal:
        assert journal.verify() in (40, 62)


def test_a_forged_checkpoint_is_found_by_verify_and_removed(path: Path) -> None:
    """It hides that the account is stopped, and has a right digest."""
    with Journal.read(path) as journal:
        found = checkpoint.load(journal._fetch)
    assert found is not None
    way = connections.Written(path)
    with way.transaction() as connection:
        for statement, values in checkpoint.statements(
            replace(found, state=found.state.replace('"rows":[61]', '"rows":[]'))
        ):
            connection.execute(statement, values)
    way.close()
    verified._folds.clear()
    with Journal.open(path) as journal:
        assert not journal.stopped_accounts()
    with Journal.read(path) as journal, pytest.raises(InvariantError, match="its checkpoint is not what its rows give"):
        journal.verify()
    verified._folds.clear()
    with Journal.open(path) as journal:
        assert journal.verify() == 62 and journal.stopped_accounts() == {(CHAIN, OWNER): "why"}


def test_a_program_of_another_version_makes_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (relevant, checkpoint):
        monkeypatch.setattr(module, "VERSION", 99)
    with Journal.open(path) as journal:
        assert journal.verify() == 62
    with Journal.read(path) as journal:
        found = checkpoint.load(journal._fetch)
        assert found is not None and found.seq == 62


def test_without_space_for_a_checkpoint_the_rows_are_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> object:
        raise DiskFull("no space")

    with Journal.open(path) as journal:
        journal.append(*(AccessNoted(by=f"{n}", where="", what="x", outcome="403") for n in range(30)))
        monkeypatch.setattr(checkpoint, "statements", full)
    monkeypatch.undo()
    with Journal.read(path) as journal:
        assert journal.verify() == 92


def test_where_nothing_can_be_written_it_is_read_as_well(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "only" / "journal.sqlite"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    copy.chmod(0o400)
    copy.parent.chmod(0o500)
    try:
        with Journal.read(copy) as journal:
            assert len(journal.records()) == 6 and [one.name for one in copy.parent.iterdir()] == [copy.name]
    finally:
        copy.parent.chmod(0o700)


def test_several_processes_append_to_one_journal(path: Path) -> None:
    with Journal.open(path) as first, Journal.open(path) as second:
        assert first.records() == second.records()
        first.append(AccountCleared(CHAIN, OWNER, "me"))
        assert not second.stopped_accounts() and second.records() == first.records()
        second.append(signed("0xbb", 1))
        assert [one.signed.hash for one in first.open_transactions(CHAIN, OWNER)] == ["0xaa", "0xbb"]


def test_what_only_repeats_is_counted_one_a_day_excepted(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: 1_700_000_000.0) as journal:
        for number in range(100):  # two days and two hours
            journal.append_unless_repeated(observed(number))
            journal.append_unless_repeated(ended(number))
        days = [one.entry.block.height for one in journal.history() if isinstance(one.entry, Observed)]
        assert days == [0, 48, 96] and len(journal.history()) == 4
        looked = {type(one.entry): one for one in journal.looked()}
        assert (looked[Observed].times, looked[RunEnded].times) == (3, 99) and looked[Observed].at == 1_700_000_000
        assert isinstance(looked[Observed].entry, Observed) and looked[Observed].entry.block.height == 99
        journal.append(signed())  # what was seen last is written before it
        assert [type(one.entry) for one in journal.history(2)] == [Observed, type(signed())]
        assert journal.history(2)[0].entry == observed(99)
        journal.append_unless_repeated(observed(100))
        assert journal.history(1)[0].entry == observed(100), "something was signed since"
        journal.append_unless_repeated(observed(101))
        journal.append_unless_repeated(observed(102, 2 * 10**9))
        assert [one.entry for one in journal.history(2)] == [observed(101), observed(102, 2 * 10**9)]
        assert [type(one.entry) for one in journal.looked()] == [RunEnded]


@pytest.mark.parametrize(
    ("other", "rows_then"),
    [
        (ended(2, "failed"), 3),
        (ended(2, reason="the fee is too high"), 3),
        (ended(2, by="key a"), 3),
        (replace(ended(2), began=1_700_100_000), 2),
        (replace(ended(2), wallet="second"), 2),
        (ended(2), 1),
    ],
)
def test_an_end_that_differs_is_written(tmp_path: Path, other: RunEnded, rows_then: int) -> None:
    """With what repeated the first one before it, where they are of one kind."""
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        journal.append_unless_repeated(ended(0))
        journal.append_unless_repeated(ended(1))
        journal.append_unless_repeated(other)
        found = [one.entry for one in journal.history()]
        assert len(found) == rows_then and found[-1] == (other if rows_then > 1 else ended(0))
