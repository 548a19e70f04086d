"""One cycle of a job, on a labelled double of a session: what is asked in which order, and what ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import BLOCK, market, snapshot, usdc
from tests.unit.allocator.test_liquidity_decisions import CALM, ONE, held
from tests.unit.allocator.test_liquidity_market import BASE as LP_BASE
from tests.unit.allocator.test_liquidity_market import everything
from tests.unit.allocator.test_liquidity_market import pool as lp_pool
from tests.unit.allocator.test_sales import RWD, SELLS, earned, reward
from tests.unit.allocator.test_several import JOB as SEVERAL
from tests.unit.allocator.test_several import dai, seen
from tests.unit.decision.test_holds_edges import plan_of, put, take
from tests.unit.risk.test_protections import JOB, NOW, moved
from yieldbot.app import cycle
from yieldbot.app.cycle import approve_queued, is_trial, job_of, observe_job, run_job
from yieldbot.decision.decide import decide
from yieldbot.errors import ConfigError, InvariantError, SafetyError, TransientError
from yieldbot.execution.approvals import Approval, Proposal
from yieldbot.execution.results import LegResult
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    AccountStopped,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.store import Journal
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Quarantined, Snapshot, Status
from yieldbot.model.plan import Declined, Hold, Leg, LegKind, NoWayOut, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import SafeOwner, Settings
from yieldbot.model.tx import Confirmed, Delta, Reverted

A, B = market("a", ConstantCurve(0.1)), market("b", ConstantCurve(0.08))
SEEN = snapshot(100_000, A, B)
IN_A = snapshot(0, replace(A, held=usdc(100_000)), B)
EXCLUDED = replace(IN_A, states={**IN_A.states, A.market.id: replace(IN_A.of(A.market.id), held=usdc(50_000))})
REHEARSED: Any = object()
DONE = Confirmed("0xaa", SEEN.block, 1, 1, ())


@dataclass
class SessionDouble:
    """A labelled double of a chain: snapshots in order (the last one stays), and what each step answers."""

    views: list[Snapshot] = field(default_factory=lambda: [SEEN])
    rehearsals: list[Any] = field(default_factory=lambda: [REHEARSED])
    results: list[LegResult] = field(default_factory=lambda: [LegResult((DONE,))])
    proposed: Any = None
    settles: tuple[Any, ...] = ()
    fails: Exception | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    did: list[Any] = field(default_factory=list)
    round_trips: int = 0
    known: list[int] = field(default_factory=list)

    async def verify_chain(self) -> None:
        self.did.append("verify")
        if self.fails is not None:
            raise self.fails

    async def observe(self, records: Sequence[Record] = ()) -> Snapshot:
        self.did.append("observe")
        return self.views.pop(0) if len(self.views) > 1 else self.views[0]

    async def settle(self) -> tuple[Any, ...]:
        self.did.append("settle")
        return self.settles

    async def rehearse(self, plan: Plan, view: Snapshot) -> Any:
        self.did.append(("rehearse", tuple(leg.market_id for leg in plan.legs)))
        return self.rehearsals.pop(0) if len(self.rehearsals) > 1 else self.rehearsals[0]

    def spend_at_most(self, plan: Plan, view: Snapshot) -> None:
        self.did.append(("spend", plan.id, view))

    async def execute(self, approval: Approval, index: int, view: Snapshot) -> LegResult:
        self.did.append(("execute", index))
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    async def hand_over(self, approval: Approval, view: Snapshot) -> Any:
        self.did.append("hand over")
        return self.proposed

    async def with_exits(self, view: Snapshot, records: Any, policy: Policy) -> Snapshot:
        self.known.append(len(records))
        return view

    async def refused(self, market_id: MarketId, why: str, view: Snapshot, *, on_chain: bool = False) -> None:
        self.did.append(("refused", market_id, why, on_chain))

    def said(self, block: Any) -> str:
        return f"block {block.height}"


class Yes:
    """Approves, and remembers what it was asked."""

    def __init__(self, no: Declined | None = None) -> None:
        self.no, self.asked = no, list[Proposal]()

    async def approve(self, proposal: Proposal) -> Approval | Declined:
        self.asked.append(proposal)
        return self.no or Approval(proposal.plan, "a person", proposal.plan.expires_at)


@dataclass
class WorldDouble:
    """What a cycle takes of a world."""

    journal: Journal
    settings: Any
    approver: Any = field(default_factory=Yes)
    lines: list[str] = field(default_factory=list)
    opened: list[Any] = field(default_factory=list)

    def now(self) -> int:
        return NOW

    def say(self, line: str) -> None:
        self.lines.append(line)

    def open_key(self, wallet: Any) -> None:
        self.opened.append(wallet)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: NOW) as opened:
        yield opened


def wired(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, live: SessionDouble, jobs: Sequence[Any] = (JOB,), **policy: Any
) -> Any:
    @asynccontextmanager
    async def opened(world: Any, job: Any) -> AsyncIterator[SessionDouble]:
        yield live

    monkeypatch.setattr(cycle, "session", opened)
    settings = Settings(
        source=Path("yieldbot.toml"),
        data_dir=Path("."),
        wallets={},
        chains={},
        jobs=tuple(jobs),
        policy=Policy(horizon_days=30.0, **{"idle_buffer": "0"} | policy),
    )
    return WorldDouble(journal, settings)


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
    assert world.opened == [JOB.wallet] and world.approver.asked == [Proposal(plan, REHEARSED)]
    assert report.left_out == (("host", "it lags"),)
    assert any("RPC endpoint host is left out: it lags" in line for line in world.lines)
    (last,) = observed(journal)
    assert list(last.facts["forecasts"]) == [A.market.id]


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
    journal.append(PlanMarked("p", PlanStatus.FAILED, "execution"))
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
    @dataclass
    class Handed:
        note: str = "0xaa nonce 4"

    safe = replace(JOB, wallet=replace(JOB.wallet, held=SafeOwner(wallet="main")))
    handed: Any = Handed()
    live = SessionDouble(proposed=handed)
    report = await run_job(wired(monkeypatch, journal, live, [safe]), safe)
    assert report.proposed is handed and "hand over" in live.did and ("execute", 0) not in live.did
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
    facts = {"forecasts": {A.market.id: {"held_raw": str(usdc(held).raw), "apr": 0.1, "horizon_seconds": 86_400.0}}}
    return Observed(view.block.chain, view.owner, view.block, facts)


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


def queued(journal: Journal, policy: Policy = Policy(horizon_days=30.0, idle_buffer="0")) -> Plan:  # noqa: B008
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
    facts = {"forecasts": {c: {"name": "c", "held_raw": "5", "apr": 0.1, "horizon_seconds": 1.0}}}
    journal.append(Observed(SEEN.block.chain, SEEN.owner, SEEN.block, facts))
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


def test_a_plans_job_is_found_by_wallet_chain_and_asset() -> None:
    plan = decide(SEEN, Policy(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(plan, Plan)
    elsewhere = replace(JOB, wallet=replace(JOB.wallet, address=Address("0x" + "12" * 20)))
    in_dai = replace(JOB, asset=dai(1).token)
    far = replace(JOB, chain=replace(JOB.chain, chain="eip155:10"))
    settings: Any = type("S", (), {"jobs": (elsewhere, in_dai, far, JOB), "source": Path("yieldbot.toml")})()
    assert job_of(settings, plan) is JOB
    settings.jobs = settings.jobs[:3]
    with pytest.raises(ConfigError, match=f"no job for wallet {plan.owner} on {plan.block.chain}"):
        job_of(settings, plan)


def test_what_cannot_be_read_is_told_of_every_asset_of_the_job() -> None:
    view = seen(0, 0)
    bad = replace(A.market, id=MarketId("lend/1/?"))
    view = replace(view, quarantined=(Quarantined(bad, "it reverts"),))
    assert [one.reason for one in cycle._unread((), view, SEVERAL, Policy(horizon_days=30.0))] != []


def test_liquidity_that_cannot_be_moved_keeps_nothing_else() -> None:
    plan = decide(SEEN, Policy(horizon_days=30.0), JOB, NOW).outcome
    assert isinstance(plan, Plan)
    report = cycle.Report(job=JOB)
    assert cycle._without_pools(SEEN, plan, report) is None, "it moves none"
    pooled = replace(SEEN, states={**SEEN.states, A.market.id: replace(A, liquidity_market=object())})  # type: ignore[arg-type]
    found = cycle._without_pools(pooled, plan, report)
    assert found is not None and found.of(A.market.id).status is Status.PAUSED
    assert {k: v for k, v in found.states.items() if k != A.market.id} == {
        k: v for k, v in pooled.states.items() if k != A.market.id
    }
    assert cycle._without_pools(pooled, plan, replace(report, rehearsal=REHEARSED)) is None
    gone = replace(plan, legs=(Leg(LegKind.CLAIM, MarketId("claim/1/x"), usdc(0)),))
    assert cycle._without_pools(pooled, gone, report) is None


def brought(raw: int, now: int) -> list[Record]:
    """A claim of ours that brought so much of the reward."""
    view = earned(2.0, 1.99)
    delta = Delta(RWD, raw)
    signed = TxSigned(
        chain=view.block.chain,
        owner=view.owner,
        plan_id="p",
        leg=0,
        market_id=MarketId("claim/1/x"),
        hash="0xcc",
        raw=b"",
        nonce=1,
        gas=1,
        max_fee_wei=1,
        priority_fee_wei=1,
        words="",
        expires_at=now,
        simulated_at=view.block,
        predicted=(delta,),
    )
    done = TxSettled(view.block.chain, view.owner, Confirmed("0xcc", view.block, 1, 1, (delta,)))
    return [Record(1, now, signed), Record(2, now, done)]


def test_what_claims_brought_is_sold_where_nothing_else_is_to_be_done_and_the_job_sells() -> None:
    view, records = earned(2.0, 1.99), brought(60 * RWD.one, BLOCK.timestamp)
    policy = Policy(horizon_days=30.0, idle_buffer="0")
    found = decide(view, policy, SELLS, BLOCK.timestamp, records=records).outcome
    assert isinstance(found, Plan) and [leg.kind for leg in found.legs] == [LegKind.SWAP]
    assert found.legs[0].amount == Amount(RWD, 60 * RWD.one), "what we claimed, not all that lies there"
    for job, theirs, wealth in ((SEVERAL, records, None), (SELLS, [], None), (SELLS, records, usdc(5))):
        kept = decide(view, policy, job, BLOCK.timestamp, records=theirs, wealth=wealth).outcome
        assert not isinstance(kept, Plan) or LegKind.SWAP not in [leg.kind for leg in kept.legs]
    dear = replace(SELLS, chain=replace(SELLS.chain, max_fee_gwei=1e-9))
    assert isinstance(decide(view, policy, dear, BLOCK.timestamp, records=records).outcome, Hold)


def test_a_reward_is_claimed_where_nothing_else_is_to_be_done() -> None:
    due = replace(reward(), claimable=Amount(RWD, 50 * RWD.one), price=2.0)
    view = replace(IN_A, states={**IN_A.states, A.market.id: replace(IN_A.of(A.market.id), rewards=(due,))})
    found = decide(view, Policy(horizon_days=30.0, min_claim="10"), JOB, NOW).outcome
    assert isinstance(found, Plan) and [leg.kind for leg in found.legs] == [LegKind.CLAIM]
    assert isinstance(decide(view, Policy(horizon_days=30.0, min_claim="never"), JOB, NOW).outcome, Hold)
    dear = replace(JOB, chain=replace(JOB.chain, max_fee_gwei=1e-9))
    assert isinstance(decide(view, Policy(horizon_days=30.0, min_claim="10"), dear, NOW).outcome, Hold)
    moves = replace(SEEN, states={**SEEN.states, A.market.id: replace(A, rewards=(due,))})
    first = decide(moves, Policy(horizon_days=30.0, min_claim="10"), JOB, NOW).outcome
    assert isinstance(first, Plan) and LegKind.CLAIM not in [leg.kind for leg in first.legs]


def test_a_range_is_laid_anew_where_nothing_else_is_to_be_done() -> None:
    gone = lp_pool(CALM, held(500, 1500))
    view, base = everything(gone, idle=0.0), LP_BASE
    job = replace(SEVERAL, base=base, asset=ONE, others=(gone.liquidity_market.other,) if gone.liquidity_market else ())
    policy = Policy(horizon_days=30.0, min_gain_share=0.0)
    found = decide(view, policy, job, BLOCK.timestamp).outcome
    assert isinstance(found, Plan) and [leg.kind for leg in found.legs] == [LegKind.REBALANCE]
    dear = replace(job, chain=replace(job.chain, max_fee_gwei=1e-9))
    assert isinstance(decide(view, policy, dear, BLOCK.timestamp).outcome, Hold)


def test_limits_that_a_second_plan_still_breaks_make_a_hold(journal: Journal) -> None:
    records = moved(1, A.market.id, 4_000, 2)
    policy = Policy(horizon_days=30.0, limit_day="9000", idle_buffer="0")
    found = decide(SEEN, policy, JOB, NOW, records=records).outcome
    assert isinstance(found, Plan)
    assert sum(leg.amount.raw for leg in found.legs if leg.kind is LegKind.DEPOSIT) <= usdc(5_000).raw


# A first part that is taken out again on the chain, before the rest follows.

TRIAL = plan_of(put(1_000), take(500, A), put(50_000))


async def tried(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, *results: LegResult, raises: int | None = None
) -> tuple[SessionDouble, cycle.Report | None]:
    inside = snapshot(99_000, replace(A, held=usdc(1_000)), B)
    back = snapshot(99_500, replace(A, held=usdc(500)), B)
    live = SessionDouble([SEEN, inside, back, back], results=list(results))
    if raises is not None:
        execute = live.execute

        async def fails(approval: Approval, index: int, view: Snapshot) -> LegResult:
            if index == raises:
                raise InvariantError("other money came out")
            return await execute(approval, index, view)

        monkeypatch.setattr(live, "execute", fails)
    world = wired(monkeypatch, journal, live, min_move="0")
    approval = Approval(TRIAL, "a person", TRIAL.expires_at)
    try:
        return live, await cycle._carry_out(world, live, JOB, approval, cycle.Report(job=JOB))  # type: ignore[arg-type]
    except InvariantError:
        return live, None


def refusals(live: SessionDouble) -> list[Any]:
    return [one[1:] for one in live.did if one[0] == "refused"]


async def test_what_does_not_come_out_of_a_trial_is_written_down_as_real_money(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [is_trial(TRIAL, index) for index in range(3)] == [False, True, False]
    assert not is_trial(plan_of(put(1), take(1)), 1), "another market's"
    assert not is_trial(plan_of(take(1, A), put(1)), 0)
    good = LegResult((DONE,))
    live, report = await tried(journal, monkeypatch, good)
    assert report is not None and report.declined is None and len(report.outcomes) == 3 and not refusals(live)
    said = "500 USDC of what went in do not come out: why"
    for bad, code in (
        (LegResult((Reverted("0xbb", SEEN.block, 1, "why"),)), None),
        (LegResult((), Declined("WOULD_REVERT", "why")), "WOULD_REVERT"),
        (LegResult((), Declined("DELTA_NOT_PLANNED", "why")), "DELTA_NOT_PLANNED"),
    ):
        live, report = await tried(journal, monkeypatch, good, bad)
        assert refusals(live) == [(A.market.id, said, True)] and ("execute", 2) not in live.did
        assert report is not None and (report.declined.code if report.declined else None) == code
    for fine in (LegResult((), Declined("EXPIRED", "why")),):
        live, _ = await tried(journal, monkeypatch, good, fine)
        assert not refusals(live)
    live, report = await tried(journal, monkeypatch, LegResult((Reverted("0xbb", SEEN.block, 1, "why"),)))
    assert not refusals(live) and report is not None, "what did not go in"


async def test_other_money_than_foreseen_stops_and_is_the_markets_doing_where_it_came_out_of_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, report = await tried(journal, monkeypatch, LegResult((DONE,)), raises=1)
    assert report is None and refusals(live) == [(A.market.id, "other money came out", True)]
    live, report = await tried(journal, monkeypatch, LegResult((DONE,)), raises=0)
    assert report is None and not refusals(live)


@pytest.mark.parametrize("lasting", [True, False])
async def test_a_market_that_does_not_give_back_is_remembered_where_that_lasts(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    trap = NoWayOut("NO_WAY_OUT", "it does not come out", A.market.id, lasting)
    live = SessionDouble(rehearsals=[trap, REHEARSED])
    await run_job(wired(monkeypatch, journal, live), JOB)
    wanted = [(A.market.id, "it does not come out", False)] if lasting else []
    assert refusals(live) == wanted and live.known and live.known[0] == 0
    live = SessionDouble(results=[LegResult((), trap)])
    await run_job(wired(monkeypatch, journal, live), JOB)
    assert refusals(live) == wanted
