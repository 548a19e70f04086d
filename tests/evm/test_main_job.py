"""The main job on real protocols: observe, allocate, rehearse, approve, sign, send, confirm, earn; and bad luck."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.evm.world import transactions, world
from yieldbot.app import cycle
from yieldbot.config.load import load
from yieldbot.errors import ConfigError, SafetyError
from yieldbot.execution.approvals import DeclineAll, Queue
from yieldbot.history import recorded
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.model.ids import Address
from yieldbot.model.market import Kind
from yieldbot.model.plan import Hold, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox


async def test_idle_money_ends_up_earning_what_was_predicted(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        job = w.settings.jobs[0]
        report = await cycle.run_job(w, job)
        assert report.skipped is None and report.declined is None and report.decision is not None
        plan = report.decision.outcome
        assert isinstance(plan, Plan) and plan.allocation.certificate.gap_bps < 0.1
        assert report.rehearsal is not None and report.after is not None
        assert report.outcomes and all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert w.journal.plan(plan.id).status is PlanStatus.EXECUTED
        sandbox.warp(30)
        later = await cycle.observe_job(w, job)
        held = recorded.positions(w.journal, later)
        assert {p.state.market.id for p in held} == {leg.market_id for leg in plan.legs}
        for position in held:
            assert position.predicted is not None and position.realised is not None
            error_bp = abs(position.predicted.value - position.realised.value) * 1e4
            assert error_bp < 0.5, (position.state.market.name, error_bp)
        assert sum(p.earned.raw for p in held if p.earned) > 0
        again = await cycle.run_job(w, job)
        assert again.decision is not None and w.journal.verify() > 0


async def test_a_second_cycle_holds(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        first = await cycle.run_job(w, w.settings.jobs[0])
        assert first.declined is None and first.outcomes
        sent = transactions(sandbox)
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.decision is not None and isinstance(report.decision.outcome, Hold)
        assert transactions(sandbox) == sent


async def test_a_dry_run_rehearses_everything_and_sends_nothing(sandbox: Sandbox) -> None:
    with world(sandbox, DeclineAll) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.rehearsal is not None and report.rehearsal.gas_used > 200_000
        assert report.declined is not None and report.outcomes == ()
        assert transactions(sandbox) == 0


async def test_a_queued_plan_is_approved_by_its_id_and_only_once(sandbox: Sandbox) -> None:
    with world(sandbox, Queue) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.declined is not None and report.declined.code == "QUEUED"
        (stored,) = w.journal.plans(PlanStatus.QUEUED)
    assert transactions(sandbox) == 0
    with world(sandbox, stored.plan.id) as w:
        done = await cycle.approve_queued(w, stored.plan.id)
        assert done.outcomes and not done.failed
        with pytest.raises(SafetyError, match="PLAN_CLOSED"):
            await cycle.approve_queued(w, stored.plan.id)


async def test_an_expired_plan_is_refused(sandbox: Sandbox) -> None:
    with world(sandbox, Queue) as w:
        await cycle.run_job(w, w.settings.jobs[0])
        (stored,) = w.journal.plans(PlanStatus.QUEUED)
        late = replace(w, now=lambda: stored.plan.expires_at + 1)
        with pytest.raises(SafetyError, match="EXPIRED"):
            await cycle.approve_queued(late, stored.plan.id)


async def test_a_node_that_does_not_answer_skips_the_chain_alone(sandbox: Sandbox) -> None:
    settings = load(sandbox.directory / "yieldbot.toml")
    job = settings.jobs[0]
    dead = replace(job, chain=replace(job.chain, rpc_urls=("http://127.0.0.1:9",)))
    with world(sandbox, settings=settings) as w:
        skipped = await cycle.run_job(w, dead)
        assert skipped.skipped is not None and "127.0.0.1" in skipped.skipped
        assert (await cycle.run_job(w, job)).outcomes


async def test_a_market_that_reverts_is_quarantined_and_the_others_are_planned(sandbox: Sandbox) -> None:
    sandbox.rpc("anvil_setCode", sandbox.addresses["comet"], "0x60006000fd")
    with world(sandbox, DeclineAll) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.snapshot is not None and report.decision is not None
        assert [q.market.protocol for q in report.snapshot.quarantined] == ["compound_v3"]
        assert isinstance(report.decision.outcome, Plan)


async def test_gas_above_the_ceiling_holds(sandbox: Sandbox) -> None:
    settings = load(sandbox.directory / "yieldbot.toml")
    job = settings.jobs[0]
    job = replace(job, chain=replace(job.chain, max_fee_gwei=0.01))
    with world(sandbox, settings=settings) as w:
        report = await cycle.run_job(w, job)
        assert report.decision is not None and isinstance(report.decision.outcome, Hold)
        assert "above the ceiling" in report.decision.outcome.reason
    assert transactions(sandbox) == 0


async def test_too_little_native_token_is_said_before_anything_is_signed(sandbox: Sandbox) -> None:
    sandbox.rpc("anvil_setBalance", sandbox.wallet, hex(10**9))
    with world(sandbox) as w:
        report = await cycle.run_job(w, w.settings.jobs[0])
        assert report.declined is not None and "ETH" in report.declined.reason
        assert w.journal.transactions() == ()


async def test_an_rpc_of_another_chain_is_refused(sandbox: Sandbox) -> None:
    settings = load(sandbox.directory / "yieldbot.toml")
    job = settings.jobs[0]
    wrong = replace(job, chain=replace(job.chain, chain="eip155:1"))
    with world(sandbox, settings=settings) as w, pytest.raises(ConfigError, match="serves chain 31337"):
        await cycle.run_job(w, wrong)


async def test_observation_takes_at_most_three_rounds_and_sees_every_market(sandbox: Sandbox) -> None:
    with world(sandbox) as w:
        seen = await cycle.observe_job(w, w.settings.jobs[0])
        assert seen.quarantined == ()
        assert {s.market.kind for s in seen.states.values()} == {Kind.LENDING, Kind.VAULT, Kind.IDLE}
        assert len(seen.states) >= 9 and all(isinstance(s.market.address, str) for s in seen.states.values())
        flags = {flag for s in seen.states.values() for flag in s.flags}
        assert {"above-kink", "at-cap", "frozen", "thin-liquidity"} <= flags
        assert Address(seen.owner) == sandbox.wallet
