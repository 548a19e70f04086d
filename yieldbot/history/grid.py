"""Readings resampled to one grid of times, for forecasts and backtests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DAY = 86_400
PHASES = 24
"""Number of phases within a step that a grid may have."""
LONGEST_MEAN = 7
"""Longest time, in steps, over which the mean of two quotes is taken as the rate paid between them; growth of an
index is used over any time."""
FIELDS = ("supply_rate", "utilisation", "supplied", "cash", "borrow_rate", "reserve_factor")
MORE_FIELDS = ("mean_rate", "mean_since", "index", "borrowed")
NUMBERS = FIELDS + MORE_FIELDS
"""Numeric columns that a panel is made from, as float64; NaN: not known."""


@dataclass(frozen=True, slots=True)
class ReadingColumns:
    """Readings as columns of equal length, in any order."""

    market: Ints
    """Index of each reading's market in the panel's keys."""
    time: Ints
    """Unix seconds of each reading."""
    blocked: NDArray[np.bool_]
    """Whether the market accepted no deposits then."""
    numbers: Mapping[str, Floats]
    """Numeric fields by name; NaN: not known."""


def panel(
    readings: Iterable[Reading],
    *,
    step_seconds: int = DAY,
    start: int | None = None,
    end: int | None = None,
    phase_seconds: int | None = None,
    keys: Sequence[MarketKey] | None = None,
) -> Panel:
    """The readings resampled to equal steps from ``start`` to ``end`` (unix seconds, both included; None: all there
    are).

    keys: these markets in this order; None: every market, by chain, protocol, asset and name. phase_seconds: offset of
    the grid within a step, counted from the epoch (3600 with a step of a day: 01:00 UTC); None: the phase with the
    youngest readings. Raises ValueError if there is no reading.
    """
    rows = list(readings)
    if keys is None:
        keys = sorted({row.key for row in rows}, key=key_order)
    place = {key: at for at, key in enumerate(keys)}
    columns = _columns([row for row in rows if row.key in place], place)
    times = grid_times(columns.time, step_seconds, start, end, phase_seconds)
    return fill(columns, tuple(keys), times, step_seconds)


def paid_between(readings: Sequence[Reading]) -> list[float]:
    """For each reading of one market (ascending) the rate paid since the previous one, computed as in a panel; NaN:
    not known."""
    if not readings:
        return []
    columns = _columns(readings, dict.fromkeys((one.key for one in readings), 0))
    return [float(rate) for rate in paid_since(columns)]


def paid_since(columns: ReadingColumns) -> Floats:
    """``paid_between`` for one market's readings as columns; there must be at least one."""
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
    """Sort key of the markets of a panel."""
    return key.chain, key.protocol, key.asset, key.asset_address, key.market


def grid_times(time: Ints, step: int, start: int | None, end: int | None, phase: int | None) -> Ints:
    """The times of the grid: from the first one at or after the first reading (or ``start``) to the last one at or
    before ``end`` (or the first at or after the last reading). Raises ValueError if there is no reading."""
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
    """Offset within a step, in seconds, at which the latest readings are youngest on average; 0 unless that more
    than halves their age, as it does for a recording that is made at one hour of each day."""
    import numpy as np

    part = max(1, step // PHASES)
    candidates = np.arange(0, step, part, dtype=np.int64)
    within = np.unique(time % step, return_counts=True)
    ages = ((candidates[:, None] - within[0][None, :]) % step * within[1][None, :]).sum(axis=1)
    best = int(ages.argmin())
    return int(candidates[best]) if 2 * ages[best] < ages[0] else 0


def fill(columns: ReadingColumns, keys: tuple[MarketKey, ...], times: Ints, step: int) -> Panel:
    """A panel's cells: the last reading of each, and the rate paid since the reading in the previous cell."""
    into = Filler(keys, times, step)
    into.add(columns)
    return into.panel()


class Filler:
    """Fills a panel part by part; within a market each part must be later than the one before. Between parts it
    keeps only what the next mean rate needs."""

    def __init__(self, keys: tuple[MarketKey, ...], times: Ints, step: int) -> None:
        import numpy as np

        self.keys, self.times, self.step = keys, times, step
        shape = (len(times), len(keys))
        self._grids = {name: np.full(shape, np.nan) for name in FIELDS}
        self._blocked = np.zeros(shape, dtype=np.bool_)
        self._seconds, self._earned = np.zeros(shape), np.zeros(shape)
        self._last = _Before.nothing(len(keys))

    def add(self, columns: ReadingColumns) -> None:
        """Add one part."""
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
        """The panel of all parts so far."""
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
    """Previous readings: of each market its last one, or of each reading the one before it."""

    time: Ints
    """Unix seconds; -1: there is none."""
    index: Floats
    """Index of the market; NaN: not known."""
    quote: Floats
    """Quoted supply rate; NaN: not known."""

    @classmethod
    def nothing(cls, count: int) -> _Before:
        import numpy as np

        return cls(np.full(count, -1, dtype=np.int64), np.full(count, np.nan), np.full(count, np.nan))

    @classmethod
    def of(cls, columns: ReadingColumns, starts: Ints, last: _Before) -> _Before:
        """For each reading the previous one of its market; for the first one of a part, the market's last reading of
        earlier parts."""
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
        """Store the last readings of their markets."""
        markets = columns.market[ends]
        self.time[markets] = columns.time[ends]
        self.index[markets] = columns.numbers["index"][ends]
        self.quote[markets] = columns.numbers["supply_rate"][ends]


def _grouped(columns: ReadingColumns) -> tuple[ReadingColumns, Ints]:
    """(the readings sorted by market and time, index at which each market begins)."""
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
    """For each reading (the rate paid since the previous one of its market, over how many seconds).

    By growth of the index; else by the mean rate that the reading itself states, if it starts at the previous reading
    (or there is none); else by the mean of the two quotes, if they are at most ``LONGEST_MEAN`` steps apart. NaN: none
    of these is known.
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
    """Utilisation and cash, derived from supplied and borrowed where a reading does not state them."""
    import numpy as np

    supplied, used, cash = (grids[name][at] for name in ("supplied", "utilisation", "cash"))
    with np.errstate(divide="ignore", invalid="ignore"):
        used = np.where(np.isnan(used), borrowed / supplied, used)
    used[~np.isfinite(used)] = np.nan
    grids["utilisation"][at] = used
    rest = np.where(np.isnan(borrowed), supplied * (1.0 - used), supplied - borrowed)
    grids["cash"][at] = np.where(np.isnan(cash), np.maximum(0.0, rest), cash)
