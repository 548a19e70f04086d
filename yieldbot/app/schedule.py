"""Runs tasks by interval or at times of the clock, with jitter. A task that is still running when it is due again is
skipped, with a line about it.

Intervals are measured by the monotonic clock. Times of the clock are UTC, without daylight saving time. If the clock is
set forward, a task that was due in between runs once; if it is set back a little, no run is repeated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from yieldbot.app import telemetry
from yieldbot.model.dataclass import dataclass
from yieldbot.model.timing import JITTER, MOST_JITTER_SECONDS, Timing

LOOK_SECONDS = 30.0
"""Seconds between two checks of the clock while waiting for a time of it, since the clock may be set."""
SET_BACK_SECONDS = 3600.0
"""If the clock is set back by more than this, the next time is computed from the new time; smaller steps back are
ignored, so that no task runs twice."""


@dataclass(frozen=True, slots=True)
class Task:
    """A periodic task."""

    name: str
    """Its name, for messages."""
    due: Timing
    """When it is due."""
    work: Callable[[], Awaitable[None]]
    """Runs the task once. An exception ends the whole schedule, since tasks are to handle their own errors."""
    at_once: bool = True
    """Whether the first run begins at once instead of after an interval; for times of the clock without effect."""


def every(name: str, seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = True) -> Task:
    """A task that is due every ``seconds``."""
    return Task(name, Timing(f"{seconds:g}s", seconds), work, at_once)


class Schedule:
    """Runs tasks until it is cancelled."""

    def __init__(
        self,
        say: Callable[[str], None],
        draw: Callable[[], float] = random.random,
        *,
        jitter_seconds: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """say: prints a line; draw: returns a random number from 0 to 1, for the jitter; now: returns unix seconds."""
        self._say, self._draw, self._jitter, self._now = say, draw, jitter_seconds, now
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, tuple[Task, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self, tasks: tuple[Task, ...]) -> None:
        """Run every task whenever it is due, until cancelled. Raises whatever a task raises."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.replace(tasks)
        finally:
            self._group = None
            self._waiting.clear()
            self._under_way.clear()

    def replace(self, tasks: tuple[Task, ...]) -> None:
        """Run these tasks from now on. One that is due at the same times as before keeps them; what is under way is
        completed."""
        if self._group is None:
            return
        wanted = {task.name: task for task in tasks}
        for name, (task, waiting) in list(self._waiting.items()):
            if name not in wanted or wanted[name].due != task.due:
                waiting.cancel()
                del self._waiting[name]
        for name, task in wanted.items():
            if name not in self._waiting:
                self._waiting[name] = task, self._group.create_task(self._repeat(task, self._group))

    async def _repeat(self, task: Task, group: asyncio.TaskGroup) -> None:
        wait = self._wait_for_clock if task.due.cron is not None else self._wait_for_interval
        due: float | None = None
        while True:
            due = await wait(task, due)
            before = self._under_way.get(task.name)
            if before is not None and not before.done():
                self._say(f"{task.name}: skipped, the one before is still under way")
            else:
                self._under_way[task.name] = group.create_task(_once(task))

    async def _wait_for_interval(self, task: Task, before: float | None) -> float:
        """Wait until an interval task is due, and return that time in monotonic seconds. before: when it was due the
        last time; None: it was not yet."""
        loop, seconds = asyncio.get_running_loop(), task.due.every_seconds
        assert seconds is not None
        now = loop.time()
        if before is None and task.at_once:
            return now
        due = max((now if before is None else before) + seconds, now)
        await asyncio.sleep(max(0.0, due - loop.time()) + self._late(seconds))
        return due

    async def _wait_for_clock(self, task: Task, before: float | None) -> float:
        """Wait until a task by the clock is due, and return that time in unix seconds. before: when it was due the last
        time; None: it was not yet."""
        cron = task.due.cron
        assert cron is not None
        now = self._now()
        start = now if before is None or before - now > SET_BACK_SECONDS else max(now, before)
        due = cron.after(start)
        late = self._late(cron.after(due) - due)
        while (left := due - (now := self._now())) > 0:
            if start - now > SET_BACK_SECONDS:  # the clock was set back meanwhile
                start, due = now, cron.after(now)
                continue
            await asyncio.sleep(min(left, LOOK_SECONDS))
        await asyncio.sleep(late)
        return max(due, self._now())

    def _late(self, seconds: float) -> float:
        """The jitter: random seconds by which a run begins late, so that many servers do not call a provider in the
        same second."""
        most = min(JITTER * seconds, MOST_JITTER_SECONDS) if self._jitter is None else min(self._jitter, seconds / 2)
        return self._draw() * most


async def _once(task: Task) -> None:
    telemetry.begin()
    await task.work()
