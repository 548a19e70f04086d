"""What one cycle proposes, asset by asset: whose plan it is, sales, claims, ranges, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.allocator.liquidity import CALM, ONE, held
from tests.kit.allocator.liquidity_market import BASE as LP_BASE
from tests.kit.allocator.liquidity_market import everything
from tests.kit.allocator.liquidity_market import pool as lp_pool
from tests.kit.allocator.sales import RWD, SELLS, earned, reward
from tests.kit.allocator.several import JOB as SEVERAL
from tests.kit.allocator.several import dai, seen
from tests.kit.app.cycle import IN_A, REHEARSED, SEEN, A
from tests.kit.app.cycle import journal as journal
from tests.kit.market_builder import BLOCK, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB, NOW, moved
from yieldbot.app import cycle
from yieldbot.app.cycle import job_of
from yieldbot.decision.decide import decide
from yieldbot.errors import ConfigError
from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import (
    TxSettled,
    TxSigned,
)
from yieldbot.journal.store import Journal
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.market import Quarantined, Status
from yieldbot.model.plan import Hold, Leg, LegKind, Plan
from yieldbot.model.tx import Confirmed, Delta


def test_a_plans_job_is_found_by_wallet_chain_and_asset() -> None:
    plan = decide(SEEN, loose(horizon_days=30.0), JOB, NOW).outcome
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
    assert [one.reason for one in cycle._unread((), view, SEVERAL, loose(horizon_days=30.0))] != []


def test_liquidity_that_cannot_be_moved_keeps_nothing_else() -> None:
    plan = decide(SEEN, loose(horizon_days=30.0), JOB, NOW).outcome
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
    policy = loose(horizon_days=30.0, idle_buffer="0")
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
    found = decide(view, loose(horizon_days=30.0, min_claim="10"), JOB, NOW).outcome
    assert isinstance(found, Plan) and [leg.kind for leg in found.legs] == [LegKind.CLAIM]
    assert isinstance(decide(view, loose(horizon_days=30.0, min_claim="never"), JOB, NOW).outcome, Hold)
    dear = replace(JOB, chain=replace(JOB.chain, max_fee_gwei=1e-9))
    assert isinstance(decide(view, loose(horizon_days=30.0, min_claim="10"), dear, NOW).outcome, Hold)
    moves = replace(SEEN, states={**SEEN.states, A.market.id: replace(A, rewards=(due,))})
    first = decide(moves, loose(horizon_days=30.0, min_claim="10"), JOB, NOW).outcome
    assert isinstance(first, Plan) and LegKind.CLAIM not in [leg.kind for leg in first.legs]


def test_a_range_is_laid_anew_where_nothing_else_is_to_be_done() -> None:
    gone = lp_pool(CALM, held(500, 1500))
    view, base = everything(gone, idle=0.0), LP_BASE
    job = replace(SEVERAL, base=base, asset=ONE, others=(gone.liquidity_market.other,) if gone.liquidity_market else ())
    policy = loose(horizon_days=30.0, min_gain_share=0.0)
    found = decide(view, policy, job, BLOCK.timestamp).outcome
    assert isinstance(found, Plan) and [leg.kind for leg in found.legs] == [LegKind.REBALANCE]
    dear = replace(job, chain=replace(job.chain, max_fee_gwei=1e-9))
    assert isinstance(decide(view, policy, dear, BLOCK.timestamp).outcome, Hold)


def test_limits_that_a_second_plan_still_breaks_make_a_hold(journal: Journal) -> None:
    records = moved(1, A.market.id, 4_000, 2)
    policy = loose(horizon_days=30.0, limit_day="9000", idle_buffer="0")
    found = decide(SEEN, policy, JOB, NOW, records=records).outcome
    assert isinstance(found, Plan)
    assert sum(leg.amount.raw for leg in found.legs if leg.kind is LegKind.DEPOSIT) <= usdc(5_000).raw


# A first part that is taken out again on the chain, before the rest follows.
