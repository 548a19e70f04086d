"""When jobs begin: intervals, times of a clock that somebody sets, jitter, and runs that overlap. The loop's own clock
leaps: nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from yieldbot.app.schedule import Schedule, Task
from yieldbot.model.timing import Timing

BEGAN = datetime(2026, 3, 29, 0, 58, 30, tzinfo=UTC).timestamp()
"""Half an hour before clocks in Europe are set forward."""


class Leaps(asyncio.SelectorEventLoop):
    """A loop whose clock leaps to the next thing that is due, so that hours take no time."""

    def __init__(self) -> None:
        super().__init__()
        self.moved, self.set_by = 0.0, 0.0

    def time(self) -> float:
        return self.moved

    def wall(self) -> float:
        """The clock on the wall, which somebody may set."""
        return BEGAN + self.moved + self.set_by

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.moved = max(self.moved, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def leaping(work: Callable[[Leaps], Coroutine[Any, Any, None]]) -> None:
    loop = Leaps()
    try:
        loop.run_until_complete(work(loop))
    finally:
        loop.close()


def due(text: str) -> Timing:
    found = Timing.parse(text)
    assert found is not None
    return found


async def begun(
    loop: Leaps,
    text: str,
    seconds: float,
    *,
    draw: float = 0.0,
    takes: float = 0.0,
    said: list[str] | None = None,
    **more: Any,
) -> list[float]:
    """When a job began, in seconds since the start."""
    times = list[float]()

    async def work() -> None:
        times.append(loop.time())
        await asyncio.sleep(takes)

    schedule = Schedule((said if said is not None else []).append, lambda: draw, now=loop.wall, **more)
    running = asyncio.ensure_future(schedule.run((Task("look", due(text), work),)))
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return times


def test_an_interval_begins_at_once_and_one_that_overlaps_is_skipped_and_said() -> None:
    async def work(loop: Leaps) -> None:
        assert await begun(loop, "5m", 1000) == [0, 300, 600, 900]
        said = list[str]()
        start = loop.time()
        times = await begun(loop, "5m", 1000, takes=400, said=said)
        assert [at - start for at in times] == [0, 600]
        assert said == ["look: skipped, the one before is still under way"] * 2

    leaping(work)


def test_jitter_makes_it_late_by_a_tenth_or_as_configured_and_adds_up_to_nothing() -> None:
    async def work(loop: Leaps) -> None:
        assert await begun(loop, "5m", 1000, draw=1.0) == [0, 330, 630, 930]
        start = loop.time()
        assert [at - start for at in await begun(loop, "2h", 15_000, draw=1.0)] == [0, 7260, 14_460], "a minute at most"
        start = loop.time()
        times = await begun(loop, "5m", 1000, draw=1.0, jitter_seconds=7.0)
        assert [at - start for at in times] == [0, 307, 607, 907]

    leaping(work)


def test_times_of_the_clock_are_utc_and_know_no_summer_time() -> None:
    """In Europe 01:00 UTC of this night is where 02:00 becomes 03:00: the times go on as ever."""

    async def work(loop: Leaps) -> None:
        times = await begun(loop, "*/30 * * * *", 3 * 3600)
        clock = [datetime.fromtimestamp(BEGAN + at, UTC).strftime("%H:%M:%S") for at in times]
        assert clock == ["01:00:00", "01:30:00", "02:00:00", "02:30:00", "03:00:00", "03:30:00"]
        start = loop.time()
        late = await begun(loop, "@hourly", 3700, draw=1.0)
        assert [datetime.fromtimestamp(BEGAN + at, UTC).strftime("%M:%S") for at in late] == ["01:00"] and start < late[
            0
        ]

    leaping(work)


@pytest.mark.parametrize(
    ("set_by", "expected"),
    [
        (7200.0, ["29 01:00", "29 03:50", "29 04:00"]),  # forward: what was passed over is done once
        (-600.0, ["29 01:00", "29 02:00", "29 03:00"]),  # back a little: nothing is repeated
        (-86_400.0, ["29 01:00", "28 02:00", "28 03:00"]),  # back by a day: the clock is believed
    ],
)
def test_a_clock_that_is_set_makes_a_job_due_once(set_by: float, expected: list[str]) -> None:
    async def work(loop: Leaps) -> None:
        clock = list[str]()
        schedule = Schedule(print, lambda: 0.0, now=loop.wall)

        async def look() -> None:
            clock.append(datetime.fromtimestamp(loop.wall(), UTC).strftime("%d %H:%M"))
            if len(clock) == 1:
                loop.call_later(3000, setattr, loop, "set_by", set_by)

        running = asyncio.ensure_future(schedule.run((Task("look", due("0 * * * *"), look),)))
        while len(clock) < 3:
            await asyncio.sleep(60)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [one[:7] for one in clock] == [one[:7] for one in expected]

    leaping(work)


@pytest.mark.parametrize("text", ["5", "5y", "1s", "33d", "", "soon", "* * *", "@sometimes", "-5m", "5m 6m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Timing.parse(text)


def test_the_longest_time_between_two_runs() -> None:
    assert due("2h").longest_seconds(BEGAN) == 7200
    assert due("0 8-18 * * mon-fri").longest_seconds(BEGAN) == (2 * 24 + 14) * 3600, "a weekend"
    assert Timing.parse("never") is None
