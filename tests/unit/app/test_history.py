"""The journal as a document, without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.config.files import written
from tests.kit.journal.store import CHAIN, plan, signed
from yieldbot.app.context import Context
from yieldbot.app.history import HistoryRequest, history
from yieldbot.app.history_documents import EventsDocument, PlansDocument, VerifiedDocument
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError
from yieldbot.journal.journal_entries import AlarmLifted, AlarmRaised, PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.risk import Act


def test_nothing_is_there_before_anything_happened(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    file = str(context.settings.data_dir / JOURNAL)
    empty = {"schema": "yieldbot/history/v1", "journal": file}
    assert history(HistoryRequest(), context).as_json() == empty | {"events": [], "unchanged": []}
    assert history(HistoryRequest(waiting=True), context).as_json() == empty | {"plans": []}
    with pytest.raises(ConfigError, match="nothing has been journalled yet"):
        history(HistoryRequest(verify=True), context)


def test_events_plans_and_the_chain_of_hashes(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    with Journal.open(context.settings.data_dir / JOURNAL) as journal:
        shown = {"changes": ("-5 USDC", "+5 aUSDC"), "risks": ("a: safety 71 (B)\x1b[2J",)}
        journal.append(PlanWritten(plan("p1"), ("supply 5 USDC",), **shown), PlanWritten(plan("p2")), signed())
        journal.append(PlanMarked("p1", PlanStatus.QUEUED, "queue", ""), PlanMarked("p2", PlanStatus.FAILED, "us", "x"))
        head = journal.head()
    last = history(HistoryRequest(limit=3), context)
    assert isinstance(last, EventsDocument)
    assert [event.text for event in last.events] == ["supply 5 USDC", "queued by queue", "failed by us: x"]
    assert "raw" not in last.events[0].body and last.events[0].tx_hash == "0xaa"
    assert last.events[1].chain == "eip155:8453" and last.events[1].owner == last.events[0].owner, "its plan's"
    every = history(HistoryRequest(limit=0), context)
    assert isinstance(every, EventsDocument) and [event.seq for event in every.events] == [1, 2, 3, 4, 5]
    waiting = history(HistoryRequest(waiting=True), context)
    assert isinstance(waiting, PlansDocument) and [one.id for one in waiting.plans] == ["p1"]
    (inbox,) = waiting.plans
    assert inbox.changes == ("-5 USDC", "+5 aUSDC") and "\x1b" not in inbox.risks[0] and inbox.risks[0][:4] == "a: s"
    assert inbox.digest.startswith("0x") and len(inbox.digest) == 66 and inbox.signed_by == ()
    plans = history(HistoryRequest(plans=True), context)
    assert isinstance(plans, PlansDocument) and [one.status for one in plans.plans] == ["queued", "failed"]
    sound = history(HistoryRequest(verify=True), context)
    assert isinstance(sound, VerifiedDocument) and (sound.rows, (sound.head_seq, sound.head_hash)) == (5, head)


def test_an_alarm_says_of_what_and_what_it_asks_for(tmp_path: Path) -> None:
    context = Context(written(tmp_path))
    market = {"chain": CHAIN, "market_id": MarketId("aave_v3/x"), "code": "UTILISATION", "act": Act.LEAVE, "time": 7}
    with Journal.open(context.settings.data_dir / JOURNAL) as journal:
        journal.append(AlarmRaised(**market, saw="utilisation 95.01%", since=5), AlarmLifted(**market))
    found = history(HistoryRequest(), context)
    assert isinstance(found, EventsDocument)
    raised, lifted = (event.text for event in found.events)
    assert raised == "UTILISATION (leave) in aave_v3/x: utilisation 95.01%"
    assert lifted == "UTILISATION (leave) in aave_v3/x: no longer stands"
