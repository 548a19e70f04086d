"""From a job to an open session on its chain."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yieldbot.execution.world import World
    from yieldbot.model.policy import Job
from yieldbot.chains.ports import Session, Watch


def session(world: World, job: Job) -> AbstractAsyncContextManager[Session]:
    """The job's chain, to be acted on."""
    if job.chain.svm is not None:
        from yieldbot.chains.solana.session import svm_session

        return svm_session(world, job)
    from yieldbot.chains.evm.session import evm_session

    return evm_session(world, job)


def watch(job: Job) -> AbstractAsyncContextManager[Watch]:
    """The job's chain, to be looked at."""
    if job.chain.svm is not None:
        from yieldbot.chains.solana.session import svm_watch

        return svm_watch(job)
    from yieldbot.chains.evm.session import evm_watch

    return evm_watch(job)
