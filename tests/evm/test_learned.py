"""Predicted against realised on real protocols: what is forecast stands in the journal before the money moves, and what
came is told a week later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.app.learned import ever_held, held_now
from yieldbot.app.memory import FOLDER, keep
from yieldbot.books.entries import from_journal
from yieldbot.config.load import load
from yieldbot.execution.world import Wiring
from yieldbot.history.predictions import predictions
from yieldbot.journal.journal_entries import Observed, TxSigned
from yieldbot.model.plan import LegKind, Plan
from yieldbot.model.settings import Job
from yieldbot.sandbox.evm.node import Sandbox


async def days(sandbox: Sandbox, w: Wiring, job: Job, count: int) -> None:
    """So many days pass, each with a reading, as cron has it."""
    for _ in range(count):
        sandbox.warp(1)
        kept = keep(w.settings.data_dir / FOLDER, [await cycle.observe_job(w, job)], pytest.fail)
        assert kept.rows and not kept.failure


async def test_what_was_forecast_and_what_came_of_each_position(sandbox: Sandbox) -> None:
    loaded = load(sandbox.directory / "yieldbot.toml")
    settings = replace(loaded, policy=replace(loaded.policy, horizon_days=None, move_horizon_days=7.0))
    job, memory = settings.jobs[0], settings.data_dir / FOLDER
    with world(sandbox, settings=settings) as w:
        await days(sandbox, w, job, 5)
        entered = await cycle.run_job(w, job)
        plan = entered.decision.outcome if entered.decision else None
        assert isinstance(plan, Plan) and entered.declined is None and entered.snapshot is not None
        into = {leg.market_id for leg in plan.legs if leg.kind is LegKind.DEPOSIT}
        records = w.journal.history()
        first = next(row.seq for row in records if isinstance(row.entry, TxSigned))
        said = next(row for row in records if isinstance(row.entry, Observed) and row.entry.predicted)
        assert said.seq < first, "before anything was signed"
        by_plan = {one.market_id: one for one in predictions(records) if one.plan == plan.id}
        assert into <= by_plan.keys() and all(one.block == entered.snapshot.block for one in by_plan.values())
        for one in by_plan.values():
            assert one.low <= one.mean <= one.high and one.by == settings.policy.forecaster
        await days(sandbox, w, job, 9)
        records, now = w.journal.history(), await cycle.observe_job(w, job)
        account = (job.chain.chain, job.wallet.address)
        entries = [one for one in from_journal(records) if one.account == account]
        rows = ever_held(records, {account: entries}, memory, held_now([(account, now)]))
        assert {one.id for one in rows} == into == {state.market.id for state in now.markets if state.held}
        for row in rows:
            assert row.until is None and row.predicted == by_plan[row.id].expected
            assert row.forecast is not None and row.forecast.paid is not None, "its week is over"
            assert row.realised is not None and row.earned_raw is not None and row.forecasts_over >= 1
            assert abs(row.realised - row.predicted) < 0.5 * row.predicted, (row.name, row.realised, row.predicted)
        assert w.journal.verify() == len(records)
