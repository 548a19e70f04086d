"""The main job with a market of a fixed rate (Pendle's real contracts): bought, held, redeemed after its expiry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.kit.evm.world import world
from yieldbot.app import cycle
from yieldbot.config.load import load
from yieldbot.execution.plan_lines import plan_lines
from yieldbot.journal.exit_entries import ExitLifted, ExitOrdered, ExitProven
from yieldbot.model.market import MarketState, Status
from yieldbot.model.plan import Leg, LegKind, Plan
from yieldbot.model.settings import Settings
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox import running_sandbox
from yieldbot.sandbox.evm.node import Sandbox

pytestmark = pytest.mark.sandbox
DAY = 86_400


@pytest.fixture
def terms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("terms"), protocols=("pendle",)) as sandbox:
        yield sandbox


def settings(sandbox: Sandbox, **policy: object) -> Settings:
    """A policy that may wait for a maturity, and leaves the markets that pay more in the sandbox alone."""
    found = load(sandbox.directory / "yieldbot.toml")
    own = {"max_exit_hours": 9_000.0, "max_share_market": 0.5, "min_safety": 0, "forecaster": "quote"}
    return replace(found, policy=replace(found.policy, **(own | policy)))  # type: ignore[arg-type]


def legs_of(report: cycle.Report) -> list[Leg]:
    assert report.declined is None and report.skipped is None, (report.declined, report.skipped)
    assert all(isinstance(outcome, Confirmed) for _, outcome in report.outcomes), report.outcomes
    return list(dict.fromkeys(leg for leg, _ in report.outcomes))


def pendle_of(report: cycle.Report) -> MarketState:
    snapshot = report.after or report.snapshot
    assert snapshot is not None
    return next(s for s in snapshot.markets if s.market.protocol == "pendle")


async def test_it_is_bought_sold_early_held_and_redeemed(terms: Sandbox) -> None:
    others = ("aave_v3", "compound_v3", "morpho_blue", "erc4626")
    with world(terms, settings=settings(terms, exclude=others)) as w:
        job = w.settings.jobs[0]
        bought = await cycle.run_job(w, job)
        (leg,) = legs_of(bought)
        state = pendle_of(bought)
        assert leg.kind is LegKind.DEPOSIT and leg.gets is not None and leg.gets.token == state.share_token
        assert leg.gets.raw <= state.shares <= leg.gets.raw * 1.002 and 0.0 < 1 - float(state.held) / 50_000 < 0.002
        assert isinstance(bought.decision.outcome, Plan)
        (line, *_) = plan_lines(bought.decision.outcome)
        assert f"({leg.gets.raw} units of {leg.gets.token.address})" in line
        proof = next(r.entry for r in w.journal.history() if isinstance(r.entry, ExitProven))
        assert proof.market_id == state.market.id, "its sale and its redemption came out in a rehearsal"
        assert legs_of(await cycle.run_job(w, job)) == [], "it is held: selling it costs more than anything else pays"

        named = str(state.market.id)
        chain, owner, now = job.chain.chain, job.wallet.address, state.block.timestamp
        w.journal.append(
            ExitOrdered(chain=chain, owner=owner, market_id=named, name=state.market.name, by="test", into="", time=now)
        )
        sold = await cycle.run_job(w, job)
        (leg,) = legs_of(sold)
        assert leg.all and leg.gives is not None and leg.gives.raw == state.shares
        assert leg.gets is not None and leg.gets.token == job.asset and pendle_of(sold).shares == 0
        assert isinstance(sold.decision.outcome, Plan) and sold.decision.outcome.is_exit
        came = wallet(sold) - wallet(bought)
        assert leg.gets.raw <= came and abs(came - state.held.raw) <= state.held.raw // 10_000
        w.journal.append(ExitLifted(chain=chain, owner=owner, market_id=named, by="test"))

        (leg,) = legs_of(await cycle.run_job(w, job))
        assert leg.kind is LegKind.DEPOSIT
        terms.rpc("evm_increaseTime", hex(400 * DAY))
        terms.rpc("evm_mine")
        over = await cycle.run_job(w, job)
        (leg,) = legs_of(over)
        assert leg.kind is LegKind.WITHDRAW and leg.all and leg.gives is not None
        assert pendle_of(over).held.raw == 0 and pendle_of(over).status is Status.FROZEN
        assert wallet(over) - 49_000 * 10**6 > leg.gives.raw - 1_000 * 10**6, "one unit of the asset for each"
        assert w.journal.verify() > 0


def wallet(report: cycle.Report) -> int:
    assert report.after is not None
    return report.after.idle[0].held.raw
