"""One cycle of a job, on a labelled double of a session: what is asked in which order, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.app.cycle import DONE, IN_A, REHEARSED, SEEN, A, B, SessionDouble, Yes, wired
from tests.kit.app.cycle import journal as journal
from tests.kit.journal.store import plan
from tests.kit.market_builder import snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.app import cycle
from yieldbot.app.cycle import approve_queued, observe_job, run_job
from yieldbot.decision.decide import decide
from yieldbot.errors import ConfigError, SafetyError, TransientError
from yieldbot.execution.results import LegResult, Proposed
from yieldbot.journal.journal_entries import (
    AccountStopped,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
)
from yieldbot.journal.observations import RecordedHolding
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Hold, NoWayOut, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import SafeOwner
from yieldbot.model.tx import Reverted

EXCLUDED = replace(IN_A, states={**IN_A.states, A.market.id: replace(IN_A.of(A.market.id), held=usdc(50_000))})


def observed(journal: Journal) -> list[Observed]:
    return [row.entry for row in journal.history() if isinstance(row.entry, Observed)]


async def test_a_plan_is_rehearsed_approved_done_leg_by_leg_and_written_down(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = SessionDouble([SEEN, SEEN, IN_A], settles=(DONE,), left_out=(("host", "it lags"),))
    world = wired(monkeypatch, journal, live)
    report = await run_job(world, JOB)
    assert report.skipped is report.declined is None and report.settled == (DONE,) and not report.failed
    assert report.decision is not None and isinstance(report.decision.outcome, Plan)
    plan = report.decision.outcome
    assert live.did == [
        *("verify", "settle", "observe"),
        ("rehearse", (A.market.id,)),
        ("spend", plan.id, SEEN),
        "observe",
        ("execute", 0),
        "observe",
    ]
    assert report.outcomes == ((plan.legs[0], DONE),) and report.after == IN_A and report.rehearsal is REHEARSED
    assert world.opened == [JOB.wallet] and [one.plan for one in world.approver.asked] == [plan]
    (asked,) = world.approver.asked
    assert (
        asked.rehearsal is REHEARSED and asked.risks[0].startswith("a: safety ") and "expected loss" in asked.risks[0]
    )
    assert report.left_out == (("host", "it lags"),)
    assert any("RPC endpoint host is left out: it lags" in line for line in world.lines)
    (last,) = observed(journal)
    assert list(last.holdings or ()) == [A.market.id]


async def test_a_chain_that_cannot_be_served_is_skipped_with_its_reason(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = SessionDouble(fails=TransientError("no node answers"))
    report = await run_job(wired(monkeypatch, journal, live), JOB)
    assert (report.skipped, report.snapshot, live.did) == ("no node answers", None, ["verify"])
    live = SessionDouble(fails=ConfigError("another chain"))
    with pytest.raises(ConfigError, match="another chain"):
        await run_job(wired(monkeypatch, journal, live), JOB)
    live = SessionDouble()
    assert await observe_job(wired(monkeypatch, journal, live), JOB) == SEEN and live.did == ["verify", "observe"]


async def test_where_nothing_is_to_be_done_it_is_written_down_and_nothing_opened(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = wired(monkeypatch, journal, SessionDouble([IN_A]))
    report = await run_job(world, JOB)
    assert report.decision is not None and isinstance(report.decision.outcome, Hold) and report.declined is None
    assert not world.opened and len(observed(journal)) == 1
    journal.append(AccountStopped(SEEN.block.chain, SEEN.owner, "it lost something"))
    stopped = await run_job(wired(monkeypatch, journal, SessionDouble([IN_A])), JOB)
    assert stopped.declined == Declined(
        "ACCOUNT_STOPPED", "it lost something: `yieldbot resume --clear` lets it sign again"
    )
    failing = wired(monkeypatch, journal, SessionDouble([IN_A]), max_failures=1)
    journal.append(PlanWritten(plan("p"), ()), PlanMarked("p", PlanStatus.FAILED, "execution"))
    found = (await run_job(failing, JOB)).declined
    assert found is not None and found.code == "TOO_MANY_FAILURES"


async def test_limits_refuse_before_a_key_is_opened(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    live = SessionDouble()
    world = wired(monkeypatch, journal, live)
    monkeypatch.setattr(cycle, "beyond_limits", lambda world, job, legs: Declined("DAY_LIMIT", f"{len(legs)}"))
    report = await run_job(world, JOB)
    assert report.declined == Declined("DAY_LIMIT", "1") and not world.opened and "rehearse" not in str(live.did)


@pytest.mark.parametrize("what", ["rehearsal", "approver"])
async def test_what_is_refused_is_not_carried_out(journal: Journal, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    no = Declined("NO", "why")
    live = SessionDouble(rehearsals=[no if what == "rehearsal" else REHEARSED])
    world = wired(monkeypatch, journal, live)
    world.approver = Yes(no)
    report = await run_job(world, JOB)
    assert report.declined == no and not report.outcomes and ("execute", 0) not in live.did
    assert (report.rehearsal is REHEARSED) is (what == "approver") and bool(world.approver.asked) is (
        what == "approver"
    )


async def test_a_market_without_a_way_out_does_not_keep_the_rest_of_the_money(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = NoWayOut("NO_WAY_OUT", "it does not come out", A.market.id)
    live = SessionDouble(rehearsals=[trap, REHEARSED])
    world = wired(monkeypatch, journal, live)
    report = await run_job(world, JOB)
    assert [one for one in live.did if one[0] == "rehearse"] == [
        ("rehearse", (A.market.id,)),
        ("rehearse", (B.market.id,)),
    ]
    assert report.snapshot is not None and report.snapshot.of(A.market.id).no_way_out == trap.reason
    assert report.snapshot.of(B.market.id) == B and report.declined is None and report.outcomes
    assert f"nothing goes into {A.market.id}: it does not come out" in world.lines
    both = SessionDouble(rehearsals=[trap, replace(trap, market_id=B.market.id)])
    report = await run_job(wired(monkeypatch, journal, both), JOB)
    assert report.decision is not None and isinstance(report.decision.outcome, Hold)
    assert report.declined == replace(trap, market_id=B.market.id) and ("execute", 0) not in both.did


async def test_a_safes_plan_is_handed_over_and_marked(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    safe = replace(JOB, wallet=replace(JOB.wallet, held=SafeOwner(wallet="main")))
    refused = Declined("NOT_THE_REHEARSAL", "it pays less than rehearsed")
    handed = Proposed("0xaa", 2, (), {"nonce": 4}, left_out={0: refused})
    live = SessionDouble(proposed=handed)
    world = wired(monkeypatch, journal, live, [safe])
    world.approver = Yes(journal=journal)
    report = await run_job(world, safe)
    assert report.proposed is handed and "hand over" in live.did and ("execute", 0) not in live.did
    assert [why for _, why in report.left_undone] == [refused], "what no Safe transaction carries out is named"
    marks = [row.entry for row in journal.history() if isinstance(row.entry, PlanMarked)]
    assert [(mark.status, mark.by, mark.reason) for mark in marks] == [(PlanStatus.HANDED_OVER, "safe", "0xaa nonce 4")]
    live = SessionDouble(proposed=Declined("NO_SAFE", "none"))
    report = await run_job(wired(monkeypatch, journal, live, [safe]), safe)
    assert report.declined == Declined("NO_SAFE", "none") and report.proposed is None


TWO = replace(SEEN, states={**SEEN.states, A.market.id: replace(A, capacity=usdc(60_000))})
"""60,000 go into a and the rest into b: two legs."""


async def test_each_leg_is_looked_at_again_and_the_first_that_does_not_hold_ends_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_one = snapshot(40_000, replace(A, held=usdc(60_000), capacity=usdc(0)), B)
    good = SessionDouble([TWO, TWO, after_one])
    report = await run_job(wired(monkeypatch, journal, good), JOB)
    assert [one for one in good.did if one[0] == "execute"] == [("execute", 0), ("execute", 1)]
    assert len(report.outcomes) == 2 and [leg.market_id for leg, _ in report.outcomes] == [A.market.id, B.market.id]
    full = replace(after_one, states={**after_one.states, B.market.id: replace(B, capacity=usdc(1))})
    stops = SessionDouble([TWO, TWO, full])
    report = await run_job(wired(monkeypatch, journal, stops), JOB)
    assert report.declined is not None and report.declined.code == "CAP_REACHED" and len(report.outcomes) == 1
    for result in (LegResult((DONE,), Declined("NO", "why")), LegResult((Reverted("0xbb", SEEN.block, 1, "why"),))):
        ends = SessionDouble([TWO, TWO, after_one], results=[result])
        report = await run_job(wired(monkeypatch, journal, ends), JOB)
        assert [one for one in ends.did if one[0] == "execute"] == [("execute", 0)]
        assert report.declined == result.declined and report.failed is (result.declined is None)
        assert report.after == after_one and ends.did[-1] == "observe"


def was(held: float, view: Snapshot = IN_A) -> Observed:
    holdings = {A.market.id: RecordedHolding(held_raw=usdc(held).raw, apr=0.1, horizon_seconds=86_400.0)}
    return Observed(view.block.chain, view.owner, view.block, holdings=holdings)


async def test_a_loss_stops_the_account_once_and_nothing_is_signed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(was(200_000))
    view = snapshot(50_000, replace(A, held=usdc(100_000)), B)
    for _ in range(2):
        live = SessionDouble([view])
        report = await run_job(wired(monkeypatch, journal, live, stop_at_loss_bps=100), JOB)
        assert report.declined is not None and report.declined.code == "LOSS" and not report.outcomes
        assert report.decision is not None and isinstance(report.decision.outcome, Hold)
    stops = [row.entry for row in journal.history() if isinstance(row.entry, AccountStopped)]
    assert len(stops) == 1 and (stops[0].chain, stops[0].owner) == (view.block.chain, view.owner)
    assert "is down" in stops[0].reason
    free = await run_job(wired(monkeypatch, journal, SessionDouble([view])), JOB)
    assert free.declined is None or free.declined.code != "LOSS"


async def test_a_loss_between_two_legs_ends_the_plan(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.append(was(1_000, SEEN))
    start = replace(TWO, states={**TWO.states, A.market.id: replace(TWO.of(A.market.id), held=usdc(1_000))})
    gone = replace(start, states={**start.states, A.market.id: replace(start.of(A.market.id), held=usdc(500))})
    live = SessionDouble([start, start, gone])
    report = await run_job(wired(monkeypatch, journal, live, stop_at_loss_bps=100), JOB)
    assert report.declined is not None and report.declined.code == "LOSS" and len(report.outcomes) == 1
    assert journal.stopped_accounts()


# A queued plan.


def queued(journal: Journal, policy: Policy = loose(horizon_days=30.0, idle_buffer="0")) -> Plan:  # noqa: B008
    plan = decide(SEEN, policy, JOB, NOW).outcome
    assert isinstance(plan, Plan)
    journal.append(PlanWritten(plan, ()), PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
    return plan


async def test_a_queued_plan_is_looked_at_rehearsed_and_carried_out(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, live = queued(journal), SessionDouble()
    report = await approve_queued(wired(monkeypatch, journal, live), plan.id)
    assert live.did[:4] == ["verify", "settle", "observe", ("rehearse", (A.market.id,))]
    assert report.declined is None and len(report.outcomes) == 1
    with pytest.raises(ConfigError):
        await approve_queued(wired(monkeypatch, journal, live), "unknown")


async def test_a_queued_plan_is_refused_by_todays_policy_a_loss_or_money_out_of_sight(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = queued(journal)

    async def code(live: SessionDouble, **policy: Any) -> str | None:
        report = await approve_queued(wired(monkeypatch, journal, live, **policy), plan.id)
        assert report.declined is None or ("execute", 0) not in live.did
        return report.declined.code if report.declined else None

    assert await code(SessionDouble(), exclude=("a",)) == "EXCLUDED"
    c = MarketId("lend/1/c")
    holdings = {c: RecordedHolding(name="c", held_raw=5, apr=0.1, horizon_seconds=1.0)}
    journal.append(Observed(SEEN.block.chain, SEEN.owner, SEEN.block, holdings=holdings))
    assert await code(SessionDouble()) == "HOLDING_UNREAD"
    assert await code(SessionDouble(), exclude=(c,)) is None
    journal.append(was(200))
    lost = replace(SEEN, states={**SEEN.states, A.market.id: replace(A, held=usdc(100))})
    assert await code(SessionDouble([lost]), stop_at_loss_bps=100) == "LOSS"


async def test_a_plan_that_has_expired_is_not_asked_about(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = queued(journal)
    world = wired(monkeypatch, journal, SessionDouble())
    monkeypatch.setattr(world, "now", lambda: plan.expires_at - 1)
    assert (await approve_queued(world, plan.id)).declined is None
    monkeypatch.setattr(world, "now", lambda: plan.expires_at)
    with pytest.raises(SafetyError, match="has expired") as refused:
        await approve_queued(world, plan.id)
    stored = journal.plan(plan.id)
    assert refused.value.code == "EXPIRED" and stored is not None and stored.status is PlanStatus.EXPIRED
