"""Positions that cannot be taken out: the rest of the money goes on, and nothing is asked for over and over."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.evm.trap import trap
from tests.kit.evm.two_steps import DAY, HELD_RAW, held_in
from tests.kit.evm.world import world
from tests.kit.program import yieldbot
from yieldbot.app import cycle
from yieldbot.decision.decide import decide
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.evm.node import Sandbox


async def test_a_vault_that_is_locked_does_not_keep_the_rest_of_the_money(sandbox: Sandbox) -> None:
    market_id, *_ = await held_in(sandbox, "LockedVault")
    lines: list[str] = []
    with world(sandbox) as w:
        w = replace(w, say=lines.append)
        job = w.settings.jobs[0]
        first = decide(await cycle.observe_job(w, job), w.settings.policy, job, w.now()).outcome
        assert isinstance(first, Plan) and (LegKind.WITHDRAW, market_id) in {(o.kind, o.market_id) for o in first.legs}
        report = await cycle.run_job(w, job)
        assert report.declined is None and report.outcomes and report.snapshot is not None, report.declined
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert market_id not in {leg.market_id for leg, _ in report.outcomes}
        state = report.snapshot.of(market_id)
        assert "withdraw all" in state.stuck and not state.withdrawable and abs(state.held.raw - HELD_RAW) <= 2
        said = [line for line in lines if line.startswith(f"what is held in {market_id} cannot be taken out now: ")]
        assert len(said) == 1


async def test_what_a_trial_caught_is_not_asked_for_in_every_run(sandbox: Sandbox) -> None:
    """A vault behaves on forks and traps on the chain: a hundredth is in it, gas is paid for once, the rest goes on."""
    market_id = await trap(sandbox, always=False)
    sandbox.rpc("anvil_setCoinbase", "0x" + "c0" * 20)  # forks have none
    try:
        with world(sandbox) as w:
            job = w.settings.jobs[0]
            caught = await cycle.run_job(w, job)
            assert caught.failed and caught.outcomes[-1][0].kind is LegKind.WITHDRAW
            given_up = replace(w.settings, policy=replace(w.settings.policy, haircut_bps={market_id: 9_000.0}))
            w = replace(w, settings=given_up)
            for _ in range(2):  # the first of them moves what was left in the wallet
                report = await cycle.run_job(w, job)
                assert not report.failed and report.declined is None, report.declined
                assert market_id not in {leg.market_id for leg, _ in report.outcomes}
                seen = report.after or report.snapshot
                assert seen is not None and seen.of(market_id).barred and seen.of(market_id).held
            shown = yieldbot("positions", cwd=sandbox.directory, environment={"COLUMNS": "400"}).out
            assert ": what is held there" in shown and "cannot be taken out now: " in shown
            sandbox.rpc("evm_increaseTime", hex(DAY))
            sandbox.rpc("evm_mine")
            for _ in range(3):  # once a day, when nothing else is to be done
                report = await cycle.run_job(w, job)
                if [leg.market_id for leg, _ in report.outcomes] == [market_id]:
                    assert report.failed
                    break
                assert not report.failed
            else:
                raise AssertionError("it is not asked for again")
            report = await cycle.run_job(w, job)
            assert not report.failed and market_id not in {leg.market_id for leg, _ in report.outcomes}
    finally:
        sandbox.rpc("anvil_setCoinbase", "0x" + "00" * 20)
