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
class Columns:
    """Readings as columns, in any order. market: the place of each reading's market in the panel's keys."""

    market: Ints
    time: Ints
    blocked: NDArray[np.bool_]
    numbers: Mapping[str, Floats]


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
    import numpy as np

    rows = list(readings)
    if keys is None:
        keys = sorted({row.key for row in rows}, key=key_order)
    place = {key: at for at, key in enumerate(keys)}
    rows = [row for row in rows if row.key in place]
    numbers = {name: np.array([_number(getattr(row, name)) for row in rows], dtype=np.float64) for name in NUMBERS}
    columns = Columns(
        market=np.array([place[row.key] for row in rows], dtype=np.int64),
        time=np.array([row.time for row in rows], dtype=np.int64),
        blocked=np.array([row.status != "active" for row in rows], dtype=np.bool_),
        numbers=numbers,
    )
    times = grid_times(columns.time, step_seconds, start, end, phase_seconds)
    return fill(columns, tuple(keys), times, step_seconds)


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
    """Seconds after a multiple of the step at which the readings before it are youngest on the mean."""
    import numpy as np

    part = max(1, step // PHASES)
    candidates = np.arange(0, step, part, dtype=np.int64)
    within = np.unique(time % step, return_counts=True)
    ages = ((candidates[:, None] - within[0][None, :]) % step * within[1][None, :]).sum(axis=1)
    return int(candidates[int(ages.argmin())])


def fill(columns: Columns, keys: tuple[MarketKey, ...], times: Ints, step: int) -> Panel:
    """The last reading of each cell, and what was really paid since the reading in the cell before."""
    import numpy as np

    shape = (len(times), len(keys))
    grids = {name: np.full(shape, np.nan) for name in (*FIELDS, "realised")}
    blocked = np.zeros(shape, dtype=np.bool_)
    order = np.lexsort((columns.time, columns.market))
    market, time = columns.market[order], columns.time[order]
    numbers = {name: column[order] for name, column in columns.numbers.items()}
    cell = -(-(time - times[0]) // step) if len(times) else np.zeros(0, dtype=np.int64)
    if len(times) and len(time):
        paid, held = _paid(market, time, numbers, step)
        inside = (cell >= 0) & (cell < len(times))
        last = np.ones(len(time), dtype=np.bool_)
        last[:-1] = (market[1:] != market[:-1]) | (cell[1:] != cell[:-1])
        chosen = last & inside
        at = (cell[chosen], market[chosen])
        for name in FIELDS:
            grids[name][at] = numbers[name][chosen]
        blocked[at] = columns.blocked[order][chosen]
        _means(grids["realised"], market, cell, inside & ~np.isnan(paid), paid, held)
        _derived(grids, numbers["borrowed"][chosen], at)
    return Panel(
        keys=keys,
        times=times,
        step_seconds=step,
        quoted=grids["supply_rate"],
        realised=grids["realised"],
        utilisation=grids["utilisation"],
        supplied=grids["supplied"],
        cash=grids["cash"],
        borrow_rate=grids["borrow_rate"],
        reserve_factor=grids["reserve_factor"],
        blocked=blocked,
    )


def _paid(market: Ints, time: Ints, numbers: Mapping[str, Floats], step: int) -> tuple[Floats, Floats]:
    """For each reading the rate that was paid since the one before of its market, and for how many seconds.

    By growth of the index; else by the mean that the reading itself names, if it counts from the reading before; else
    the mean of the two quotes, where they are not further apart than ``LONGEST_MEAN`` steps. NaN where nothing tells.
    """
    import numpy as np

    paid, held = np.full(len(time), np.nan), np.zeros(len(time))
    same = market[1:] == market[:-1]
    apart = np.where(same, time[1:] - time[:-1], 0).astype(np.float64)
    held[1:] = apart
    index, quote = numbers["index"], numbers["supply_rate"]
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.log(index[1:] / index[:-1]) / apart * SECONDS_PER_YEAR
    grown[~(same & (apart > 0) & (grown >= 0.0))] = np.nan
    between = (quote[1:] + quote[:-1]) / 2
    between[~(same & (apart <= LONGEST_MEAN * step))] = np.nan
    own = numbers["mean_rate"].copy()
    since = time - numbers["mean_since"]
    first = np.ones(len(time), dtype=np.bool_)
    first[1:] = ~same
    own[~((since > 0) & (first | (np.abs(since - held) <= 0.01 * held)))] = np.nan
    paid[1:] = np.where(np.isnan(grown), between, grown)
    named = ~np.isnan(own)
    named[1:] &= np.isnan(grown)
    paid[named] = own[named]
    held[named & first] = since[named & first]
    paid[held <= 0.0] = np.nan
    return paid, held


def _means(into: Floats, market: Ints, cell: Ints, known: NDArray[np.bool_], paid: Floats, held: Floats) -> None:
    """Means of what was paid, by time, of all readings in a cell."""
    import numpy as np

    flat = cell[known] * into.shape[1] + market[known]
    seconds = np.bincount(flat, weights=held[known], minlength=into.size)
    earned = np.bincount(flat, weights=paid[known] * held[known], minlength=into.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = earned / seconds
    into[...] = means.reshape(into.shape)


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
