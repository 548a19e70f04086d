"""The whole job on a cluster of one that has Jupiter Lend and a Kamino vault: in, a month, and everything out again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.kit.solana.programs import becomes
from tests.kit.solana.world import wealth, world
from yieldbot.app import cycle
from yieldbot.chains.solana.session import open_session
from yieldbot.decision.decide import decide
from yieldbot.decision.orders import all_of
from yieldbot.execution.world import Wiring
from yieldbot.history import recorded
from yieldbot.history.holdings import UnreadHolding
from yieldbot.journal.exit_entries import ExitOrdered
from yieldbot.model.ids import MarketId
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import NoWayOut, Plan
from yieldbot.model.settings import Job
from yieldbot.model.tx import Confirmed
from yieldbot.sandbox.solana.market import STANDARD
from yieldbot.sandbox.solana.node import SvmSandbox, running

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


async def a_program_that_keeps_what_it_takes_is_refused(sandbox: SvmSandbox, w: Wiring, job: Job) -> None:
    async with open_session(w, job) as live:
        snapshot = await live.observe()
        plan = decide(snapshot, w.settings.policy, job, w.now()).outcome
        assert isinstance(plan, Plan) and len(plan.legs) == 2
        for name, trap, why in (
            ("jupiter_lend", "TRAP_STUCK", "withdraw everything from Jupiter Lend (double)"),
            ("kamino_vault", "TRAP_STUCK", "withdraw everything from Kamino vault (double)"),
            ("jupiter_lend", "TRAP_LESS", "come out where"),
            ("kamino_vault", "TRAP_LESS", "come out where"),
        ):
            (state,) = (one for one in snapshot.markets if one.market.protocol == name)
            leg = next(leg for leg in plan.legs if leg.market_id == state.market.id)
            becomes(sandbox, trap, name, state.market.params["program"])
            refused = await live.rehearse(replace(plan, legs=(leg,)), snapshot)
            assert isinstance(refused, NoWayOut) and why in refused.reason, (name, trap, refused)
            becomes(sandbox, "", name, state.market.params["program"])


async def test_money_goes_into_both_earns_what_was_predicted_and_comes_out(tmp_path: Path) -> None:
    with running(tmp_path, protocols=("jupiter_lend", "kamino_vault")) as sandbox:
        text = sandbox.config.read_text()
        text = text.replace("[policy]\n", f"[policy]\nauto_exit = true\nexclude = {list(STANDARD)}\n", 1)
        sandbox.config.write_text(text.replace("marginfi = 10", "marginfi = 10\njupiter_lend = 10\nkamino_vault = 10"))
        with world(sandbox) as w:
            (job,) = w.settings.jobs
            await a_program_that_keeps_what_it_takes_is_refused(sandbox, w, job)
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
