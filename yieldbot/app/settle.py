"""Records the outcomes of transactions that an earlier run left open, without a key: nothing is signed and nothing is
sent. What needs a signature (a cancellation, a replacement) or may be sent again waits for ``yieldbot run``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from yieldbot.app import telemetry
from yieldbot.app.wiring import JOURNAL, Keyless, needs_node, world_of
from yieldbot.chains.open import session
from yieldbot.errors import YieldbotError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleAnswer:
    """Result of settling open transactions."""

    settled: int = 0
    """Number of transactions that have an outcome now."""
    waits: tuple[str, ...] = ()
    """Why each of the others stays open, one line each."""
    failures: tuple[str, ...] = ()
    """Accounts that could not be read, a line each."""

    @property
    def exit_code(self) -> int:
        """0 nothing is open, 1 an account could not be read, 5 a transaction is open."""
        return 1 if self.failures else 5 if self.waits else 0


def settle(context: Context) -> SettleAnswer:
    """Read the outcomes of all open transactions, under the run lock; without any, nothing is done. Raises
    RunInProgress while another run is."""
    accounts = _open_accounts(context)
    if not accounts:
        return SettleAnswer()
    jobs: dict[tuple[str, str], Job] = {}
    for job in context.settings.jobs:
        jobs.setdefault((job.chain.chain, job.wallet.address), job)
    found = [jobs[account] for account in accounts if account in jobs]
    strange = [f"{owner} on {chain} has no job: its transactions stay open" for chain, owner in accounts - jobs.keys()]
    for job in found:
        needs_node(job, context)
    lock = run_lock(context.settings.data_dir, "settle")
    with lock, world_of(context, lambda journal: DeclineAll(), Keyless) as world:
        answers = asyncio.run(_every(world, found))
    return SettleAnswer(
        settled=sum(one.settled for one in answers),
        waits=tuple(line for one in answers for line in one.waits),
        failures=(*strange, *(line for one in answers for line in one.failures)),
    )


async def _every(world: Wiring, jobs: list[Job]) -> list[SettleAnswer]:
    return list(await asyncio.gather(*(_one(world, job) for job in jobs)))


async def _one(world: Wiring, job: Job) -> SettleAnswer:
    try:
        async with session(world, job) as live:
            await live.verify_chain()
            outcomes, waits = await live.read_outcomes()
    except YieldbotError as failure:
        return SettleAnswer(failures=(f"{job.wallet.name} on {job.chain.name}: {failure}",))
    for outcome in outcomes:
        telemetry.settled(job, outcome)
    return SettleAnswer(settled=len(outcomes), waits=waits)


def _open_accounts(context: Context) -> set[tuple[str, str]]:
    """(chain, owner) of every transaction without an outcome."""
    file = context.settings.data_dir / JOURNAL
    if not file.exists():
        return set()
    with Journal.read(file) as journal:
        return {(tx.signed.chain, tx.signed.owner) for tx in journal.open_transactions()}
