"""Positions that cannot be taken out: the rest of the money goes on, and nothing is asked for over and over."""

from __future__ import annotations

from dataclasses import replace

from tests.fork.test_main_job import world
from tests.fork.test_two_steps import HELD_RAW, held_in
from yieldbot import cycle
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.node import Sandbox


async def test_a_vault_that_is_locked_does_not_keep_the_rest_of_the_money(sandbox: Sandbox) -> None:
    market_id, *_ = await held_in(sandbox, "LockedVault")
    lines: list[str] = []
    with world(sandbox) as w:
        w = replace(w, say=lines.append)
        job = w.settings.jobs[0]
        first = cycle.decide(await cycle.look(w, job), w.settings.policy, job, w.now()).outcome
        assert isinstance(first, Plan) and (LegKind.WITHDRAW, market_id) in {(o.kind, o.market_id) for o in first.legs}
        report = await cycle.run_job(w, job)
        assert report.declined is None and report.outcomes and report.snapshot is not None, report.declined
        assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes)
        assert market_id not in {leg.market_id for leg, _ in report.outcomes}
        state = report.snapshot.of(market_id)
        assert "withdraw all" in state.stuck and not state.withdrawable and abs(state.held.raw - HELD_RAW) <= 2
        said = [line for line in lines if line.startswith(f"what is held in {market_id} cannot be taken out now: ")]
        assert len(said) == 1
