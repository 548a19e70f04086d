"""Events: everything that happens once and in order, nothing of others, and no stream without limit or end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.kit.api.listening import Listener
from tests.kit.api.served import Served
from tests.kit.config.files import WALLET
from tests.kit.journal.store import CHAIN
from tests.kit.journal.store import OWNER as PLAN_OWNER
from tests.kit.market_builder import OWNER
from tests.kit.web.walk import proposed
from tests.unit.api.test_alert_routes import RATE, once
from tests.unit.api.test_approvals import queue
from tests.unit.api.test_runs import ended
from tests.unit.app.test_overview import Quiet
from yieldbot.app import events as module
from yieldbot.app import proposals
from yieldbot.app.event_documents import KINDS, of_entry
from yieldbot.app.events import MOST_OF_KEY
from yieldbot.app.halt import HaltRequest, ResumeRequest, halt, resume
from yieldbot.app.history import event_of
from yieldbot.app.run_documents import RunDocument
from yieldbot.execution.halt import NAME
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven
from yieldbot.journal.exit_entries import ExitLifted
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    AlarmLifted,
    AlarmRaised,
    PlanMarked,
    PlanStatus,
    TxSent,
    TxSettled,
)
from yieldbot.journal.store import Journal
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.risk import Act
from yieldbot.model.tx import Confirmed, Expired

OTHER = Address("0x" + "99" * 20)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    served.service.events.longest_seconds = 600.0


def play(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


def written(served: Served, *entries: Any) -> None:
    with Journal.open(served.service.journal_file) as journal:
        journal.append(*entries)


def stopped(owner: Address = PLAN_OWNER, reason: str = "why") -> AccountStopped:
    return AccountStopped(CHAIN, owner, reason, None)


def test_what_happens_is_sent_as_it_happens(served: Served, context: Quiet) -> None:
    key = served.key("read", "plan")
    alert = once(served, key, "a-new-alert", RATE).json()["alert"]["id"]

    async def work() -> None:
        async with Listener(served.app, key) as heard:
            assert heard.status == 200 and heard.headers["content-type"].startswith("text/event-stream")
            assert heard.headers["cache-control"] == "no-store" and "etag" not in heard.headers
            first = await heard.event()
            assert first is not None and first["kind"] == "state" and first["halted"] is False
            assert first["read_at"] == served.service.read_at and first["id"] == served.service.events._seq
            plan_id = (await asyncio.to_thread(queue, served, time.time() + 3600)).split("/")[3]
            waits = await heard.event()
            assert waits is not None and (waits["kind"], waits["plan_id"]) == ("plan.waits", plan_id)
            assert waits["owner"] == PLAN_OWNER and waits["status"] == "queued" and waits["id"] > first["id"]
            halt(HaltRequest(reason="a look at it"), context)
            halted = await heard.event()
            assert halted is not None and halted["kind"] == "halt.ordered" and "a look at it" in halted["text"]
            resume(ResumeRequest(), context)
            lifted = await heard.event()
            assert lifted is not None and lifted["kind"] == "halt.lifted" and "id" not in lifted
            context.kept = None  # type: ignore[assignment]
            served.service._now = lambda: time.time() + 60
            await served.service.observe()
            seen = dict[str, Any]()
            while len(seen) < 2:  # an alert for each market of the name
                event = await heard.event()
                assert event is not None and event["kind"] in ("reading", "alert.crossed")
                seen[event["kind"]] = event
            crossed = seen["alert.crossed"]
            assert crossed["alert_id"] == alert and crossed["status"] == "warning" and "lend" in crossed["text"]
            served.answers = {"queue": RunDocument(exit_code=0, jobs=(), across_chains=()).as_json()}
            caller = served.service.admission.admit(key["Authorization"], "127.0.0.1", "x")[0]
            run = served.service.start_run(caller, {})
            began = await heard.event()
            while began is not None and began["kind"] == "alert.crossed":
                began = await heard.event()
            assert began is not None and (began["kind"], began["run_id"]) == ("run.started", run.id)
            await served.service.jobs.run("plan")
            scheduled = await heard.event()
            assert scheduled is not None and scheduled["text"] == "run for schedule"
        assert len(served.service.events) == 0 and served.service.events._task is None

    assert not (context.settings.data_dir / NAME).exists()
    play(work)


def test_entries_of_the_journal_become_the_kinds_that_are_documented() -> None:
    market = {"chain": CHAIN, "market_id": MarketId("aave_v3/1/a"), "code": "DEPEG", "act": Act.LEAVE}
    entries = {
        "plan.decided": PlanMarked("p", PlanStatus.REJECTED, "anna"),
        "plan.done": PlanMarked("p", PlanStatus.FAILED, "us"),
        "plan.waits": PlanMarked("p", PlanStatus.QUEUED, "queue"),
        "plan.signed": ApprovalGiven(plan_id="p", approver="anna", signature="0x"),
        "transaction.sent": TxSent(CHAIN, PLAN_OWNER, "0xaa", 1),
        "transaction.expired": TxSettled(CHAIN, PLAN_OWNER, Expired("0xaa", "late")),
        "run.ended": ended(), "account.stopped": stopped(),
        "account.cleared": AccountCleared(CHAIN, PLAN_OWNER, "anna"),
        "alarm.raised": AlarmRaised(**market, saw="0.97", since=5, time=5),
        "alarm.ended": AlarmLifted(**market, time=9),
        "exit.lifted": ExitLifted(chain=CHAIN, owner=PLAN_OWNER, market_id="all/1/a", by="anna"),
    }  # fmt: skip
    for kind, entry in entries.items():
        found = of_entry(event_of(Record(7, 5, entry), {}).model_dump(mode="json"))  # type: ignore[arg-type]
        assert found is not None and found.kind == kind and found.id == 7 and found.text, kind
    for none in (
        AccessNoted(by="a", where="", what="x", outcome="200"),
        AlarmRaised(**market, saw="", since=5, time=9),
    ):
        assert of_entry(event_of(Record(7, 5, none), {}).model_dump(mode="json")) is None
    assert set(entries) < set(KINDS) and Confirmed.__name__.lower() in str(KINDS)


def test_chains_are_read_at_once_when_a_plan_was_carried_out(served: Served, context: Quiet) -> None:
    key = served.key("read")
    plan_id = queue(served, time.time() + 3600).split("/")[3]

    async def work() -> None:
        async with Listener(served.app, key, "kinds=plan.done,reading") as heard:
            context.kept = None  # type: ignore[assignment]
            served.service._now = lambda: time.time() + 60
            written(served, PlanMarked(plan_id, PlanStatus.EXECUTED, "execution"))
            kinds = [(await heard.event() or {}).get("kind") for _ in range(3)]
            assert kinds == ["state", "plan.done", "reading"]

    play(work)


def test_a_caller_that_was_cut_off_misses_nothing(served: Served) -> None:
    key = served.key("read")
    written(served, *(stopped(reason=str(number)) for number in range(10)))

    async def work() -> None:
        for taken in range(11):
            async with Listener(served.app, key | {"Last-Event-ID": str(taken)}, "wait=0") as heard:
                state, *rest = await heard.all()
                assert state["kind"] == "state" and [one["text"] for one in rest] == [str(n) for n in range(taken, 10)]
                assert [one["id"] for one in rest] == list(range(taken + 1, 11))
                assert ("id" in state) is (not rest)
        # written while it is away and while it listens: each once, in order
        seen, last = list[str](), 10
        for number in range(12):
            written(served, stopped(reason=f"n{number}"))
            async with Listener(served.app, key | {"Last-Event-ID": str(last)}) as heard:
                await heard.event()
                written(served, stopped(reason=f"m{number}"))
                for _ in range(2):
                    one = await heard.event()
                    assert one is not None
                    seen, last = [*seen, one["text"]], one["id"]
        assert seen == [f"{letter}{number}" for number in range(12) for letter in "nm"]
        async with Listener(served.app, key | {"Last-Event-ID": str(last)}, "kinds=plan.waits&wait=0") as heard:
            assert [one["kind"] for one in await heard.all()] == ["state"]

    play(work)


def test_too_far_behind_is_said(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 5)
    key = served.key("read")
    written(served, *(stopped(reason=str(number)) for number in range(8)))

    async def work() -> None:
        for last in ("0", "2", "9", "999"):
            async with Listener(served.app, key | {"Last-Event-ID": last}, "wait=0") as heard:
                reset, state = await heard.all()
                assert (reset["kind"], reset["id"], state["kind"]) == ("reset", 8, "state")
        async with Listener(served.app, key | {"Last-Event-ID": "3"}, "wait=0") as heard:
            assert [one["kind"] for one in await heard.all()] == ["state", *["account.stopped"] * 5]

    play(work)
    for bad in ("x", "-1", "1" * 30, "٣"):
        headers = [(name, value.encode()) for name, value in (key | {"Last-Event-ID": bad}).items()]
        assert served.client.get("/v1/events", headers=headers).json()["code"] == "BAD_EVENT_ID"  # type: ignore[arg-type]
    for query in ("wait=-1", "wait=3601", "wait=x", "kinds=plan", "kinds=yb", "x=1", "wait=0&wait=0"):
        assert served.client.get(f"/v1/events?{query}", headers=key).status_code == 400, query


def test_proposals_are_heard_of_when_made_decided_and_expired_by_those_who_see_them(
    served: Served, context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = served.key("read", name="everyone")
    other = served.key("read", name="other", accounts=frozenset((OTHER,)))

    async def work() -> None:
        async with Listener(served.app, everyone) as heard, Listener(served.app, other) as apart:
            assert await heard.event() and await apart.event()
            exit_, alert = await asyncio.to_thread(proposed, served)
            made = [await heard.event(), await heard.event()]
            assert [(one or {}).get("proposal_id") for one in made] == [exit_.id, alert.id]
            assert {(one or {})["kind"] for one in made} == {"proposal.waits"} and made[0]["text"] == exit_.lines[0]  # type: ignore[index]
            proposals.reject(alert.id, context)
            decided = await heard.event()
            assert decided and (decided["kind"], decided["status"]) == ("proposal.decided", "rejected")
            monkeypatch.setattr(time, "time", lambda: exit_.expires_at + 1.0)  # no file changes then
            expired = await heard.event()
            while expired and expired["kind"] != "proposal.decided":
                expired = await heard.event()
            assert expired and (expired["proposal_id"], expired["status"]) == (exit_.id, "expired")
            halt(HaltRequest(reason="all hear of it"), context)
            first = await apart.event()
            assert first and first["kind"] == "halt.ordered"

    play(work)


def test_a_key_of_one_account_hears_nothing_of_others(served: Served, context: Quiet) -> None:
    mine = served.key("read", name="mine", accounts=frozenset((OWNER.lower(),)))
    other = served.key("read", name="other", accounts=frozenset((OTHER,)))
    everyone = served.key("read", "plan", name="everyone")
    row = served.client.get("/v1/markets", headers=everyone).json()["items"][0]
    market: dict[str, Any] = {
        "chain": row["chain_id"],
        "market_id": MarketId(row["id"]),
        "code": "DEPEG",
        "act": Act.LEAVE,
    }
    thin = market | {"code": "CASH_THIN"}
    """Of what one account holds; a row of an older program does not say whose."""

    async def work() -> None:
        async with (
            Listener(served.app, mine) as hers, Listener(served.app, other) as theirs,
            Listener(served.app, everyone) as all_,
        ):  # fmt: skip
            for one in (hers, theirs, all_):
                state = await one.event()
                assert state is not None and state["id"] == 0
            served.service.jobs.began[0]("plan")
            caller = served.service.admission.admit(everyone["Authorization"], "127.0.0.1", "x")[0]
            served.answers = {"queue": {"schema": "x"}}
            served.service.start_run(caller, {})
            halt(HaltRequest(reason="all hear this"), context)
            for one in (hers, theirs, all_):
                kinds = await hears(one, served.service.halted() or "")
                assert kinds == (["run.started"] * (1 if one is all_ else 0) + ["halt.ordered"]) or one is all_
            written(
                served, AlarmRaised(**market, saw="0.97", since=5, time=5),
                AlarmRaised(**thin, saw="our 9", since=5, time=5), AlarmLifted(**thin, time=6, owner=OTHER),
                AlarmRaised(**thin, saw="our 5", since=7, time=7, owner=OWNER), stopped(Address(OWNER)), stopped(OTHER),
                stopped(PLAN_OWNER), AccessNoted(by="x", where="", what="x", outcome="x"), ended(),
                stopped(Address(OWNER), "end"), stopped(OTHER, "end"),
            )  # fmt: skip
            assert await hears(hers, "end") == ["alarm.raised"] * 2 + ["account.stopped"] * 2
            assert await hears(theirs, "end") == ["alarm.ended", "account.stopped", "account.stopped"]
            assert (await hears(all_, "end"))[-9:] == [
                *["alarm.raised"] * 2, "alarm.ended", "alarm.raised", *["account.stopped"] * 3, "run.ended",
                "account.stopped",
            ]  # fmt: skip
        async with Listener(served.app, other, "wait=0") as theirs:
            (state,) = await theirs.all()
            assert state["id"] == 11, "its own last entry, not the journal's"
        for key, kinds in (
            (mine, ["alarm.raised"] * 2 + ["account.stopped"] * 2),
            (other, ["alarm.lifted"] + ["account.stopped"] * 2),
        ):
            listed = served.client.get("/v1/journal?sort=seq", headers=key).json()["items"]
            assert [row["kind"] for row in listed] == kinds and "our 9" not in str(listed)

    async def hears(one: Listener, last: str) -> list[str]:
        """Kinds until the event with this text."""
        found = list[str]()
        while (event := await one.event()) is not None:
            found.append(event["kind"])
            if event["text"] == last:
                break
        return found

    play(work)
    assert WALLET != OWNER


def test_streams_are_limited_and_end_with_their_key_and_the_server(served: Served) -> None:
    key, next_ = served.key("read", name="one"), served.key("read", name="two")
    short = served.key("read", name="short", expires_at=int(time.time()) + 3600)

    async def work() -> None:
        heard = [Listener(served.app, key) for _ in range(MOST_OF_KEY + 1)]
        for one in heard:
            await one.__aenter__()
        assert [one.status for one in heard] == [200] * MOST_OF_KEY + [429]
        assert heard[-1].headers["retry-after"] and len(served.service.events) == MOST_OF_KEY
        served.service.events.most = MOST_OF_KEY
        async with Listener(served.app, next_) as refused:
            assert refused.status == 503
        served.service.events.most = 100
        async with Listener(served.app, next_) as other, Listener(served.app, short) as third:
            served.ring.revoke("one", int(time.time()))
            for one in heard[:-1]:
                assert [event["kind"] for event in await one.all()] == ["state"]
                await one.__aexit__()
            assert len(served.service.events) == 2
            served.service.admission._now = lambda: time.time() + 7200
            assert [event["kind"] for event in await third.all()] == ["state"]
            began = time.monotonic()
            await served.service.close()
            assert [event["kind"] for event in await other.all()] == ["state"] and time.monotonic() - began < 10
        assert len(served.service.events) == 0
        async with Listener(served.app, next_) as late:
            assert late.status == 503

    play(work)


def test_who_takes_too_slowly_is_cut_and_costs_no_more_than_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import deque

    served.service.events._kept = deque(maxlen=20)
    key = served.key("read")

    async def work() -> None:
        async with Listener(served.app, key) as slow, Listener(served.app, key) as quick:
            await slow.event()
            await quick.event()
            slow.takes.clear()
            for number in range(10):
                written(served, *(stopped(reason=f"{number}-{at}") for at in range(10)))
                for at in range(10):
                    event = await quick.event()
                    assert event is not None and event["text"] == f"{number}-{at}"
                assert len(served.service.events._kept) <= 20
            slow.takes.set()
            rest = await slow.all()
            assert rest[-1]["kind"] == "reset" and rest[-1]["id"] == 100 and len(rest) < 30
            assert [one["text"] for one in rest[:-1]] == [f"0-{at}" for at in range(len(rest) - 1)]

    play(work)


def test_silence_is_filled_and_head_opens_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALIVE_SECONDS", 0.02)
    key = served.key("read")

    async def work() -> None:
        async with Listener(served.app, key) as heard:
            frames = [await heard.frame() for _ in range(4)]
            assert frames[0] == "retry: 3000" and frames[2] == frames[3] == ": nothing happened"
        async with Listener(served.app, key, method="HEAD") as bare:
            assert bare.status == 200 and bare.headers["content-type"].startswith("text/event-stream")
            assert await bare.frame() is None and len(served.service.events) == 0

    play(work)


def test_a_journal_that_cannot_be_read_ends_the_stream(served: Served) -> None:
    key = served.key("read")
    written(served, stopped())

    async def work() -> None:
        async with Listener(served.app, key) as heard:
            await heard.event()
            served.service.journal_file.write_bytes(b"this was a journal" * 500)
            assert await heard.all() == []

    play(work)
    assert replace(ended(), by="x").by == "x"
