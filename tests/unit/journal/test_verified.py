"""A long-running process verifies what was appended since it verified the journal last; a changed past is noticed at
its start, by `history --verify`, at each opening that may lead to a signature, and every ten minutes."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.kit.journal.store import CHAIN, MARKET
from yieldbot.errors import InvariantError
from yieldbot.journal import queries, rows, store, verified
from yieldbot.journal.access_entries import AccessNoted
from yieldbot.journal.journal_entries import AlarmRaised
from yieldbot.journal.store import Journal
from yieldbot.model.risk import Act


def noted(number: int) -> AccessNoted:
    return AccessNoted(by=f"key {number}", where="", what="GET /v1/plans", outcome="403", times=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 40 rows."""
    found = tmp_path / "journal.sqlite"
    with Journal.open(found) as journal:
        journal.append(*map(noted, range(40)))
    return found


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of each row whose hash was computed."""
    numbers, digest = list[int](), store.row_digest

    def counted(row: rows.Row) -> str:
        numbers.append(int(row[0]))
        return digest(row)

    monkeypatch.setattr(store, "row_digest", counted)
    return numbers


def changed(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER events_keep")
        database.execute("DROP TRIGGER events_stay")
        database.execute(statement)
        for one in store._SCHEMA[2:4]:
            database.execute(one)
    database.close()


def test_only_what_was_appended_is_verified_again(path: Path, judged: list[int]) -> None:
    Journal.read(path).close()
    assert judged == list(range(1, 41)), "this process has not verified what it wrote"
    judged.clear()
    with Journal.open(path, appended=True) as journal:
        assert judged == [40]
        journal.append(noted(40), noted(41))
    judged.clear()
    with Journal.read(path, appended=True) as journal:
        assert judged == [40, 41, 42] and len(journal.history()) == 42
    judged.clear()
    Journal.read(path, appended=True).close()
    assert judged == [42]
    judged.clear()
    Journal.open(path).close()
    assert judged == list(range(1, 43)), "what may lead to a signature verifies all of it"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 40", "row 40 was changed"),
        ("UPDATE events SET hash = 'f' WHERE seq = 40", "row 40 was changed"),
        ("DELETE FROM events WHERE seq = 40", ""),
        ("INSERT INTO events SELECT 42, at, kind, chain, owner, plan_id, tx_hash, body, prev, hash FROM events"
         " WHERE seq = 40", "row 41 was changed or is missing"),
        ("CREATE TRIGGER theirs AFTER INSERT ON events BEGIN SELECT 1; END", "somebody added the trigger"),
    ],
)  # fmt: skip
def test_what_does_not_go_on_from_there_is_verified_as_a_whole(
    path: Path, judged: list[int], statement: str, words: str
) -> None:
    Journal.read(path).close()
    changed(path, statement)
    judged.clear()
    if words:
        for _ in range(2):
            with pytest.raises(InvariantError, match=words):
                Journal.open(path, appended=True)
    else:  # rows removed at the end show in no file alone
        Journal.open(path, appended=True).close()
        assert judged == list(range(1, 40))


@pytest.mark.parametrize("after", ["ten minutes", "another file", "a start", "a signing command"])
def test_a_changed_past_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    Journal.read(path).close()
    changed(path, "UPDATE events SET body = '{}' WHERE seq = 7")
    with Journal.read(path, appended=True) as journal, pytest.raises(InvariantError, match="row 7 was changed"):
        journal.verify()  # as `history --verify` does
    match after:
        case "ten minutes":
            at = verified._verified[path].whole_at
            monkeypatch.setattr(verified, "time", SimpleNamespace(monotonic=lambda: at + 601.0))
        case "another file":
            other = path.with_name("other")
            other.write_bytes(path.read_bytes())
            other.replace(path)
        case "a start":
            monkeypatch.setattr(verified, "_verified", {})
    with pytest.raises(InvariantError, match="row 7 was changed"):
        Journal.open(path, appended=after != "a signing command")


@pytest.mark.parametrize("stays_open", [False, True])
def test_a_process_that_stays_keeps_no_decoded_rows_that_count_no_longer(
    path: Path, monkeypatch: pytest.MonkeyPatch, stays_open: bool
) -> None:
    """Each row of an alarm makes the one before count no longer."""
    monkeypatch.setattr(queries, "MOST_OLD_RECORDS", 2)
    raised = AlarmRaised(chain=CHAIN, market_id=MARKET, code="PEG", act=Act.STOP, saw="x", since=1, time=1)
    journal = Journal.open(path, appended=True)
    for time in range(8):
        journal.append(replace(raised, time=time))
        (newest,) = [one.entry for one in journal.records() if isinstance(one.entry, AlarmRaised)]
        assert newest == replace(raised, time=time)
        assert len(journal._decoded) <= 5
        if not stays_open:
            journal.close()
            journal = Journal.open(path, appended=True)
    journal.close()
    assert [record.entry for record in verified._folds[path][2].values()] == [newest]
