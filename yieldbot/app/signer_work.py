"""The process that signs: ``python -m yieldbot.app.signer_work CONFIG``, started by the signer.

It settles open transactions, then carries out every plan that enough persons have signed, by the use case of ``yieldbot
approve``, and ends. So the key is in memory only while something is signed, and never in the process that reads what
callers send. It ends at once when the signer does: its standard input closes then.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app import alike, telemetry
from yieldbot.app.context import Context
from yieldbot.app.cycle import Report
from yieldbot.app.interrupted import mark_interrupted
from yieldbot.app.interrupted import settle as settle_account
from yieldbot.app.plan_signatures import signed_plans
from yieldbot.app.run import ApproveRequest, approve, cycles
from yieldbot.app.wiring import JOURNAL
from yieldbot.app.wrong_clock import end_too_long
from yieldbot.chains.open import session
from yieldbot.config.held import hold
from yieldbot.errors import YieldbotError
from yieldbot.execution.approvals import DeclineAll
from yieldbot.execution.lock import run_lock
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.json_text import loads
from yieldbot.resources import keep_memory_private

if TYPE_CHECKING:
    from yieldbot.execution.approvals import Proposal
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job

BY = "signer"


def work(context: Context) -> None:
    """Settle open transactions, mark ended plans, and carry out signed plans. A failure ends only its own account or
    plan; it is printed, and journalled as the plan's reason."""
    settle(context)
    close(context)
    for plan_id in signed_plans(context):
        telemetry.begin()
        try:
            found = approve(
                ApproveRequest(plan_id=plan_id),
                context,
                show=lambda proposal: show(context, proposal),
                ask=lambda: True,
            )
            declined = next((one.declined for one in found.reports if one.declined is not None), None)
            skipped = next((one.skipped for one in found.reports if one.skipped is not None), None)
            reason = skipped or (f"{declined.code}: {declined.reason}" if declined is not None else "")
        except YieldbotError as failure:
            reason = context.redacted(str(failure))
        context.say(f"plan {plan_id}: {reason or 'carried out'}")
        keep_reason(context, plan_id, reason)


def settle(context: Context) -> None:
    """Settle the open transactions of every account. Failures are printed."""
    with Journal.read(context.settings.data_dir / JOURNAL) as journal:
        waiting = {(tx.signed.chain, tx.signed.owner) for tx in journal.open_transactions()}
    jobs = {(job.chain.chain, job.wallet.address): job for job in context.settings.jobs}
    chosen = [job for account, job in jobs.items() if account in waiting]
    if not chosen:
        return

    async def settled(world: Wiring, job: Job) -> Report:
        async with session(world, job) as live:
            await live.verify_chain()
            return Report(job=job, settled=await settle_account(world, job, live))

    ended = cycles(chosen, context, lambda journal: DeclineAll(), work=settled)
    alike.complain(context, (one for one in ended if isinstance(one, tuple)))


def close(context: Context) -> None:
    """Mark plans that have expired, and plans that an earlier process began and did not finish, once they have no open
    transaction."""
    file, now = context.settings.data_dir / JOURNAL, time.time()
    if not file.exists():
        return
    with run_lock(context.settings.data_dir, "signer"), Journal.open(file) as journal:
        late = [
            PlanMarked(one.plan.id, PlanStatus.EXPIRED, "clock", one.reason)
            for one in journal.plans(PlanStatus.QUEUED)
            if one.plan.expires_at <= now
        ]
        if late:
            journal.append(*late)
        end_too_long(journal, int(now), context.settings.policy.plan_ttl_seconds)
        mark_interrupted(journal, int(now))


def keep_reason(context: Context, plan_id: str, reason: str) -> None:
    """Journal why a plan still waits, unless the journal has the same reason already."""
    with Journal.open(context.settings.data_dir / JOURNAL) as journal:
        stored = journal.plan(plan_id)
        if stored is not None and stored.status is PlanStatus.QUEUED and reason and stored.reason != reason:
            journal.append(PlanMarked(plan_id, PlanStatus.QUEUED, BY, reason))


def show(context: Context, proposal: Proposal) -> None:
    """Print the rehearsed plan's calls to the log."""
    context.say(f"plan {proposal.plan.id} of {proposal.plan.owner}, rehearsed by the signer:")
    for line in proposal.lines:
        context.say(f"  {line}")


def end_with_the_signer() -> None:
    """Watch standard input in a thread, and end this process at once when it closes, whatever it is doing."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """Work once, for the configuration file named on the command line; returns the exit code."""
    keep_memory_private()
    hold(loads(sys.stdin.buffer.readline() or b"{}"))
    end_with_the_signer()
    context = Context(Path(sys.argv[1]))
    context.log_as(os.environ.get(telemetry.VARIABLE) or telemetry.TEXT)
    try:
        work(context)
    except YieldbotError as failure:
        context.complain(context.redacted(str(failure)))
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
