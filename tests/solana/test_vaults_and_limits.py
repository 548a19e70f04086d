"""The whole job on a cluster of one that has Jupiter Lend and a Kamino vault: in, a month, and everything out again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.kit.solana.world import wealth, world
from yieldbot.app import cycle
from yieldbot.decision.orders import all_of
from yieldbot.history import recorded
from yieldbot.history.holdings import UnreadHolding
from yieldbot.journal.journal_entries import ExitOrdered
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.solana.market import STANDARD
from yieldbot.sandbox.solana.node import running

IDLE = 100_000 * 10**6


def everything(job: Job) -> cycle.Ordering:
    """A person's order to leave every market."""

    def ordering(snapshot: Snapshot, _: Sequence[UnreadHolding]) -> tuple[Sequence[ExitOrdered], Sequence[MarketId]]:
        block, name = snapshot.block, all_of(job.asset)
        order = ExitOrdered(
            chain=block.chain,
            owner=snapshot.owner,
            market_id=name,
            name="all",
            by="terminal",
            into="",
            time=block.timestamp,
        )
        return (order,), [state.market.id for state in snapshot.markets]

    return ordering


async def test_money_goes_into_both_earns_what_was_predicted_and_comes_out(tmp_path: Path) -> None:
    with running(tmp_path, protocols=("jupiter_lend", "kamino_vault")) as sandbox:
        text = sandbox.config.read_text()
        text = text.replace("[policy]\n", f"[policy]\nauto_exit = true\nexclude = {list(STANDARD)}\n", 1)
        sandbox.config.write_text(text.replace("marginfi = 10", "marginfi = 10\njupiter_lend = 10\nkamino_vault = 10"))
        with world(sandbox) as w:
            (job,) = w.settings.jobs
            report = await cycle.run_job(w, job)
            assert (report.skipped, report.declined) == (None, None)
            assert [type(outcome) for _, outcome in report.outcomes] == [Confirmed] * 2
            assert report.after is not None
            into = {state.market.protocol for state in report.after.markets if state.held.raw}
            assert into == {"jupiter_lend", "kamino_vault"}
            assert 0 <= wealth(report) - IDLE < 10**6, "nothing is lost on the way in"
            sandbox.warp(30)
            later = await cycle.observe_job(w, job)
            for position in recorded.positions(w.journal, later):
                assert position.predicted is not None and position.realised is not None
                assert abs(position.predicted.value - position.realised.value) * 1e4 < 0.2, position.state.market.name
            after = await cycle.run_job(w, job, everything(job))
            assert after.declined is None and [type(outcome) for _, outcome in after.outcomes] == [Confirmed] * 2
            assert after.after is not None and all(not state.shares for state in after.after.markets)
            assert wealth(after) > wealth(report)
