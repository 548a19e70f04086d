"""Exits in a cycle, on a labelled double of a session: nothing but the market itself holds them up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.app.cycle import DONE, REHEARSED, A, B, SessionDouble, wired
from tests.kit.app.cycle import journal as journal
from tests.kit.journal.store import plan
from tests.kit.market_builder import snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW
from yieldbot.app import cycle
from yieldbot.app.cycle import approve_queued, run_job
from yieldbot.chains.leg_limits import leg_now, most_gas
from yieldbot.decision.decide import Decision, decide
from yieldbot.execution.gate import barred
from yieldbot.execution.results import LegResult
from yieldbot.journal.journal_entries import AccountCleared, AccountStopped, PlanMarked, PlanStatus, PlanWritten
from yieldbot.journal.store import Journal
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Declined, Hold, Leg, LegFails, LegKind, Plan
from yieldbot.model.risk import Act, Alarm
from yieldbot.model.tx import Reverted

LEAVE = Alarm(code="UTILISATION", act=Act.LEAVE, saw="99 % is lent", since=NOW)


def held(state: MarketState, whole: float, cash: float = 1e9) -> MarketState:
    return replace(state, held=usdc(whole), shares=usdc(whole).raw, liquidity=usdc(cash), alarms=(LEAVE,))


BOTH = snapshot(0, held(A, 40_000), held(B, 60_000))
OUT = snapshot(100_000, held(A, 0), held(B, 0))
REVERTED = Reverted("0xbb", BOTH.block, 1, "no")


def executed(live: SessionDouble) -> list[int]:
    return [one[1] for one in live.did if one[0] == "execute"]


def plan_in(view: Snapshot) -> Plan:
    made = decide(view, loose(), JOB, NOW).outcome
    assert isinstance(made, Plan) and made.is_exit
    return made


async def test_a_cycle_leaves_before_anything_else_is_done(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    live = SessionDouble([BOTH, BOTH, BOTH, OUT])
    report = await run_job(wired(monkeypatch, journal, live), JOB)
    assert report.declined is None and executed(live) == [0, 1] and not report.left_undone
    assert report.decision is not None and isinstance(report.decision.outcome, Plan)
    assert [leg.kind for leg in report.decision.outcome.legs] == [LegKind.WITHDRAW] * 2
    after = await run_job(wired(monkeypatch, journal, SessionDouble([OUT])), JOB)
    assert after.decision is not None and isinstance(after.decision.outcome, Hold), "and nothing goes back in"


@pytest.mark.parametrize("how", ["reverts", "refused", "cash"])
async def test_a_leg_that_fails_is_skipped_and_the_rest_goes_on(
    how: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(BOTH)
    fails = LegResult((REVERTED,)) if how == "reverts" else LegResult((), LegFails("WOULD_REVERT", "no", plan.legs[0]))
    dry = replace(BOTH.of(plan.legs[0].market_id), liquidity=usdc(0))
    gone = replace(BOTH, states={**BOTH.states, dry.market.id: dry}) if how == "cash" else BOTH
    live = SessionDouble(
        [BOTH, gone, BOTH], results=[LegResult((DONE,))] if how == "cash" else [fails, LegResult((DONE,))]
    )
    report = await run_job(wired(monkeypatch, journal, live), JOB)
    assert executed(live) == ([1] if how == "cash" else [0, 1]) and report.declined is None
    ((leg, why),) = report.left_undone
    assert leg.market_id == plan.legs[0].market_id and why.code in ("REVERTED", "WOULD_REVERT", "LIQUIDITY_GONE")
    marks = [row.entry for row in journal.history() if isinstance(row.entry, PlanMarked)]
    assert marks[-1].status is PlanStatus.FAILED and marks[-1].reason.startswith("1 of 2 legs are done; ")
    assert report.failed is (how == "reverts")


@pytest.mark.parametrize("code", ["HALTED", "EXPIRED", "FEE_ABOVE_CEILING"])
async def test_what_concerns_more_than_one_market_ends_an_exit_too(
    code: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = SessionDouble([BOTH], results=[LegResult((), Declined(code, "no"))])
    report = await run_job(wired(monkeypatch, journal, live), JOB)
    assert executed(live) == [0] and report.declined == Declined(code, "no") and not report.left_undone


async def test_where_no_leg_can_be_done_the_first_reason_is_the_answer(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = snapshot(0, held(A, 40_000, 0), held(B, 60_000, 0))
    report = await run_job(wired(monkeypatch, journal, SessionDouble([BOTH, dry])), JOB)
    assert report.declined is not None and report.declined.code == "LIQUIDITY_GONE" and len(report.left_undone) == 2


async def test_protections_stop_new_money_and_no_exit(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.append(
        AccountStopped(BOTH.block.chain, BOTH.owner, "it lost something"),
        PlanWritten(plan("p"), ()),
        PlanMarked("p", PlanStatus.FAILED, "execution"),
    )
    live = SessionDouble([BOTH, BOTH, BOTH, OUT])
    report = await run_job(wired(monkeypatch, journal, live, max_failures=1, stop_at_loss_bps=1.0), JOB)
    assert report.declined is None and executed(live) == [0, 1]


def test_the_gate_lets_an_account_out_after_a_loss_and_not_after_a_fault(journal: Journal) -> None:
    key = (BOTH.block.chain, BOTH.owner)
    plan = plan_in(BOTH)
    sender: Any = type(
        "Sender",
        (),
        {
            "settings": JOB.chain,
            "owner": BOTH.owner,
            "journal": journal,
            "signer": type("Key", (), {"address": BOTH.owner}),
            "halted": staticmethod(lambda: None),
        },
    )
    journal.append(AccountStopped(*key, "it lost something"))
    into = replace(plan, legs=(*plan.legs, replace(plan.legs[0], kind=LegKind.DEPOSIT)))
    assert barred(sender, plan) is None
    for other in (None, into, replace(plan, why=())):
        refused = barred(sender, other)
        assert refused is not None and refused.code == "ACCOUNT_STOPPED", "a label alone is no exit"
    journal.append(AccountStopped(*key, "it did something else", "0xaa"))
    refused = barred(sender, plan)
    assert refused is not None and "it did something else" in refused.reason
    journal.append(AccountCleared(*key, "terminal"))
    assert barred(sender, plan) is None
    sender.halted = staticmethod(lambda: "stop")
    refused = barred(sender, plan)
    assert refused is not None and refused.code == "HALTED", "a person's own halt holds for exits too"


def test_an_exit_takes_what_is_there_and_may_cost_what_it_brings() -> None:
    plan = plan_in(BOTH)
    first = BOTH.of(plan.legs[0].market_id)
    less = leg_now(plan, 0, None, replace(first, liquidity=usdc(10)))
    assert (less.amount, less.all) == (usdc(10), False)
    assert leg_now(plan, 0, None, first) == plan.legs[0]
    assert leg_now(plan, 0, None, replace(first, liquidity=usdc(0))) == plan.legs[0], "which is then refused"
    ordinary = replace(plan, why=())
    assert leg_now(ordinary, 0, None, replace(first, liquidity=usdc(10))) == plan.legs[0]
    wei = most_gas(plan, BOTH, loose(), 18)
    assert (
        wei == pytest.approx(100_000 / BOTH.fees.native_price * 10**18) and most_gas(ordinary, BOTH, loose(), 18) == 0
    )


async def test_a_queued_exit_goes_on_with_what_is_still_there(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_in(BOTH)
    journal.append(PlanWritten(plan), PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
    dry = replace(BOTH.of(plan.legs[0].market_id), liquidity=usdc(0))
    view = replace(BOTH, states={**BOTH.states, dry.market.id: dry})
    live = SessionDouble([view, view, view])
    report = await approve_queued(wired(monkeypatch, journal, live), plan.id)
    assert executed(live) == [1] and report.declined is None and len(report.left_undone) == 1
    nothing = snapshot(0, held(A, 40_000, 0), held(B, 60_000, 0))
    live = SessionDouble([nothing])
    journal.append(PlanMarked(plan.id, PlanStatus.QUEUED, "queue"))
    report = await approve_queued(wired(monkeypatch, journal, live), plan.id)
    assert report.declined is not None and report.declined.code == "LIQUIDITY_GONE" and executed(live) == []


async def test_what_cannot_be_swapped_keeps_no_other_money_where_it_is(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A swap of what came out fails in its rehearsal: the rest of the money goes on in the same cycle."""
    idle = snapshot(100_000, A, B)
    swap = replace(
        plan_in(BOTH), legs=(Leg(LegKind.SWAP, MarketId("swap/1/a/b"), usdc(5), gets=usdc(5)),), sold=usdc(5)
    )
    real = decide

    def by(*args: Any, swaps: bool = True, **more: Any) -> Decision:
        found = real(*args, **more)
        return replace(found, outcome=swap) if swaps else found

    monkeypatch.setattr(cycle, "decide", by)
    live = SessionDouble([idle], rehearsals=[Declined("PRICE_IMPACT", "too little"), REHEARSED])
    world = wired(monkeypatch, journal, live)
    report = await run_job(world, JOB)
    asked = [one[1] for one in live.did if one[0] == "rehearse"]
    assert asked[0] == ("swap/1/a/b",) and set(asked[1]) <= {A.market.id, B.market.id} and report.outcomes
    assert "what came out is not swapped: too little" in world.lines and report.declined is None
    live = SessionDouble([idle], rehearsals=[REHEARSED])
    report = await run_job(wired(monkeypatch, journal, live), JOB)
    assert [one[1] for one in live.did if one[0] == "rehearse"] == [("swap/1/a/b",)], "where it passes nothing follows"
