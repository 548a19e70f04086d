"""Jobs at their times, with jitter: one that is still under way when it is due again is skipped, and that is said.

Intervals are counted by a clock that nobody sets. Times of the clock are UTC: there is no daylight saving time in them.
A clock that is set forward makes a job due once, however many of its times were passed over; one that is set back a
little repeats none.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from yieldbot.model.timing import JITTER, MOST_JITTER_SECONDS, Timing

LOOK_SECONDS = 30.0
"""How often the clock is looked at while a time of it is awaited: somebody may set it."""
SET_BACK_SECONDS = 3600.0
"""A clock that goes back further than this is believed, and its times are waited for again."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is done again and again."""

    name: str
    """Its name, for messages."""
    due: Timing
    """When."""
    work: Callable[[], Awaitable[None]]
    """Does it once. What it raises ends the schedule: it is a bug."""
    at_once: bool = True
    """Whether an interval's first run begins at once, and not after an interval."""


def every(name: str, seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = True) -> Task:
    """A task by an interval."""
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
        """say: shows a line; draw: gives numbers from 0 to 1, for the jitter; now: unix seconds."""
        self._say, self._draw, self._jitter, self._now = say, draw, jitter_seconds, now
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self, tasks: tuple[Task, ...]) -> None:
        """Every task at its times. Raises what a task raises."""
        try:
            async with asyncio.TaskGroup() as group:
                for task in tasks:
                    group.create_task(self._repeat(task, group))
        finally:
            self._under_way.clear()

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
        """Wait until it is due; ``before``: when it was due the last time. Returns when it was due."""
        loop, seconds = asyncio.get_running_loop(), task.due.every_seconds
        assert seconds is not None
        now = loop.time()
        if before is None and task.at_once:
            return now
        due = max((now if before is None else before) + seconds, now)
        await asyncio.sleep(max(0.0, due - loop.time()) + self._late(seconds))
        return due

    async def _wait_for_clock(self, task: Task, before: float | None) -> float:
        """As ``_wait_for_interval``, by the clock."""
        cron = task.due.cron
        assert cron is not None
        now = self._now()
        start = now if before is None or before - now > SET_BACK_SECONDS else max(now, before)
        due = cron.after(start)
        late = self._late(cron.after(due) - due)
        while (left := due - (now := self._now())) > 0:
            if start - now > SET_BACK_SECONDS:  # set back meanwhile
                start, due = now, cron.after(now)
                continue
            await asyncio.sleep(min(left, LOOK_SECONDS))
        await asyncio.sleep(late)
        return max(due, self._now())

    def _late(self, seconds: float) -> float:
        """How late a run begins, so that many servers do not ask a provider at the same second."""
        most = min(JITTER * seconds, MOST_JITTER_SECONDS) if self._jitter is None else min(self._jitter, seconds / 2)
        return self._draw() * most


async def _once(task: Task) -> None:
    await task.work()
