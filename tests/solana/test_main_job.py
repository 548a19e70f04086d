"""The main job on a Solana cluster of one, through solana-py's client; and bad luck with its nodes and transactions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.program import yieldbot
from tests.kit.solana.world import excluding, for_sol, wealth, world
from tests.kit.solana.world import sandbox as sandbox
from yieldbot.app import cycle
from yieldbot.errors import PendingError
from yieldbot.history import recorded
from yieldbot.model.plan import Plan
from yieldbot.model.tx import Confirmed, Expired
from yieldbot.sandbox.solana.node import SvmSandbox


async def test_idle_money_ends_up_earning_what_was_predicted(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert (report.skipped, report.declined) == (None, None)
        assert report.decision is not None and isinstance(plan := report.decision.outcome, Plan)
        assert plan.allocation.certificate.gap_bps < 0.1
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * 3
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6, "nothing is lost on the way in"
        sandbox.warp(30)
        later = await cycle.observe_job(w, job)
        held = recorded.positions(w.journal, later)
        assert len(held) == 3
        for position in held:
            assert position.predicted is not None and position.realised is not None
            assert abs(position.predicted.value - position.realised.value) * 1e4 < 0.1, position.state.market.name
        again = await cycle.run_job(w, job)
        assert again.skipped is None and w.journal.verify() > 0


async def test_a_transaction_that_never_lands_expires_and_is_made_anew(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        sandbox.rpc("svm_dropTransactions", 1)
        quick = replace(job, chain=replace(job.chain, poll_seconds=0.05, confirm_timeout_seconds=300))

        async def hurry() -> None:
            import asyncio

            async with asyncio.timeout(300):
                while not w.journal.transactions():
                    await asyncio.sleep(0.05)
            # Past the last valid height before the bytes are sent again.
            sandbox.rpc("svm_warp", 200, 80)

        import asyncio

        report, _ = await asyncio.gather(cycle.run_job(w, quick), hurry())
        assert report.declined is None
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * 3
        first, second, *_ = w.journal.transactions()
        assert isinstance(first.outcome, Expired)
        assert second.signed.replaces == first.signed.hash and first.signed.svm is not None
        assert second.signed.svm is not None and first.signed.svm.meaning == second.signed.svm.meaning
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6, "nothing was sent twice"


async def test_a_fork_switch_takes_it_back_and_it_is_sent_again(sandbox: SvmSandbox) -> None:
    import asyncio

    with world(sandbox) as w:
        (job,) = w.settings.jobs
        sandbox.rpc("svm_setAutoAdvance", False)  # nothing is final before it is taken back

        async def switch() -> None:
            async with asyncio.timeout(300):
                while not sandbox.rpc("svm_addresses"):
                    await asyncio.sleep(0.02)
            assert sandbox.rpc("svm_forkSwitch", 1)
            sandbox.rpc("svm_setAutoAdvance", True)

        report, _ = await asyncio.gather(cycle.run_job(w, job), switch())
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * 3
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6


async def test_what_was_open_is_settled_by_the_next_run(sandbox: SvmSandbox) -> None:
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        hasty = replace(job, chain=replace(job.chain, confirm_timeout_seconds=0.01))
        with pytest.raises(PendingError, match="run again"):
            await cycle.run_job(w, hasty)
        assert len(w.journal.open_transactions(job.chain.chain, job.wallet.address)) == 1
        report = await cycle.run_job(w, job)
        assert [type(outcome) for outcome in report.settled] == [Confirmed]
        assert 0 <= wealth(report) - 100_000 * 10**6 < 10**6


async def test_a_node_of_another_cluster_is_refused(sandbox: SvmSandbox, tmp_path: Path) -> None:
    from yieldbot.errors import ConfigError

    file = sandbox.directory / "chains" / "solana-sandbox.toml"
    file.write_text(file.read_text().replace(sandbox.chain, "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"))
    with world(sandbox) as w, pytest.raises(ConfigError, match="serves solana:"):
        await cycle.run_job(w, w.settings.jobs[0])


async def test_sol_is_staked_in_a_pool_and_leaves_it_when_its_risk_is_no_longer_paid_for(sandbox: SvmSandbox) -> None:
    """The fee of the way out is counted before the way in; what is earned is what was predicted; all comes back."""
    settings = for_sol(sandbox)
    excluding(sandbox, settings, "Save main (double)", "Save turbo (double)")
    listed = yieldbot("--config", sandbox.config, "markets", cwd=sandbox.directory, environment={"COLUMNS": "200"})
    assert listed.code == 0 and "costs 5 bp, in and out" in listed.out
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        assert (report.skipped, report.declined) == (None, None), report
        ((leg, outcome),) = report.outcomes
        assert isinstance(outcome, Confirmed) and leg.market_id.startswith("spl_stake_pool/")
        assert report.after is not None and report.snapshot is not None
        assert report.snapshot.of(leg.market_id).entry_cost_bps == pytest.approx(5.0)
        lost = leg.amount.raw - report.after.of(leg.market_id).held.raw
        assert lost / leg.amount.raw * 1e4 == pytest.approx(5.0, abs=0.01)
        sandbox.warp(30)
        later = await cycle.observe_job(w, job)
        (position,) = recorded.positions(w.journal, later)
        assert position.predicted is not None and position.realised is not None
        assert abs(position.predicted.value - position.realised.value) * 1e4 < 0.1
        staked = later.of(leg.market_id).held.raw
        assert staked > leg.amount.raw, "a month pays for the fee"

    haircut = "[policy.haircut_bps]\nspl_stake_pool = 5000"
    sandbox.config.write_text(sandbox.config.read_text().replace("[policy.haircut_bps]", haircut))
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        lamports = sandbox.rpc("getBalance", sandbox.wallet)["value"]
        report = await cycle.run_job(w, job)
        ((leg, outcome),) = report.outcomes
        assert isinstance(outcome, Confirmed) and leg.all
        back = sandbox.rpc("getBalance", sandbox.wallet)["value"] - lamports
        assert 2_039_280 - 20_000 <= back - staked <= 2_039_280 + staked // 10**6, "all of it, and the account's rent"


async def test_sol_itself_is_wrapped_lent_and_unwrapped(sandbox: SvmSandbox) -> None:
    """The asset is SOL: what is not kept for fees and rent is lent through a wrapped account that is closed again."""
    from yieldbot.model.known import WRAPPED_SOL
    from yieldbot.protocols.solana.layout import ata

    settings = for_sol(sandbox)
    excluding(sandbox, settings, "Stake pool (double)", "Save turbo (double)")
    wrapped = ata(sandbox.wallet, WRAPPED_SOL)
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        assert job.asset.symbol == "SOL"
        lamports = sandbox.rpc("getBalance", sandbox.wallet)["value"]
        report = await cycle.run_job(w, job)
        assert (report.skipped, report.declined) == (None, None), report
        assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed]
        (leg, _), *_ = report.outcomes
        assert leg.amount.raw > 10 * 10**9 and report.after is not None
        held = report.after.of(leg.market_id).held.raw
        assert -1000 <= leg.amount.raw - held <= 2, "what was lent, and a moment's interest"
        assert sandbox.rpc("getAccountInfo", wrapped, {"encoding": "base64"})["value"] is None, "nothing stays wrapped"
        paid = lamports - sandbox.rpc("getBalance", sandbox.wallet)["value"] - leg.amount.raw
        assert 2_039_280 <= paid <= 2_039_280 + 20_000, "the share account's rent and the fee, no more"
        sandbox.warp(30)
        later = await cycle.observe_job(w, job)
        (position,) = recorded.positions(w.journal, later)
        assert position.predicted is not None and position.realised is not None
        assert abs(position.predicted.value - position.realised.value) * 1e4 < 0.1

    excluding(sandbox, settings, "Stake pool (double)")  # now a market that pays more may be used, and some goes there
    with world(sandbox) as w:
        (job,) = w.settings.jobs
        report = await cycle.run_job(w, job)
        kinds = [(leg.kind.value, type(outcome)) for leg, outcome in report.outcomes]
        assert ("withdraw", Confirmed) in kinds and ("deposit", Confirmed) in kinds, (kinds, report.declined)
        assert all(ended is Confirmed for _, ended in kinds)
        assert report.after is not None and 0 < report.after.of(leg.market_id).held.raw < held
        assert sandbox.rpc("getAccountInfo", wrapped, {"encoding": "base64"})["value"] is None
        everything = sum(state.held.raw for state in report.after.states.values())
        assert everything > 25 * 10**9 - w.settings.jobs[0].chain.svm.keep_lamports - 3 * 2_039_280 - 100_000  # type: ignore
