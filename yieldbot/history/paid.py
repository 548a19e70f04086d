"""The rate that a market actually paid between two moments, from memory: by growth of its index if it has one.

No single block's quote is used: each part is the rate paid between two readings (``grid``). A span of which too little
was observed has no answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from yieldbot.history.arrow import as_numpy
from yieldbot.history.grid import DAY, ReadingColumns, paid_since
from yieldbot.history.reading import Fault
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from yieldbot.history.store import Store

    Floats = NDArray[np.float64]

LEAST_SEEN = 0.9
"""Fraction of a span for which the paid rate must be known."""
MARGIN_SECONDS = 2 * DAY
"""Seconds before and after the span whose readings are used too, since a paid rate belongs to the interval between
two readings."""
WANTED = ("time", "index", "mean_rate", "mean_since", "supply_rate")


@dataclass(frozen=True, slots=True)
class Paid:
    """Cumulative payments of one market since its first reading."""

    times: Floats
    """Unix seconds of its readings, ascending."""
    earned: Floats
    """Integral of the paid rate up to each time, in rate * seconds."""
    seen: Floats
    """Seconds up to each time for which it is known."""

    @classmethod
    def nothing(cls) -> Paid:
        """For a market that was never read."""
        import numpy as np

        return cls(np.zeros(0), np.zeros(0), np.zeros(0))

    @property
    def until(self) -> int:
        """Unix seconds of the last reading; 0 without one."""
        return int(self.times[-1]) if len(self.times) else 0

    def over(self, start: float, end: float) -> float | None:
        """Mean rate from ``start`` to ``end``, a simple annual fraction; None: too little of the span was observed,
        or it is not over."""
        import numpy as np

        if not len(self.times) or end <= start or end > self.until:
            return None
        earned, seen = (
            float(np.diff(np.interp((start, end), self.times, grid))[0]) for grid in (self.earned, self.seen)
        )
        return earned / seen if seen >= LEAST_SEEN * (end - start) else None


def paid(store: Store, chain: str, market: str, start: int, end: int, faults: list[Fault] | None = None) -> Paid:
    """A market's payments from ``start`` to ``end``. A file that cannot be read is skipped, and reported in
    ``faults``."""
    tables = store.tables(chain, start - MARGIN_SECONDS, end + MARGIN_SECONDS, WANTED, market, faults)
    return of_columns([content for content, _ in tables])


def of_columns(tables: Iterable[object]) -> Paid:
    """The payments in tables of readings (with the columns ``WANTED``), in any order."""
    import numpy as np
    import pyarrow as pa

    parts = [one for one in tables if isinstance(one, pa.Table)]
    if not parts:
        return Paid.nothing()
    whole = pa.concat_tables(parts)
    columns = {name: as_numpy(whole[name]).astype(np.float64) for name in WANTED}
    times, chosen = np.unique(columns["time"], return_index=True)
    numbers = {name: columns[name][chosen] for name in WANTED if name != "time"}
    count = len(times)
    rows = ReadingColumns(np.zeros(count, np.int64), times.astype(np.int64), np.zeros(count, np.bool_), numbers)
    rates = paid_since(rows)
    width = np.diff(times, prepend=times[:1])
    known = np.isfinite(rates)
    return Paid(times, np.cumsum(np.where(known, rates, 0.0) * width), np.cumsum(np.where(known, width, 0.0)))
