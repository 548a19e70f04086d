"""Claims through the whole job: decided, rehearsed, judged, sent, confirmed; Aave's real RewardsController and
CometRewards' double."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils import to_checksum_address

from tests.kit import incentives
from tests.kit.evm.world import transactions, world
from yieldbot.allocator.claims import due
from yieldbot.app import cycle
from yieldbot.books.entries import EntryKind, from_journal
from yieldbot.config.load import load
from yieldbot.execution.approvals import Auto, DeclineAll, Queue
from yieldbot.history import holdings as forecast
from yieldbot.journal.fold import fold_transactions
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.model.plan import Hold, LegKind, Plan
from yieldbot.model.settings import Settings
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox


async def paying(sandbox: Sandbox) -> tuple[Settings, incentives.Incentives]:
    """Settings whose only job is on the sandbox with incentives. Money may go into the two markets that pay them."""
    async with sandbox.node() as node:
        found = await incentives.deploy(node, sandbox.addresses)
    settings = load(sandbox.directory / "yieldbot.toml")
    (job,) = settings.jobs
    chain = found.chain(job.chain)
    kept = tuple(d for d in chain.deployments if d.name in ("Aave v3", "Compound v3 (double)"))
    job = replace(job, chain=replace(chain, deployments=kept))
    return replace(settings, jobs=(job,)), found


async def placed(sandbox: Sandbox) -> tuple[Settings, incentives.Incentives]:
    """The same, five days after the money was placed; from now on the policy moves none of it."""
    settings, found = await paying(sandbox)
    with world(sandbox, Auto, settings) as w:
        assert (await cycle.run_job(w, settings.jobs[0])).outcomes
    sandbox.warp(5)
    return replace(settings, policy=replace(settings.policy, min_move="1000000")), found


def balance_raw(sandbox: Sandbox, token: str) -> int:
    data = "0x70a08231" + "00" * 12 + sandbox.wallet[2:]
    return int(sandbox.rpc("eth_call", {"to": token, "data": data}, "latest"), 16)


async def test_claims_are_made_when_they_pay_and_nothing_else_moves(sandbox: Sandbox) -> None:
    settings, found = await paying(sandbox)
    with world(sandbox, Auto, settings) as w:
        (job,) = settings.jobs
        first = await cycle.run_job(w, job)
        assert first.declined is None and isinstance(first.decision.outcome, Plan)
        assert {leg.kind for leg in first.decision.outcome.legs} == {LegKind.DEPOSIT}
        sandbox.warp(5)
        for _ in range(3):  # rates have moved meanwhile: money may move before anything is claimed
            before, sent = balance_raw(sandbox, job.asset.address), transactions(sandbox)
            report = await cycle.run_job(w, job)
            plan = report.decision.outcome
            assert isinstance(plan, Plan) and report.declined is None
            if plan.legs[0].kind is LegKind.CLAIM:
                break
        assert [leg.kind for leg in plan.legs] == [LegKind.CLAIM] * len(plan.legs) and plan.moves == ()
        assert plan.gain_per_year > 0 and plan.cost < 10
        assert len(report.outcomes) == len(plan.legs) == transactions(sandbox) - sent
        brought = 0
        for leg, outcome in report.outcomes:
            assert isinstance(outcome, Confirmed) and leg.gets is not None
            (got,) = (d.raw for d in outcome.deltas if d.token == leg.gets.token)
            assert leg.gets.raw <= got < leg.gets.raw * 1.01
            brought += got
        assert balance_raw(sandbox, found.token.address) == brought
        assert balance_raw(sandbox, job.asset.address) == before
        assert w.journal.plan(plan.id).status is PlanStatus.EXECUTED
        reward = plan.legs[0].gets.token
        claimed = [entry for entry in from_journal(w.journal.history()) if entry.change(reward)]
        assert {entry.kind for entry in claimed} == {EntryKind.CLAIM} and sum(
            e.change(reward) for e in claimed
        ) == brought
        assert {e.market_id for e in claimed} <= set(report.snapshot.states), "in the books a claim is of its market"
        signed = [t.signed for t in fold_transactions(w.journal.history()).values() if t.signed.plan_id == plan.id]
        assert [s.market_id for s in signed] == [leg.market_id for leg in plan.legs]
        after = await cycle.observe_job(w, job)
        assert due(after, settings.policy) == ()
        rewards = [r for s in after.states.values() for r in s.rewards]
        assert {r.in_wallet.raw for r in rewards} == {brought}
        known = forecast.forecasts_since_change(w.journal.history(), after.block.chain, after.owner)
        assert all(
            known[leg.market_id].block.height < report.snapshot.block.height for leg in first.decision.outcome.legs
        )


async def test_what_does_not_pay_is_not_claimed(sandbox: Sandbox) -> None:
    """Below min_claim, with "never", and with a haircut that leaves nothing; and a dry run signs nothing."""
    settings, _ = await placed(sandbox)
    (job,) = settings.jobs
    sent = transactions(sandbox)
    for policy in ({"min_claim": "1000000"}, {"min_claim": "never"}, {"reward_haircut_bps": 10_000.0}):
        other = replace(settings, policy=replace(settings.policy, **policy))
        with world(sandbox, Auto, other) as w:
            assert isinstance((await cycle.run_job(w, job)).decision.outcome, Hold)
    none = replace(settings, policy=replace(settings.policy, auto_max_move="0"))
    with world(sandbox, Auto, none) as w:
        report = await cycle.run_job(w, job)
        assert report.declined is not None and report.declined.code == "POLICY_LIMIT"
    with world(sandbox, DeclineAll, settings) as w:
        report = await cycle.run_job(w, job)
        assert report.declined is not None and report.declined.code == "DRY_RUN"
        assert report.rehearsal is not None and any("claim" in line for line in report.rehearsal.lines)
    assert transactions(sandbox) == sent


async def test_a_claim_waits_for_approval_and_is_looked_at_again(sandbox: Sandbox) -> None:
    settings, found = await placed(sandbox)
    (job,) = settings.jobs
    with world(sandbox, Queue, settings) as w:
        assert (await cycle.run_job(w, job)).declined.code == "QUEUED"
        (stored,) = w.journal.plans(PlanStatus.QUEUED)
    with world(sandbox, stored.plan.id, settings) as w:
        done = await cycle.approve_queued(w, stored.plan.id)
        assert done.outcomes and not done.failed
    assert balance_raw(sandbox, found.token.address) >= sum(leg.gets.raw for leg in stored.plan.legs if leg.gets)


async def test_a_distributor_without_funds_is_found_by_the_rehearsal(sandbox: Sandbox) -> None:
    """Nothing is signed for a claim that would not bring what was seen."""
    settings, found = await placed(sandbox)
    (job,) = settings.jobs
    with world(sandbox, Auto, settings) as w:
        async with sandbox.node() as node:
            vault = to_checksum_address((await node.request("eth_accounts", []))[8])
            d = found.d
            d.node = node
            for holder in (vault, found.comet_rewards.address):
                await node.request("anvil_impersonateAccount", [holder])
                await node.request("anvil_setBalance", [holder, hex(10**18)])
                held = int.from_bytes(await d.read(found.token, "balanceOf", holder), "big")
                await d.send(found.token, "transfer", d.me, held, sender=holder)
        sent = transactions(sandbox)
        report = await cycle.run_job(w, job)
        assert report.declined is not None and report.declined.code == "WOULD_REVERT"
        assert transactions(sandbox) == sent
