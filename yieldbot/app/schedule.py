"""Jobs by interval, with jitter: one that is still under way when it is due again is skipped, and that is said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

JITTER = 0.1
"""Part of an interval by which a job may be late, so that many servers do not ask a provider at the same second."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is done again and again."""

    name: str
    """Its name, for messages."""
    every_seconds: float
    """From one beginning to the next."""
    work: Callable[[], Awaitable[None]]
    """Does it once. What it raises ends the schedule: it is a bug."""
    at_once: bool = True
    """Whether it begins at once, and not after an interval."""


class Schedule:
    """Runs tasks until it is cancelled."""

    def __init__(self, say: Callable[[str], None], draw: Callable[[], float] = random.random) -> None:
        """say: shows a line; draw: gives numbers from 0 to 1, for the jitter."""
        self._say, self._draw = say, draw
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
        loop = asyncio.get_running_loop()
        due = loop.time() + (0.0 if task.at_once else task.every_seconds)
        while True:
            late = self._draw() * JITTER * task.every_seconds if due > loop.time() else 0.0
            await asyncio.sleep(max(0.0, due - loop.time()) + late)
            before = self._under_way.get(task.name)
            if before is not None and not before.done():
                self._say(f"{task.name}: skipped, the one before is still under way")
            else:
                self._under_way[task.name] = group.create_task(_once(task))
            due = max(due + task.every_seconds, loop.time())


async def _once(task: Task) -> None:
    await task.work()
