"""Stands in for settling in a cycle of the server when the signer, another process, settles open transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.errors import PendingError
from yieldbot.execution.halt import halted, refuse_if_halted

if TYPE_CHECKING:
    from yieldbot.execution.world import Wiring
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
