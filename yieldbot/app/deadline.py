"""The deadline of a run, so that nothing that hangs can hold the run lock for ever.

After ``policy.run_timeout_seconds`` whatever is awaited is cancelled; forks and connections are closed, and the journal
has what was signed. Code that does not return to the event loop (a computation, a question on the terminal) is
interrupted by a signal GRACE_SECONDS later.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.errors import PendingError, RunTimedOut

if TYPE_CHECKING:
    from yieldbot.execution.lock import Held
    from yieldbot.execution.world import Wiring
    from yieldbot.model.settings import Job

T = TypeVar("T")

GRACE_SECONDS = 30.0
"""Time after the deadline to close connections and forks."""
AGAIN_SECONDS = 5.0
"""Time between interruptions, in case one was swallowed."""
BEGINS = "settling what is open"


class Deadline:
    """The deadline of one run. Use its ``world``: it remembers the last progress line, so that the error can say where
    the run was."""

    def __init__(self, world: Wiring, held: Held | None = None) -> None:
        """held: the run lock, which keeps the step for other processes; None: it is not needed."""
        self.seconds = world.settings.policy.run_timeout_seconds
        self.ends = time.monotonic() + self.seconds
        self._said: dict[Any, str] = {}
        self._latest, self._show, self._held = "", world.say, held
        self.world = replace(world, say=self._say)

    def _say(self, line: str) -> None:
        self._latest = self._said[_task()] = line
        if self._held is not None:
            self._held.at(line)
        self._show(line)

    async def within(self, job: Job, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work. Raises RunTimedOut at the deadline, PendingError if a transaction of the job's
        account is open then."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise RunTimedOut(f"not begun: the run's {self._limit} had passed before")
        self._said[_task()] = BEGINS
        try:
            async with asyncio.timeout(left) as scope:
                return await work()
        except TimeoutError:
            if not scope.expired():
                raise
            raise self._error(self._said[_task()], job) from None

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Within this context, code that does not await is interrupted too (in the main thread only)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(*_: object) -> None:
            raise self._error(self._latest or BEGINS, None)

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, max(0.001, self.ends - time.monotonic()) + GRACE_SECONDS, AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @property
    def _limit(self) -> str:
        return f"{self.seconds:g} s (policy.run_timeout_seconds)"

    def _error(self, where: str, job: Job | None) -> RunTimedOut | PendingError:
        message = f"the run's {self._limit} have passed; it was at: {where}"
        if job is not None:
            open_ones = self.world.journal.open_transactions(job.chain.chain, job.wallet.address)
            if open_ones:
                return PendingError(f"{message}; {open_ones[0].signed.hash} is still open: run again to settle it")
        return RunTimedOut(f"{message}; whatever was sent is settled by the next run")


def _task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def run_within(deadline: Deadline, job: Job, work: Callable[[], Awaitable[T]]) -> T:
    """Run the work of one job until it ends or the deadline passes. Raises as ``Deadline.within``."""
    with deadline.armed():
        return asyncio.run(_main(deadline, job, work))


async def _main(deadline: Deadline, job: Job, work: Callable[[], Awaitable[T]]) -> T:
    return await deadline.within(job, work)
