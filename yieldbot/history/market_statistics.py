"""Statistics of each market of a chain over the last 90 days, from memory: days since its first reading, worst day
of its cash, mean and variation of its rate."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from yieldbot.history import files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.store import Store
from yieldbot.model.json_text import loads

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

LOOK_BACK_DAYS = 90
DAY, WEEK = 86_400, 7 * 86_400
KEPT, VERSION = "past.json", "3"
"""Name of the file in a chain's folder with a day's statistics, and the version of its content: raised when its
computation changes."""
LEAST_DAYS = 7
"""Fewest days of cash from which a worst day is computed."""
_WANTED = ("market", "time", "supply_rate", "utilisation", "cash", "token_supply")


def summaries(store: Store, chain: str, moment: int) -> Mapping[str, Mapping[str, float | None]]:
    """By market, the statistics of its readings up to ``moment`` (unix seconds): the fields of
    ``risk.facts.MarketStatistics`` by name; None: too few readings. A file that cannot be read is left out."""
    start = moment - LOOK_BACK_DAYS * DAY + 1
    days = _Days(start // DAY, moment // DAY)
    for content, _ in store.tables(chain, start, moment, _WANTED, coded=("market",)):
        days.add(content)
    return {market: _figures(row, moment) for market, row in zip(days.places, days.statistics(), strict=True)}


class _Days:
    """What is known of each market on each day: arrays of a row for each market and a column for each day.

    DuckDB would answer this in one query, but its library takes 50 MiB for as long as the process runs.
    """

    def __init__(self, first: int, last: int) -> None:
        """first, last: days since 1970."""
        import numpy as np

        self.first, self.width = first, last - first + 1
        self.places: dict[str, int] = {}
        """The row of each market."""
        self._earliest = np.full((0, self.width), np.inf)
        self._rates, self._counts = np.zeros((0, self.width)), np.zeros((0, self.width))
        self._used = np.full((0, self.width), np.nan)
        self._cash, self._supply = np.full((0, self.width), np.nan), np.full((0, self.width), np.nan)
        self._cash_at, self._supply_at = np.full((0, self.width), -np.inf), np.full((0, self.width), -np.inf)

    def add(self, content: pyarrow.Table) -> None:
        """Count a file's readings. Files may come in any order and have readings of the same day."""
        import numpy as np

        whole = content.unify_dictionaries().combine_chunks()
        market = whole["market"].combine_chunks()
        codes, names = as_numpy(market.indices), market.dictionary.to_pylist()
        rows = np.zeros(len(names), dtype=np.int64)
        for code in np.unique(codes):  # the dictionary also names markets whose readings are all outside of the days
            rows[code] = self.places.setdefault(names[code], len(self.places))
        self._grow()
        time, rate, used, cash, supply = (as_numpy(whole[name]) for name in _WANTED[1:])
        cell = rows[codes] * self.width + time // DAY - self.first
        np.minimum.at(self._earliest.reshape(-1), cell, time)
        known, size = ~np.isnan(rate), self._rates.size
        self._rates += np.bincount(cell[known], rate[known], size).reshape(self._rates.shape)
        self._counts += np.bincount(cell[known], minlength=size).reshape(self._rates.shape)
        np.fmax.at(self._used.reshape(-1), cell, used)
        _newest(self._cash, self._cash_at, cell, time, cash, ~np.isnan(cash))
        _newest(self._supply, self._supply_at, cell, time, supply, supply > 0)

    def _grow(self) -> None:
        """Rows for markets that are new."""
        import numpy as np

        more = (len(self.places) - len(self._rates), self.width)
        if more[0]:
            empty = {"_earliest": np.inf, "_rates": 0, "_counts": 0, "_cash_at": -np.inf, "_supply_at": -np.inf}
            for name in (*empty, "_used", "_cash", "_supply"):
                setattr(self, name, np.concatenate([getattr(self, name), np.full(more, empty.get(name, np.nan))]))

    def statistics(self) -> Iterator[dict[str, float | None]]:
        """Each market's figures, in the order of ``places``."""
        import numpy as np

        day = np.arange(self.first, self.first + self.width)
        month = day > day[-1] - 30
        for at in range(len(self.places)):
            seen = self._counts[at] > 0
            rates = self._rates[at][seen] / self._counts[at][seen]
            when = day[seen]
            weeks = [rates[when // 7 == week].mean() for week in np.unique(when // 7)]
            read = np.isfinite(self._earliest[at])
            used = self._used[at][month & ~np.isnan(self._used[at])]
            supply = self._supply[at][month & ~np.isnan(self._supply[at])]
            yield {
                "first": float(self._earliest[at].min()),
                "days": float(read.sum()),
                "worst_day": _worst_day(self._cash[at], read),
                "week_mean": _mean(rates[when > day[-1] - 7]),
                "month_mean": _mean(rates[when > day[-1] - 30]),
                "month_deviation": _deviation(rates[when > day[-1] - 30]),
                "most_utilisation": float(used.max()) if len(used) else None,
                "supply_growth": float(supply[-1] / supply[0] - 1) if len(supply) else None,
                "long_mean": _mean(rates),
                "weeks": float(len(weeks)),
                "long_deviation": _deviation(np.array(weeks)),
            }


def _newest(
    values: NDArray[np.float64],
    moments: NDArray[np.float64],
    cell: NDArray[np.int64],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    known: NDArray[np.bool_],
) -> None:
    """Write into each cell of ``values`` the newest value that is known, and when it was into ``moments``."""
    import numpy as np

    values, moments = values.reshape(-1), moments.reshape(-1)
    np.maximum.at(moments, cell[known], time[known])
    newest = known & (time == moments[cell])
    values[cell[newest]] = value[newest]


def _worst_day(cash: NDArray[np.float64], read: NDArray[np.bool_]) -> float | None:
    """The least share of a day's cash that the next day has, at most 1; a day that was read without its cash counts as
    no fall."""
    import numpy as np

    follows = read[1:] & (cash[:-1] > 0)
    if not follows.any():
        return None
    return float(np.fmin(cash[1:][follows] / cash[:-1][follows], 1).min())


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _deviation(values: NDArray[np.float64]) -> float | None:
    """The standard deviation of a sample."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def summaries_today(store: Store, chain: str, moment: int) -> Mapping[str, Mapping[str, float | None]]:
    """``summaries``, computed once a day and cached beside memory: one more hour of 90 days changes little, and
    millions of rows take a second. Computed again if older readings were added or removed since."""
    place = files.folder_of(store.folder, chain, KEPT)
    key = _key(store, chain, moment)
    try:
        kept = loads(place.read_text(encoding="utf-8"))
        if kept["key"] == key and isinstance(kept["markets"], dict):
            return {str(market): dict(row) for market, row in kept["markets"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is computed again
    found = summaries(store, chain, moment)
    with contextlib.suppress(OSError):
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        part.write_text(json.dumps({"key": key, "markets": found}), encoding="utf-8")
        part.replace(place)
    return found


def _key(store: Store, chain: str, moment: int) -> str:
    """Cache key: the day, and the files of the days before."""
    today = moment - moment % DAY
    named = [
        f"{one.path.name} {one.path.stat().st_size}"
        for one in files.within(store.folder, chain, today - LOOK_BACK_DAYS * DAY, today - 1)
    ]
    return hashlib.sha256("\n".join([VERSION, str(today), *sorted(named)]).encode()).hexdigest()


def _figures(known: Mapping[str, float | None], moment: int) -> dict[str, float | None]:
    row = {name: _known(value) for name, value in known.items()}
    counted, first = row.pop("days") or 0.0, row.pop("first")
    if counted < LEAST_DAYS:
        row["worst_day"] = None
    return row | {"days": 0.0 if first is None else (moment - first) / DAY}


def _known(value: float | None) -> float | None:
    # readings are added up in the order of files, so the last digits of sums vary as these are merged
    return float(f"{value:.12g}") if value is not None and math.isfinite(value) else None
