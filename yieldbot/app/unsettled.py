"""Why a cycle signs nothing: an account that may not sign, and, where the signer, another process, settles open
transactions, what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.errors import PendingError
from yieldbot.execution.halt import halted, refuse_if_halted
from yieldbot.execution.world import records_of
from yieldbot.model.plan import Declined
from yieldbot.risk.limits import stop_reason

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import Job
    from yieldbot.model.tx import Outcome


def none_open(world: Wiring, job: Job) -> tuple[Outcome, ...]:
    """Checks that nothing is open; always returns (). Raises PendingError while a transaction of the job's account is
    open, SafetyError HALTED while the kill switch is set."""
    refuse_if_halted(halted(world.settings.data_dir))
    open_ones = world.journal.open_transactions(job.chain.chain, job.wallet.address)
    if open_ones:
        raise PendingError(f"{open_ones[0].signed.hash} ({open_ones[0].signed.words}) is open: the signer settles it")
    return ()


def stopped(world: Wiring, job: Job, snapshot: Snapshot) -> Declined | None:
    """Why nothing would be signed even if something were due; None if it would. A hold reports it too."""
    stop = stop_reason(world.settings.policy, records_of(world, job), snapshot, world.now())
    reason = world.journal.stopped_accounts().get((snapshot.block.chain, snapshot.owner))
    if stop is not None or reason is None:
        return stop
    return Declined("ACCOUNT_STOPPED", f"{reason}: `yieldbot resume --clear` lets it sign again")
