"""Readings on one grid of times: what forecasts and backtests read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DAY = 86_400
PHASES = 24
"""Parts of a step at which a grid may stand."""
LONGEST_MEAN = 7
"""Steps over which the mean of two quotes is still taken for what was paid; the growth of an index is over any time."""
FIELDS = ("supply_rate", "utilisation", "supplied", "cash", "borrow_rate", "reserve_factor")
MORE_FIELDS = ("mean_rate", "mean_since", "index", "borrowed")
NUMBERS = FIELDS + MORE_FIELDS
"""Columns of readings that a panel is made from, as float64 with NaN for what is not known."""


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """Readings as columns of equal length, in any order."""

    market: Ints
    """Index of each reading's market in the panel's keys."""
    time: Ints
    """Unix seconds of each reading."""
    blocked: NDArray[np.bool_]
    """Whether the market took no deposits then."""
    numbers: Mapping[str, Floats]
    """The readings' numeric fields by name; NaN where a reading does not say."""


def panel(
    readings: Iterable[Reading],
    *,
    step_seconds: int = DAY,
    start: int | None = None,
    end: int | None = None,
    phase_seconds: int | None = None,
    keys: Sequence[MarketKey] | None = None,
) -> Panel:
    """The readings at equal steps, from ``start`` to ``end`` (unix seconds, both included; all that there is where
    None). keys: these markets alone, in this order; else every market, by chain, protocol, asset and name.

    phase_seconds: where in a step the grid stands, counted from the epoch (3600 with a step of a day: 01:00 UTC); None
    for where the readings are youngest. Raises ValueError where there is no reading at all.
    """
    rows = list(readings)
    if keys is None:
        keys = sorted({row.key for row in rows}, key=key_order)
    place = {key: at for at, key in enumerate(keys)}
    columns = _columns([row for row in rows if row.key in place], place)
    times = grid_times(columns.time, step_seconds, start, end, phase_seconds)
    return fill(columns, tuple(keys), times, step_seconds)


def paid_between(readings: Sequence[Reading]) -> list[float]:
    """For each of one market's readings (ascending) the rate that was paid since the one before, as a panel counts it;
    NaN where nothing tells."""
    if not readings:
        return []
    columns = _columns(readings, dict.fromkeys((one.key for one in readings), 0))
    return [float(rate) for rate in paid_since(columns)]


def paid_since(columns: ReadingColumns) -> Floats:
    """``paid_between`` of one market's readings as columns, of which there is at least one."""
    import numpy as np

    starts = np.zeros(1, dtype=np.int64)
    return _paid(columns, _Before.of(columns, starts, _Before.nothing(1)), DAY)[0]


def _columns(rows: Sequence[Reading], place: Mapping[MarketKey, int]) -> ReadingColumns:
    import numpy as np

    numbers = {name: np.array([_number(getattr(row, name)) for row in rows], dtype=np.float64) for name in NUMBERS}
    return ReadingColumns(
        market=np.array([place[row.key] for row in rows], dtype=np.int64),
        time=np.array([row.time for row in rows], dtype=np.int64),
        blocked=np.array([row.status != "active" for row in rows], dtype=np.bool_),
        numbers=numbers,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def key_order(key: MarketKey) -> tuple[str, ...]:
    """How markets are ordered in a panel."""
    return key.chain, key.protocol, key.asset, key.asset_address, key.market


def grid_times(time: Ints, step: int, start: int | None, end: int | None, phase: int | None) -> Ints:
    """The grid's times: the first at or after the first reading (or ``start``), the last at or before ``end``, or the
    first at or after the last reading. Raises ValueError without a reading."""
    import numpy as np

    if step <= 0:
        raise ValueError("a step of a grid must be longer than nothing")
    if not len(time):
        raise ValueError("there is no reading to make a panel of")
    phase = youngest_phase(time, step) if phase is None else phase % step
    low = int(time.min()) if start is None else start
    first = phase + -(-(low - phase) // step) * step
    above = int(time.max()) + step - 1 if end is None else end
    last = phase + (above - phase) // step * step
    return np.arange(first, last + 1, step, dtype=np.int64)


def youngest_phase(time: Ints, step: int) -> int:
    """Seconds after a multiple of the step at which the readings before it are youngest on the mean; 0 unless that
    makes them less than half as old, as it does for a record that is read at one hour of each day."""
    import numpy as np

    part = max(1, step // PHASES)
    candidates = np.arange(0, step, part, dtype=np.int64)
    within = np.unique(time % step, return_counts=True)
    ages = ((candidates[:, None] - within[0][None, :]) % step * within[1][None, :]).sum(axis=1)
    best = int(ages.argmin())
    return int(candidates[best]) if 2 * ages[best] < ages[0] else 0


def fill(columns: ReadingColumns, keys: tuple[MarketKey, ...], times: Ints, step: int) -> Panel:
    """The last reading of each cell, and what was really paid since the reading in the cell before."""
    into = Filler(keys, times, step)
    into.add(columns)
    return into.panel()


class Filler:
    """A panel that is filled by parts: all of a market's readings in one part are later than those in the part before.
    Between them only what the next mean needs is kept of each market."""

    def __init__(self, keys: tuple[MarketKey, ...], times: Ints, step: int) -> None:
        import numpy as np

        self.keys, self.times, self.step = keys, times, step
        shape = (len(times), len(keys))
        self._grids = {name: np.full(shape, np.nan) for name in FIELDS}
        self._blocked = np.zeros(shape, dtype=np.bool_)
        self._seconds, self._earned = np.zeros(shape), np.zeros(shape)
        self._last = _Before.nothing(len(keys))

    def add(self, columns: ReadingColumns) -> None:
        """Take one part in."""
        import numpy as np

        if not len(columns.time):
            return
        columns, starts = _grouped(columns)
        market, time, numbers = columns.market, columns.time, columns.numbers
        before = _Before.of(columns, starts, self._last)
        self._last.remember(columns, np.append(starts[1:], len(time)) - 1)
        if not len(self.times):
            return
        cell = -(-(time - self.times[0]) // self.step)
        inside = (cell >= 0) & (cell < len(self.times))
        last = np.ones(len(time), dtype=np.bool_)
        last[:-1] = cell[1:] != cell[:-1]
        last[starts[1:] - 1] = True
        chosen = np.flatnonzero(last & inside)
        at = (cell[chosen], market[chosen])
        for name in FIELDS:
            self._grids[name][at] = numbers[name][chosen]
        self._blocked[at] = columns.blocked[chosen]
        _derived(self._grids, numbers["borrowed"][chosen], at)
        paid, held = _paid(columns, before, self.step)
        known = np.flatnonzero(inside & ~np.isnan(paid))
        flat = cell[known] * len(self.keys) + market[known]
        size, shape = self._seconds.size, self._seconds.shape
        self._seconds += np.bincount(flat, weights=held[known], minlength=size).reshape(shape)
        self._earned += np.bincount(flat, weights=paid[known] * held[known], minlength=size).reshape(shape)

    def panel(self) -> Panel:
        """What was taken in so far."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            realised = self._earned / self._seconds
        return Panel(
            keys=self.keys,
            times=self.times,
            step_seconds=self.step,
            quoted=self._grids["supply_rate"],
            realised=realised,
            utilisation=self._grids["utilisation"],
            supplied=self._grids["supplied"],
            cash=self._grids["cash"],
            borrow_rate=self._grids["borrow_rate"],
            reserve_factor=self._grids["reserve_factor"],
            blocked=self._blocked,
        )


@dataclass(frozen=True, slots=True)
class _Before:
    """What the readings before said."""

    time: Ints
    """Unix seconds; -1 where there is none."""
    index: Floats
    """Index of the market; NaN where there is none."""
    quote: Floats
    """Quoted supply rate; NaN where there is none."""

    @classmethod
    def nothing(cls, count: int) -> _Before:
        import numpy as np

        return cls(np.full(count, -1, dtype=np.int64), np.full(count, np.nan), np.full(count, np.nan))

    @classmethod
    def of(cls, columns: ReadingColumns, starts: Ints, last: _Before) -> _Before:
        """For each reading the one before it; for a market's first one its ``last`` of the part before."""
        import numpy as np

        found = cls.nothing(len(columns.time))
        markets = columns.market[starts]
        for mine, now, then in (
            (found.time, columns.time, last.time),
            (found.index, columns.numbers["index"], last.index),
            (found.quote, columns.numbers["supply_rate"], last.quote),
        ):
            mine[1:] = now[:-1]
            np.put(mine, starts, then[markets])
        return found

    def remember(self, columns: ReadingColumns, ends: Ints) -> None:
        """These are the last readings of their markets."""
        markets = columns.market[ends]
        self.time[markets] = columns.time[ends]
        self.index[markets] = columns.numbers["index"][ends]
        self.quote[markets] = columns.numbers["supply_rate"][ends]


def _grouped(columns: ReadingColumns) -> tuple[ReadingColumns, Ints]:
    """The readings market by market, each ascending by time, and where each market begins."""
    import numpy as np

    def starts_of(market: Ints) -> Ints:
        return np.append(0, 1 + np.flatnonzero(market[1:] != market[:-1])).astype(np.int64)

    market, time = columns.market, columns.time
    starts = starts_of(market)
    falls = time[1:] < time[:-1]
    falls[starts[1:] - 1] = False
    if len(np.unique(market[starts])) == len(starts) and not falls.any():
        return columns, starts
    order = np.lexsort((time, market))
    numbers = {name: column[order] for name, column in columns.numbers.items()}
    columns = ReadingColumns(market[order], time[order], columns.blocked[order], numbers)
    return columns, starts_of(columns.market)


def _paid(columns: ReadingColumns, before: _Before, step: int) -> tuple[Floats, Floats]:
    """For each reading the rate that was paid since the one before of its market, and for how many seconds.

    By growth of the index; else by the mean that the reading itself names, if it counts from the reading before (or
    there is none); else the mean of the two quotes, where they are not further apart than ``LONGEST_MEAN`` steps. NaN
    where nothing tells.
    """
    import numpy as np

    time, numbers = columns.time, columns.numbers
    first = before.time < 0
    held = np.where(first, 0, time - before.time).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.log(numbers["index"] / before.index) / held * SECONDS_PER_YEAR
        paid[~(paid >= 0.0) | (held <= 0.0)] = np.nan
    unknown = np.flatnonzero(np.isnan(paid))
    if len(unknown):
        own, since = numbers["mean_rate"][unknown], time[unknown] - numbers["mean_since"][unknown]
        width, alone = held[unknown], first[unknown]
        own_counts = ~np.isnan(own) & (since > 0) & (alone | (np.abs(since - width) <= 0.01 * width))
        between = (numbers["supply_rate"][unknown] + before.quote[unknown]) / 2
        between[(width <= 0.0) | (width > LONGEST_MEAN * step)] = np.nan
        paid[unknown] = np.where(own_counts, own, between)
        held[unknown] = np.where(own_counts & alone, since, width)
    return paid, held


def _derived(grids: Mapping[str, Floats], borrowed: Floats, at: tuple[Ints, Ints]) -> None:
    """Utilisation and cash where the reading names them by what is supplied and borrowed alone."""
    import numpy as np

    supplied, used, cash = (grids[name][at] for name in ("supplied", "utilisation", "cash"))
    with np.errstate(divide="ignore", invalid="ignore"):
        used = np.where(np.isnan(used), borrowed / supplied, used)
    used[~np.isfinite(used)] = np.nan
    grids["utilisation"][at] = used
    rest = np.where(np.isnan(borrowed), supplied * (1.0 - used), supplied - borrowed)
    grids["cash"][at] = np.where(np.isnan(cash), np.maximum(0.0, rest), cash)
