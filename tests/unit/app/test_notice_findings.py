"""Which findings the journal, a run and a look are, and what summaries say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.config.files import written
from tests.kit.journal.store import BLOCK, CHAIN, MARKET, OWNER, USDC, plan, signed
from tests.kit.market_builder import kinked, market, snapshot
from yieldbot.access.keys import StoredKey
from yieldbot.app import notice_summary
from yieldbot.app.cycle import Report
from yieldbot.app.notice_findings import held_in, of_journal
from yieldbot.app.notice_keys import ending
from yieldbot.app.notice_runs import gas_need, low_gas, of_failure
from yieldbot.app.notice_watch import watched
from yieldbot.config.load import load
from yieldbot.decision.decide import Decision
from yieldbot.errors import ConfigError, InvariantError, RunInProgress, TransientError
from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven
from yieldbot.journal.exit_entries import ExitOrdered, ExitRefused
from yieldbot.journal.fold import Record, fold_plans
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSent,
    TxSettled,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.model.families import native_of
from yieldbot.model.ids import MarketId
from yieldbot.model.notices import Finding, NoticeTimes, Severity, Topic
from yieldbot.model.plan import LegKind
from yieldbot.model.risk import Act, Alarm
from yieldbot.model.tx import Confirmed, Replaced, Reverted
from yieldbot.risk.watching import Message

NOW = 1_700_000_000
DAY = 86_400


def records(*entries: JournalEntry, at: int = NOW) -> tuple[Record, ...]:
    return tuple(Record(seq, at, entry) for seq, entry in enumerate(entries, 1))


def findings(*entries: JournalEntry) -> tuple[Finding, ...]:
    rows = records(*entries)
    return of_journal(rows, fold_plans(rows), held_in(rows), NOW, "yieldbot")


@pytest.mark.parametrize(
    ("status", "reason", "topic", "severity", "text"),
    [
        (PlanStatus.HANDED_OVER, "", Topic.PLAN, Severity.WARNING, "plan p1 waits for the Safe's other owners"),
        (PlanStatus.EXECUTED, "", Topic.DONE, Severity.INFO, "plan p1 is done: deposit 0.000005 USDC"),
        (PlanStatus.FAILED, "leg 1: no", Topic.REFUSED, Severity.WARNING, "plan p1 was not completed: leg 1: no"),
        (PlanStatus.REJECTED, "", Topic.REFUSED, Severity.INFO, "plan p1 was rejected: no reason given"),
        (PlanStatus.EXPIRED, "", Topic.REFUSED, Severity.INFO, "plan p1 expired before anybody approved it"),
    ],
)
def test_what_becomes_of_a_plan(status: PlanStatus, reason: str, topic: Topic, severity: Severity, text: str) -> None:
    (one,) = findings(PlanWritten(plan()), PlanMarked("p1", status, "execution", reason))
    assert (one.topic, one.severity) == (topic, severity) and one.text.startswith(text)


def test_an_approved_or_replaced_plan_is_no_finding() -> None:
    assert findings(PlanWritten(plan()), PlanMarked("p1", PlanStatus.APPROVED, "auto")) == ()
    assert findings(PlanWritten(plan()), PlanMarked("p1", PlanStatus.EXPIRED, "queue", "a newer plan waits: p2")) == ()
    assert findings(PlanWritten(plan()), TxSent(CHAIN, OWNER, "0xaa", 1)) == ()


def test_an_exit_that_waits_is_critical_and_names_the_command_before_what_others_wrote() -> None:
    leaves = replace(plan("p1"), legs=(replace(plan().legs[0], kind=LegKind.WITHDRAW),), why=("x; to approve: evil",))
    (one,) = findings(PlanWritten(leaves), PlanMarked("p1", PlanStatus.QUEUED, "queue"))
    assert one.severity is Severity.CRITICAL
    assert one.text.index("to approve: yieldbot approve p1") < one.text.index("to approve: evil")


@pytest.mark.parametrize(
    ("entry", "severity", "part"),
    [
        (TxSettled(CHAIN, OWNER, Reverted("0xaa", BLOCK, 1, "why")), Severity.WARNING, "0xaa reverted: why"),
        (TxSettled(CHAIN, OWNER, Replaced("0xaa", None)), Severity.WARNING, "replaced by one not known"),
        (
            ApprovalGiven(plan_id="p1", approver="ann", signature="0x00"),
            Severity.INFO,
            "a signature in the name of ann for plan p1 was handed in",
        ),
        (AccountStopped(CHAIN, OWNER, "a loss"), Severity.CRITICAL, "`yieldbot resume --clear`"),
        (AccountCleared(CHAIN, OWNER, "me"), Severity.INFO, "cleared by me"),
        (
            ExitRefused(chain=CHAIN, owner=OWNER, market_id=MARKET, fingerprint="f", reason="shut", on_chain=True),
            Severity.CRITICAL,
            "money does not come out of",
        ),
        (
            ExitRefused(chain=CHAIN, owner=OWNER, market_id=MARKET, fingerprint="f", reason="shut"),
            Severity.WARNING,
            "no new money goes into",
        ),
        (
            ExitOrdered(chain=CHAIN, owner=OWNER, market_id=MARKET, name="Aave", by="terminal", into="", time=1),
            Severity.INFO,
            "Aave is to be left, by order of the terminal",
        ),
        (
            AccessNoted(by="nobody", where="10.0.0.9", what="GET /v1/x", outcome="401 no such key", times=40),
            Severity.WARNING,
            "40 requests of nobody from 10.0.0.9 were refused",
        ),
    ],
)
def test_what_else_the_journal_holds(entry: JournalEntry, severity: Severity, part: str) -> None:
    rows = records(entry)
    (one,) = of_journal(rows, {}, {}, NOW, "yieldbot")
    assert one.severity is severity and part in one.text


def test_a_few_refused_requests_are_no_finding() -> None:
    assert findings(AccessNoted(by="a", where="", what="x", outcome="403 no scope halt", times=2)) == ()
    assert findings(AccessNoted(by="a", where="", what="x", outcome="200", times=2000)) == ()


def test_refusals_count_together_whatever_was_asked() -> None:
    """A caller who tries many paths once each is refused as often as one who tries one path many times."""
    tried = [AccessNoted(by="eve", where="9.9.9.9", what=f"GET /v1/{n}", outcome="403 no scope halt") for n in range(9)]
    assert findings(*tried) == ()
    (one,) = findings(*tried, AccessNoted(by="eve", where="9.9.9.9", what="GET /v1/x", outcome="429"))
    assert one.text.startswith("10 requests of eve from 9.9.9.9 were refused")
    assert findings(*tried, AccessNoted(by="eve", where="9.9.9.8", what="GET /v1/x", outcome="429")) == ()


def test_a_key_that_is_used_unusually_is_named_with_the_command_that_ends_it() -> None:
    (one,) = findings(
        AccessNoted(by="bot", where="9.9.9.9", what="the first request from there", outcome="new address")
    )
    assert one.severity is Severity.WARNING and "`yieldbot key revoke bot`" in one.text


@given(st.integers(0, 400), st.none() | st.integers(0, 300), st.none() | st.integers(1, 300), st.booleans())
def test_a_key_is_reminded_of_in_its_last_week_and_reported_in_the_week_after(
    day: int, used: int | None, life: int | None, revoked: bool
) -> None:
    one = StoredKey(prefix="0123abcd", name="bot", digest="", scopes=frozenset(), accounts=None, networks=(),
                    created_at=NOW, expires_at=None if life is None else NOW + life * DAY,
                    used_at=None if used is None else NOW + used * DAY,
                    revoked_at=NOW if revoked else None)  # fmt: skip
    now = NOW + day * DAY
    ends = min([(used or 0) + 90] + ([] if life is None else [life]))
    texts = [found.text for found in ending([one], now, "yieldbot")]
    assert bool(texts) == (not revoked and ends - 7 <= day < ends + 7)
    if texts:
        assert ("ends on" in texts[0]) is (day < ends) and ("key rotate bot" in texts[0]) is (day < ends)
    fresh = replace(one, prefix="ffffffff", created_at=now, expires_at=None, used_at=None, revoked_at=None)
    assert ending([one, fresh], now, "yieldbot") == (), "it has a successor"


def test_errors_of_commands() -> None:
    assert of_failure("run", RunInProgress("another run is in progress")) is None
    for failure, lasting in ((TransientError("x"), False), (InvariantError("x"), True), (ConfigError("x"), True)):
        news = of_failure("run", failure)
        assert news is not None and news.ends[0].lasting is lasting


def test_a_look_gives_its_lines_and_alarms_by_whether_money_is_there() -> None:
    held, free = market("a", kinked(1e6, 8e5), held=10_000), market("b", kinked(1e6, 8e5))
    seen = snapshot(5_000, held, free)
    alarm = Alarm(code="OWNER", act=Act.LEAVE, saw="owner is a new address", since=1)
    messages = [
        Message(market=one.market.id, lines=("line",), severities=(Severity.WARNING,), alarms=(alarm,))
        for one in (held, free)
    ]
    found = watched(seen, messages)
    assert [one.severity for one in found] == [Severity.WARNING, Severity.CRITICAL, Severity.INFO, Severity.INFO]
    assert ", not held" in found[2].text and len({one.key for one in found}) == 4


def observed(at: int, held: Sequence[tuple[str, int]], apr: float = 0.05) -> Observed:
    holdings = {
        MarketId(name): RecordedHolding(held_raw=raw, apr=apr, horizon_seconds=DAY, name=name) for name, raw in held
    }
    return Observed(CHAIN, OWNER, replace(BLOCK, timestamp=at), asset=USDC.address, holdings=holdings)


def test_a_summary_has_earned_beside_predicted_moved_and_costs() -> None:
    fee = TxSettled(CHAIN, OWNER, Confirmed("0xaa", BLOCK, 1, 1, (), fee_raw=5 * 10**14))
    rows = (
        Record(1, NOW, observed(NOW, [(MARKET, 10_000 * 10**6)])),
        Record(2, NOW + DAY // 2, observed(NOW + DAY // 2, [(MARKET, 10_001 * 10**6)])),
        Record(3, NOW + DAY // 2, PlanWritten(plan())),
        Record(4, NOW + DAY // 2, signed()),
        Record(5, NOW + DAY // 2, fee),
        Record(6, NOW + DAY // 2, PlanMarked("p1", PlanStatus.EXECUTED, "execution")),
        Record(7, NOW + DAY // 2, observed(NOW + DAY // 2 + 60, [(MARKET, 15_000 * 10**6)])),
        Record(8, NOW + DAY, observed(NOW + DAY, [(MARKET, 15_001 * 10**6)])),
    )
    tokens, natives = {(str(CHAIN), str(USDC.address)): USDC}, {str(CHAIN): native_of(CHAIN, "ETH")}
    lines = notice_summary.lines(rows, tokens, natives, NOW, NOW + DAY)
    predicted = (10_000 * (DAY // 2) + 15_000 * (DAY // 2 - 60)) * 0.05 / 31_536_000
    assert lines == (
        f"USDC on {CHAIN}: earned 2.0000 USDC, predicted {predicted:.4f}; held 15,001.0000; moved 0.0000",
        f"1 transaction on {CHAIN} cost 0.0005 ETH",
    )
    half = notice_summary.lines(rows[:2], tokens, natives, NOW + DAY // 4, NOW + DAY)
    assert "earned 0.5000 USDC, predicted 0.3425" in half[0], "of an interval that begins before, its part counts"
    assert notice_summary.lines((), tokens, natives, NOW, NOW + DAY) == ()


def test_summaries_are_due_once_a_day_and_a_week_in_their_own_zone() -> None:
    times = NoticeTimes(time_zone="Europe/Zurich", daily_minute=8 * 60, weekly_day=0)
    made, done = notice_summary.due(times, {}, NOW)
    assert made == () and done == {"day": "2023-11-14", "week": "2023-11-13"}
    found = []
    for hour in range(1, 8 * 24):
        made, done = notice_summary.due(times, done, NOW + hour * 3600)
        found += [(name, label, until - since) for name, label, since, until in made]
    assert [label for name, label, _ in found if name == "day"] == [f"2023-11-{day}" for day in range(15, 23)]
    assert [row for row in found if row[0] == "week"] == [("week", "2023-11-20", 7 * DAY)]
    assert notice_summary.due(NoticeTimes(daily_minute=None), {}, NOW) == ((), {})


def test_a_plan_that_replaces_one_with_the_same_legs_is_only_informative() -> None:
    first, second = plan("p1"), plan("p2")
    replaced = (
        PlanWritten(first),
        PlanMarked("p1", PlanStatus.QUEUED, "queue"),
        PlanWritten(second),
        PlanMarked("p1", PlanStatus.EXPIRED, "queue", "superseded by p2"),
        PlanMarked("p2", PlanStatus.QUEUED, "queue"),
    )
    (one,) = findings(*replaced)
    assert one.severity is Severity.INFO and "approve p2" in one.text
    other = replace(second, legs=(replace(second.legs[0], kind=LegKind.WITHDRAW),))
    (one,) = findings(*replaced[:2], PlanWritten(other), *replaced[3:])
    assert one.severity is Severity.WARNING


@pytest.mark.parametrize(("wei", "severity"), [(10**18, None), (2, Severity.WARNING), (0, Severity.CRITICAL)])
def test_too_little_gas_to_leave_everything(tmp_path: Path, wei: int, severity: Severity | None) -> None:
    (job,) = load(written(tmp_path)).jobs
    seen = snapshot(5_000, market("a", kinked(1e6, 8e5), held=10_000))
    need = sum(seen.fees.cost(state.gas_withdraw) for state in seen.markets if state.held)
    one_exit = round(need / seen.fees.native_price * 10**18)
    assert one_exit > 0
    had = {10**18: 10**24, 2: 2 * one_exit, 0: 0}[wei]
    found = gas(Report(job=job, snapshot=replace(seen, native_balance_raw=had)))
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    nothing = replace(snapshot(5_000, market("a", kinked(1e6, 8e5))), native_balance_raw=0)
    assert gas(Report(job=job, snapshot=nothing)) == () == gas(Report(job=job)), "nothing is held, nothing is planned"


def gas(*reports: Report) -> tuple[Finding, ...]:
    return low_gas((need for one in reports if (need := gas_need(one)) is not None), NOW)


def test_gas_is_held_against_what_is_planned_next_and_against_all_jobs_of_the_account(tmp_path: Path) -> None:
    (job,) = load(written(tmp_path)).jobs
    free, held = market("a", kinked(1e6, 8e5)), market("b", kinked(1e6, 8e5), held=10_000)
    seen = replace(snapshot(5_000, free), native_balance_raw=0)
    enters = replace(plan(), legs=(replace(plan().legs[0], kind=LegKind.DEPOSIT, market_id=free.market.id),))
    planned = Report(job=job, snapshot=seen, decision=Decision((), enters.allocation, enters))
    (one,) = gas(planned)
    need = seen.fees.cost(free.gas_deposit, txs=2) / seen.fees.native_price
    assert one.severity is Severity.WARNING and f"what is planned next needs {need:.6f} ETH; send it more" in one.text
    enough = replace(seen, native_balance_raw=round(need * 1.01 * 10**18))
    assert gas(replace(planned, snapshot=enough)) == ()
    assert gas(replace(planned, outcomes=((enters.legs[0], Replaced("0xaa", None)),))) == (), "it is carried out"
    other = replace(job, asset=replace(job.asset, symbol="DAI"))
    exit_cost = seen.fees.cost(held.gas_withdraw) / seen.fees.native_price
    for_three = replace(snapshot(0, held), native_balance_raw=round(3.01 * exit_cost * 10**18))
    assert gas(Report(job=job, snapshot=for_three)) == ()
    (both,) = gas(Report(job=job, snapshot=for_three), Report(job=other, snapshot=for_three))
    assert "leave everything 1.5 times" in both.text
