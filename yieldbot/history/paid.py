"""What a market really paid its suppliers between two moments, from memory: the growth of its index where it has one.

Never one block's word: each part is what was paid between two readings (``grid``), and a span of which too little was
seen has no answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldbot.history.arrow import as_numpy
from yieldbot.history.grid import DAY, ReadingColumns, paid_since
from yieldbot.history.reading import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from yieldbot.history.store import Store

    Floats = NDArray[np.float64]

LEAST_SEEN = 0.9
"""The share of a span that readings must tell of."""
MARGIN_SECONDS = 2 * DAY
"""Readings so much before and after are read too: what was paid stands between two of them."""
WANTED = ("time", "index", "mean_rate", "mean_since", "supply_rate")


@dataclass(frozen=True, slots=True)
class Paid:
    """One market's payments, as sums from its first reading on."""

    times: Floats
    """Unix seconds of its readings, ascending."""
    earned: Floats
    """Rate times seconds that were paid until then."""
    seen: Floats
    """Seconds until then of which it is known."""

    @classmethod
    def nothing(cls) -> Paid:
        """Of a market that was never read."""
        import numpy as np

        return cls(np.zeros(0), np.zeros(0), np.zeros(0))

    @property
    def until(self) -> int:
        """Unix seconds of the last reading; 0 without one."""
        return int(self.times[-1]) if len(self.times) else 0

    def over(self, start: float, end: float) -> float | None:
        """The mean rate from ``start`` to ``end``, a simple annual fraction; None where too little of it was seen, or
        it is not over."""
        import numpy as np

        if not len(self.times) or end <= start or end > self.until:
            return None
        earned, seen = (
            float(np.diff(np.interp((start, end), self.times, grid))[0]) for grid in (self.earned, self.seen)
        )
        return earned / seen if seen >= LEAST_SEEN * (end - start) else None


def paid(store: Store, chain: str, market: str, start: int, end: int, faults: list[Fault] | None = None) -> Paid:
    """What memory knows of a market from ``start`` to ``end``. A file that cannot be read is left out, and named in
    ``faults``."""
    tables = store.tables(chain, start - MARGIN_SECONDS, end + MARGIN_SECONDS, WANTED, market, faults)
    return of_columns([content for content, _ in tables])


def of_columns(tables: Iterable[object]) -> Paid:
    """The payments that tables of readings (``WANTED``) tell of, in any order."""
    import numpy as np
    import pyarrow as pa

    parts = [one for one in tables if isinstance(one, pa.Table)]
    if not parts:
        return Paid.nothing()
    whole = pa.concat_tables(parts)
    told = {name: as_numpy(whole[name]).astype(np.float64) for name in WANTED}
    times, chosen = np.unique(told["time"], return_index=True)
    numbers = {name: told[name][chosen] for name in WANTED if name != "time"}
    count = len(times)
    rows = ReadingColumns(np.zeros(count, np.int64), times.astype(np.int64), np.zeros(count, np.bool_), numbers)
    rates = paid_since(rows)
    width = np.diff(times, prepend=times[:1])
    known = np.isfinite(rates)
    return Paid(times, np.cumsum(np.where(known, rates, 0.0) * width), np.cumsum(np.where(known, width, 0.0)))
