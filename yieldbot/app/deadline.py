"""A whole run has an end: what hangs, or is made to, may not hold the run's lock for ever.

At ``policy.run_timeout_seconds`` whatever is awaited is cancelled: forks and connections are closed on the way, and the
journal has what was signed. What does not come back to the event loop (a computation, a question on the terminal) is
interrupted by a signal a little later.
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
    from yieldbot.execution.world import World
    from yieldbot.model.settings import Job

T = TypeVar("T")

GRACE_SECONDS = 30.0
"""After the deadline, for connections and forks to be closed."""
AGAIN_SECONDS = 5.0
"""Between interruptions, should something have swallowed one."""
BEGINS = "settling what is open"


class Deadline:
    """One run's end. ``world``: the wiring with its progress lines noted, so that it can be said where it was."""

    def __init__(self, world: World) -> None:
        self.seconds = world.settings.policy.run_timeout_seconds
        self.ends = time.monotonic() + self.seconds
        self._said: dict[Any, str] = {}
        self._latest, self._show = "", world.say
        self.world = replace(world, say=self._say)

    def _say(self, line: str) -> None:
        self._latest = self._said[_task()] = line
        self._show(line)

    async def within(self, job: Job, work: Callable[[], Awaitable[T]]) -> T:
        """What the work gives. Raises RunTimedOut at the deadline, PendingError where a transaction of the job's
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
        """While the context lasts, what does not await is interrupted too (in the main thread alone)."""
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
        said = f"the run's {self._limit} have passed; it was at: {where}"
        if job is not None:
            open_ones = self.world.journal.open_transactions(job.chain.chain, job.wallet.address)
            if open_ones:
                return PendingError(f"{said}; {open_ones[0].signed.hash} is still open: run again to settle it")
        return RunTimedOut(f"{said}; whatever was sent is settled by the next run")


def _task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def run_within(deadline: Deadline, job: Job, work: Callable[[], Awaitable[T]]) -> T:
    """The work of one job, run to its end or to the deadline."""
    with deadline.armed():
        return asyncio.run(_main(deadline, job, work))


async def _main(deadline: Deadline, job: Job, work: Callable[[], Awaitable[T]]) -> T:
    return await deadline.within(job, work)
