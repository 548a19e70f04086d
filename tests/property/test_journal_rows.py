"""Rows of the journal that are grown by what is appended are those of a journal that is read whole."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from tests.kit.journal.store import CHAIN, OWNER, signed
from tests.kit.signer import ANNA, BEN, folder, plan, signature
from yieldbot.api.listing import page_of, wanted
from yieldbot.app import journal_rows
from yieldbot.app.collections import transaction_of
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import EventsDocument, PlansDocument
from yieldbot.app.journal_rows import WHOLE_SECONDS, JournalRows, events_of_plan
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import InvariantError
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.journal.journal_entries import JournalEntry, PlanMarked, PlanStatus, PlanWritten, TxSent, TxSettled
from yieldbot.journal.run_entries import RunEnded
from yieldbot.journal.store import Journal
from yieldbot.model.tx import Reverted

PLANS = [plan(height=number) for number in (7, 8)]
GIVEN = [
    ApprovalGiven(plan_id=one.id, approver=name, signature=signature(one, key))
    for one in PLANS
    for name, key in (("anna", ANNA), ("ben", BEN), ("nobody", BEN))
]
MARKS = (PlanStatus.EXPIRED, PlanStatus.QUEUED, PlanStatus.APPROVED, PlanStatus.EXECUTED)
SENT = [replace(signed(f"0x{number:064x}", number), plan_id=PLANS[number].id) for number in (0, 1)]


def run(number: int) -> RunEnded:
    return RunEnded(run=f"r{number % 2}", by=f"key {number}", command="run", chain=CHAIN, owner=OWNER, wallet="main",
                    assets=("USDC",), began=1_700_000_000 + number, seconds=1.5, outcome="held", code="", reason="",
                    plan_id=("", *(one.id for one in PLANS))[number % 3])  # fmt: skip


def entries(picks: list[int]) -> list[JournalEntry]:
    """Entries that a journal may have after its beginning (``BEGIN``), by number."""
    of: list[JournalEntry] = [
        *(PlanMarked(one.id, status, "anna, ben", "why") for one in PLANS for status in MARKS),
        *GIVEN,
        *(TxSent(CHAIN, OWNER, one.hash, 2) for one in SENT),
        *(TxSettled(CHAIN, OWNER, Reverted(one.hash, PLANS[0].block, 5, "no")) for one in SENT),
        *(run(number) for number in range(3)),
        AccessNoted(by="key a", where="127.0.0.1", what="POST /v1/plans", outcome="201", times=2),
        PlanWritten(PLANS[0], ("again",)),
    ]  # fmt: skip
    return [of[pick % len(of)] for pick in picks]


BEGIN: list[JournalEntry] = [*(PlanWritten(one, ("x",)) for one in PLANS), *SENT]


def whole(context: Any) -> dict[str, list[Any]]:
    """The same by the commands, which read everything."""
    events, plans = history(HistoryRequest(limit=0), context), history(HistoryRequest(plans=True), context)
    assert isinstance(events, EventsDocument) and isinstance(plans, PlansDocument)
    with Journal.read(context.settings.data_dir / JOURNAL) as journal:
        sent = [transaction_of(one) for one in journal.transactions()]
    return {
        "journal": [one.model_dump(mode="json") for one in events.events],
        "plans": [one.model_dump(mode="json") for one in plans.plans],
        "transactions": sent,
    }


KINDS = st.sampled_from(["append", "append", "nothing", "cut off", "rewritten"])
STEPS = st.lists(st.tuples(KINDS, st.lists(st.integers(0, 40), max_size=4)), min_size=1, max_size=6)


@given(steps=STEPS)
@settings(max_examples=draws(8, 500), deadline=None)
def test_they_are_those_of_a_whole_reading(steps: list[tuple[str, list[int]]]) -> None:
    with TemporaryDirectory() as made:
        context = folder(Path(made) / "home")
        file = context.settings.data_dir / JOURNAL
        rows = JournalRows(context.settings.data_dir, clock=lambda: 0.0)
        with Journal.open(file) as journal:
            journal.append(*BEGIN)
        earlier = shutil.copy(file, file.with_suffix(".earlier"))
        rows.read()
        wholes = 1
        for what, picks in steps:
            with Journal.read(file) as journal:
                before = len(journal.history())
            if what in ("cut off", "rewritten"):
                shutil.copy(earlier, file)
            added = entries(picks)
            if what == "rewritten":
                added = [run(7), *added]
            if what != "nothing" and added:
                with Journal.open(file) as journal:
                    journal.append(*added)
            found, right = rows.read(), whole(context)
            assert {name: found[name] for name in right} == right
            assert found == JournalRows(context.settings.data_dir).read()
            wholes += what in ("cut off", "rewritten") and before > len(BEGIN)
            assert rows.whole <= wholes, "what was appended alone is read"


def test_what_is_damaged_is_refused_and_read_anew_when_it_is_mended(tmp_path: Path) -> None:
    context = folder(tmp_path / "home")
    file, now = context.settings.data_dir / JOURNAL, [0.0]
    with Journal.open(file) as journal:
        journal.append(*BEGIN, run(1))
    rows = JournalRows(context.settings.data_dir, clock=lambda: now[0])
    right = rows.read()
    assert len(right["journal"]) == 7, "two of them are of the register"
    mended = shutil.copy(file, file.with_suffix(".mended"))
    change(file, "DROP TRIGGER events_keep", "UPDATE events SET body = replace(body, 'held', 'done') WHERE seq = 7")
    with pytest.raises(InvariantError, match="row 7 was changed"):
        rows.read()
    with pytest.raises(InvariantError, match="row 7 was changed"):
        rows.read()
    shutil.copy(mended, file)
    assert rows.read() == right

    with Journal.open(file) as journal:
        journal.append(run(2))
    change(file, "DROP TRIGGER events_keep", "UPDATE events SET body = replace(body, 'x', 'y') WHERE seq = 3")
    assert len(rows.read()["journal"]) == 8, "an old row alone is not looked at again"
    now[0] += WHOLE_SECONDS
    with pytest.raises(InvariantError, match="row 3 was changed"):
        rows.read()


def change(file: Path, *statements: str) -> None:
    """As somebody who can write the file may."""
    with sqlite3.connect(file) as raw:
        for statement in statements:
            raw.execute(statement)
    raw.close()


@pytest.mark.parametrize("seed", range(draws(6, 400)))
def test_pages_go_on_behind_the_rows_in_memory(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window of few rows every page, and every transaction, plan and order that is in force, is what it is when
    all rows are in memory; only plans that ended long ago before anybody approved them are not listed."""
    rng, context = random.Random(seed), folder(tmp_path / "home")
    file, data_dir = context.settings.data_dir / JOURNAL, context.settings.data_dir
    order = ExitOrdered(chain=CHAIN, owner=OWNER, market_id="m", name="n", by="me", into="", time=5)
    picks: list[JournalEntry] = [*BEGIN, order, *entries([rng.randrange(60) for _ in range(rng.randint(5, 40))])]
    with Journal.open(file) as journal:
        journal.append(*picks)
    every = JournalRows(data_dir).collections("all", 1)
    monkeypatch.setattr(journal_rows, "WINDOW", rng.randint(1, 8))
    rows = JournalRows(data_dir)
    few = rows.collections("few", 1)
    with Journal.open(file) as journal:
        journal.append(run(1))
    grown = rows.collections("more", 1)
    assert len(few["journal"].rows) == journal_rows.WINDOW and grown["journal"].older == few["journal"].older
    limit, found, cursor = rng.randint(1, 9), list[Any](), ""
    while True:
        asked = wanted([("limit", str(limit)), *([("cursor", cursor)] if cursor else [])], ("seq", "kind"))
        items, cursor_or_none, total = page_of(few["journal"], few["journal"].rows, asked, "seq")
        found += items
        assert total == len(every["journal"].rows)
        if cursor_or_none is None:
            break
        cursor = cursor_or_none
    assert found == list(every["journal"].rows)
    assert few["transactions"].rows == every["transactions"].rows and few["orders"].rows == every["orders"].rows
    listed = {row["id"]: row for row in few["plans"].rows}
    missing = [row for row in every["plans"].rows if listed.get(row["id"]) != row]
    assert all(row["status"] == "expired" and row["id"] not in listed for row in missing)
    for plan_id in listed:
        about = [row for row in every["journal"].rows if row["plan_id"] == plan_id or row["tx_hash"]]
        hashes = {row["tx_hash"] for row in about if row["kind"] == "tx.signed" and row["plan_id"] == plan_id}
        own = [row for row in about if row["plan_id"] == plan_id or row["tx_hash"] in hashes]
        assert [row for row in events_of_plan(data_dir, plan_id) if row["seq"] <= total] == own
