"""The journal's file: durable, append-only, evident when tampered with, and clear about what is wrong with it."""

import hashlib
import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.journal.store import BLOCK, CHAIN, MARKET, OWNER, USDC, plan, signed
from tests.kit.journal.store import path as path
from yieldbot.errors import InvariantError
from yieldbot.journal.entry_codec import decode, encode
from yieldbot.journal.exit_entries import ExitProven, ExitRefused
from yieldbot.journal.fold import PROOF_SECONDS, Exits, fold_exits
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, evm_chain
from yieldbot.model.tx import Confirmed, Delta, Expired

OTHER = Address("0x" + "22" * 20)

PROVEN = ExitProven(
    chain=CHAIN, owner=OWNER, market_id=MARKET, fingerprint="f1", time=1_700_000_000, up_to=Amount(USDC, 5)
)
HELD = RecordedHolding(held_raw=5, apr=0.03, horizon_seconds=604_800.0)
REFUSED = ExitRefused(chain=CHAIN, owner=OWNER, market_id=MARKET, fingerprint="f1", reason="it is locked")


def test_events_come_back_in_order_after_reopening(path: Path) -> None:
    confirmed = Confirmed("0xaa", BLOCK, 80_000, 10**9, (Delta(USDC, -5),))
    events = (
        PlanWritten(plan(), ("supply 5 USDC to Aave v3",), ("-5 USDC",), ("Aave v3: safety 71 (B)",)),
        PlanMarked("p1", PlanStatus.APPROVED, "terminal"),
        signed(),
        TxSent(CHAIN, OWNER, "0xaa", 1),
        TxNoted(CHAIN, OWNER, "0xaa", "reply lost"),
        TxSettled(CHAIN, OWNER, confirmed),
        AccountStopped(CHAIN, OWNER, "why", "0xaa"),
        AccountCleared(CHAIN, OWNER, "me"),
        Observed(CHAIN, OWNER, BLOCK, asset=USDC.address, holdings={MARKET: HELD}),
        PROVEN,
        REFUSED,
    )
    with Journal.open(path, clock=lambda: 1_700_000_001.5) as journal:
        journal.append(*events[:3])
        for event in events[3:]:
            journal.append(event)
    with Journal.open(path) as journal:
        records = journal.history()
        assert tuple(record.entry for record in records) == events
        assert [record.seq for record in records] == list(range(1, 12))
        assert {record.at for record in records} == {1_700_000_001}
        assert [record.seq for record in journal.history(2)] == [10, 11]
        assert journal.verify() == 11
    assert path.stat().st_mode & 0o777 == 0o600


def test_plans_and_transactions_are_folded(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(PlanWritten(plan()), PlanMarked("p1", PlanStatus.QUEUED, "queue"), PlanWritten(plan("p2")))
        assert [stored.plan.id for stored in journal.plans(PlanStatus.QUEUED)] == ["p1"]
        stored = journal.plan("p1")
        assert stored is not None and stored.plan == plan() and stored.status is PlanStatus.QUEUED
        assert journal.plan("nothing") is None
        journal.append(signed("0xaa", 0), signed("0xbb", 0, OTHER), TxSent(CHAIN, OWNER, "0xaa", 1))
        assert [tx.signed.hash for tx in journal.open_transactions(CHAIN, OWNER)] == ["0xaa"]
        assert [tx.signed.hash for tx in journal.transactions()] == ["0xaa", "0xbb"]
        journal.append(TxSettled(CHAIN, OWNER, Expired("0xaa", "cancelled")))
        assert journal.open_transactions(CHAIN, OWNER) == ()
        found = journal.transaction("0xaa")
        assert found is not None and found.attempts == 1 and found.outcome == Expired("0xaa", "cancelled")
        assert [tx.signed.hash for tx in journal.open_transactions(CHAIN, OTHER)] == ["0xbb"]


def test_an_account_is_stopped_until_cleared(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(AccountStopped(CHAIN, OWNER, "first"), AccountStopped(CHAIN, OWNER, "second"))
        assert journal.stopped_accounts() == {(CHAIN, OWNER): "first"}
        journal.append(AccountCleared(CHAIN, OWNER, "me"))
        assert journal.stopped_accounts() == {}


def test_what_is_known_of_the_ways_out(path: Path) -> None:
    with Journal.open(path) as journal:

        def known() -> Exits:
            return fold_exits(journal.history(), CHAIN, OWNER)[MARKET]

        assert fold_exits(journal.history(), CHAIN, OWNER) == {}
        journal.append(PROVEN)
        now = PROVEN.time
        assert known().proven("f1", now, 5) and not known().proven("f1", now, 6) and not known().proven("f2", now, 5)
        assert known().proven("f1", now + PROOF_SECONDS - 1, 5) and not known().proven("f1", now + PROOF_SECONDS, 5)
        assert not known().tried("f1")
        journal.append(replace(PROVEN, on_chain=True, up_to=Amount(USDC, 1)))
        assert known().tried("f1") and not known().tried("f2") and known().proven("f1", now, 5)
        journal.append(REFUSED)
        assert known().refusals == {"f1": "it is locked"} and known().proofs == ()
        assert not known().proven("f1", now, 1) and not known().tried("f1")
        journal.append(replace(PROVEN, fingerprint="f2"))  # it has changed, and is what it was no longer
        assert known().proven("f2", now, 5) and not known().proven("f1", now, 5)
        assert fold_exits(journal.history(), CHAIN, OTHER) == {}
        journal.append(AccountCleared(CHAIN, OTHER, "me"))
        assert known().refusals == {"f1": "it is locked"}
        journal.append(AccountCleared(CHAIN, OWNER, "me"))  # a person's word: the next deposit is rehearsed again
        assert known().refusals == {} and not known().proven("f1", now, 1)
        journal.append(replace(REFUSED, on_chain=True), AccountCleared(CHAIN, OWNER, "me"))
        assert known().refusals == {"f1": "it is locked"}  # real money stayed there


def test_a_refusal_of_before_real_money_was_told_apart_is_read() -> None:
    keys, body = encode(REFUSED)
    del body["on_chain"]
    assert decode(keys, body) == REFUSED


def test_rows_cannot_be_changed_or_deleted(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
    database = sqlite3.connect(path)
    for statement in ("UPDATE events SET body = '{}'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = replace(body, 'supply 5', 'supply 6') WHERE seq = 2",
        "UPDATE events SET at = at + 1 WHERE seq = 2",
        "UPDATE events SET owner = 'x' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE events SET seq = 9 WHERE seq = 3",
        "UPDATE events SET seq = 0 WHERE seq = 3",  # nothing is read before the first
        "UPDATE events SET seq = -1 WHERE seq = 3",
    ],
)
def test_tampering_is_evident_even_without_the_triggers(path: Path, statement: str) -> None:
    with Journal.open(path) as journal:
        journal.append(signed("0xaa", 0), signed("0xbb", 1), signed("0xcc", 2))
        database = sqlite3.connect(path)
        database.execute("DROP TRIGGER events_keep")
        database.execute("DROP TRIGGER events_stay")
        database.execute(statement)
        database.commit()
        database.close()
        with pytest.raises(InvariantError, match=r"row (2|3|0|-1) was changed"):
            journal.verify()
    with pytest.raises(InvariantError, match="was changed"):
        Journal.open(path)


@pytest.mark.parametrize(
    "trigger",
    [
        "BEFORE INSERT ON events BEGIN SELECT RAISE(IGNORE); END",
        "AFTER INSERT ON events BEGIN INSERT INTO events SELECT seq + 1, at, kind, chain, owner, plan_id, tx_hash,"
        " body, prev, hash FROM events WHERE seq = new.seq; END",
    ],
)
def test_a_trigger_of_somebody_else_writes_nothing_behind_our_back(path: Path, trigger: str) -> None:
    with Journal.open(path) as journal:
        journal.append(signed("0xaa", 0))
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TRIGGER theirs {trigger}")
        database.close()
        with pytest.raises(InvariantError, match="does not keep what is written to it"):
            journal.append(signed("0xbb", 1))
        assert len(journal.transactions()) == 1
    for opened in (Journal.open, Journal.read):
        with pytest.raises(InvariantError, match="somebody added the trigger 'theirs'"):
            opened(path)


def test_a_damaged_file_stops_the_bot(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
    path.write_bytes(b"this is no database, however long it is" * 100)
    for leftover in path.parent.glob("*-wal"):
        leftover.unlink()
    with pytest.raises(InvariantError, match=r"is damaged; restore"):
        Journal.open(path)


def test_a_file_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE notes (x)")
    database.commit()
    database.close()
    with pytest.raises(InvariantError, match="not a yieldbot journal"):
        Journal.open(path)


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_schema_is_refused_with_the_remedy(path: Path, version: int) -> None:
    Journal.open(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    for way in (Journal.open, Journal.read):
        with pytest.raises(InvariantError, match=rf"schema {version}, this yieldbot knows 1: update yieldbot"):
            way(path)


def test_a_file_with_a_version_but_no_tables_is_another_programs(path: Path) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 1")
    database.commit()
    database.close()
    with pytest.raises(InvariantError, match="not a yieldbot journal"):
        Journal.open(path)


def test_rows_are_asked_for_by_account_hash_and_plan(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed("0xaa"), signed("0xbb", 1, OTHER), PlanWritten(plan()), PlanWritten(plan("p2")))
        assert [tx.signed.hash for tx in journal.transactions(CHAIN, OTHER)] == ["0xbb"]
        assert [tx.signed.hash for tx in journal.transactions(evm_chain(1), OTHER)] == []
        both = ["0xaa", "0xbb"]
        assert [tx.signed.hash for tx in journal.transactions(CHAIN)] == both
        assert [tx.signed.hash for tx in journal.transactions(owner=OTHER)] == both, "an account is a chain's"
        assert journal.signed("0xbb") == signed("0xbb", 1, OTHER) and journal.signed("0xcc") is None
        assert journal.transaction("0xcc") is None
        assert [stored.plan.id for stored in journal.plans()] == ["p1", "p2"]
        assert [stored.plan.id for stored in journal.plans(PlanStatus.PROPOSED)] == ["p1", "p2"]
        assert journal.history(0) == () and len(journal.history(100)) == 4
        assert repr(journal) == f"Journal({path})"


def test_a_row_is_chained_to_the_one_before_by_what_the_docs_say(path: Path) -> None:
    with Journal.open(path, clock=lambda: 7.9) as journal:
        assert journal.head() == (0, "0" * 64)
        journal.append(signed(), TxSent(CHAIN, OWNER, "0xaa", 1))
        rows = sqlite3.connect(path).execute("SELECT * FROM events ORDER BY seq").fetchall()
        assert journal.head() == (2, rows[1][9])
    for row, before in zip(rows, ("0" * 64, rows[0][9]), strict=True):
        seq, at, kind, chain, owner, plan_id, tx_hash, body, previous, told = row
        text = json.dumps([seq, at, kind, chain, owner, plan_id, tx_hash, body, before], separators=(",", ":"))
        assert (previous, told, at) == (before, hashlib.sha256(text.encode()).hexdigest(), 7)
        assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"))


def test_what_is_no_number_is_not_written(path: Path) -> None:
    with Journal.open(path) as journal:
        with pytest.raises(ValueError, match="JSON compliant"):
            journal.append(signed(), Observed(CHAIN, OWNER, BLOCK, holdings={MARKET: replace(HELD, apr=float("nan"))}))
        assert journal.history() == (), "all of it or none"


def test_words_beyond_ascii_keep_their_hash(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(AccountStopped(CHAIN, OWNER, "caf\u00e9 \u2192 \U0001f600"))
    with Journal.open(path) as journal:
        assert journal.verify() == 1 and journal.stopped_accounts() == {(CHAIN, OWNER): "caf\u00e9 \u2192 \U0001f600"}


def test_an_event_of_a_transaction_that_was_never_signed_is_a_contradiction(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(TxSent(CHAIN, OWNER, "0xdead", 1))
        with pytest.raises(InvariantError, match="contradicts itself"):
            journal.transactions()


def test_a_copy_is_as_good_as_the_file(path: Path, tmp_path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(signed())
        head = journal.head()
    shutil.copy(path, tmp_path / "copy.sqlite")
    with Journal.open(tmp_path / "copy.sqlite") as copy:
        assert copy.head() == head


def test_a_journal_that_was_emptied_is_not_begun_anew(path: Path) -> None:
    """An empty file is what a start leaves that was killed at once; beside a log or a copy it is a loss."""
    for name, size, refused in (
        ("journal.sqlite-wal", 1, True),
        ("journal.sqlite.bak", 1, True),
        ("journal.sqlite-shm", 1, False),
        ("journal.sqlite-wal", 0, False),
        ("other.sqlite", 1, False),
    ):
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob("*"):
            old.unlink()
        path.write_bytes(b"")
        beside = path.with_name(name.replace("journal.sqlite", path.name))
        beside.write_bytes(b"x" * size)
        if refused:
            with pytest.raises(InvariantError, match=r"is empty, though .* lies beside it"):
                Journal.open(path)
            assert not path.stat().st_size
        else:
            Journal.open(path).close()
            assert path.stat().st_size
