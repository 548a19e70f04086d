"""Stores observations in memory after every use case that observes. A fault of memory never ends the use case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import ConfigError
from yieldbot.history import market_names, worths
from yieldbot.history.files import span_of_day
from yieldbot.history.observed import IndexReading, odd_rates, readings_of
from yieldbot.history.reading import Reading
from yieldbot.history.store import Appended, Store
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.app.context import Context
    from yieldbot.model.market import Snapshot

FOLDER = "history"
"""Memory's folder below the data directory."""
WAIT_SECONDS = 5.0
"""How long to wait for another process that is writing there, in seconds."""
MOST_ODD = 10
"""Most lines about implausible rates in one snapshot."""
LOOK_BACK_SECONDS = 2 * 86_400
"""Greatest age, in seconds, of the last reading from which a market's mean rate until the new reading is computed;
panels compute means over any time."""


def folder_of(context: Context, told: Path | None) -> Path:
    """The folder that a command names, or the configured one. Raises ConfigError if there is neither."""
    if told is not None:
        return told
    if not context.config.exists():
        lacks = f"there is no {context.config} here that says where memory lies"
        raise ConfigError(f"{lacks}: name it by --history FOLDER, or write one by `yieldbot init`")
    return context.settings.data_dir / FOLDER


def keep(folder: Path, snapshots: Iterable[Snapshot], say: Callable[[str], None], source: str = "observed") -> Appended:
    """Store snapshots. Any fault is one line by ``say`` and part of the answer, and has no other effect; an implausible
    rate is stored, and also named by ``say``."""
    kept = Appended()
    try:
        store = Store(folder, WAIT_SECONDS)
        days: dict[tuple[str, str], list[Snapshot]] = {}
        for snapshot in snapshots:
            days.setdefault((snapshot.block.chain, span_of_day(snapshot.block.timestamp)), []).append(snapshot)
        for (chain, _), together in days.items():  # one file for all jobs on a chain
            before, readings = _Before(store, together), list[Reading]()
            try:
                for snapshot in together:
                    worths.remember(folder, snapshot)
                    market_names.remember(folder, snapshot)
                    new = readings_of(snapshot, source, before.of(snapshot.block.timestamp))
                    for line in islice((line for one in new for line in odd_rates(one)), MOST_ODD):
                        say(line)
                    before.add(new)
                    readings += new
            finally:
                kept += store.append(readings)
            if not kept.failure:
                store.compact_if_due(chain, int(time.time()))
    except Exception as failure:  # a fault of memory must not stop a run
        what = "nothing more" if kept.rows else "nothing"
        kept += Appended(failure=f"{folder}: {what} is remembered ({one_line(str(failure), 300)})")
    if kept.failure:
        say(kept.failure)
    return kept


class _Before:
    """The indices of a chain's markets before the moments of some snapshots, read once for all of them."""

    def __init__(self, store: Store, snapshots: Sequence[Snapshot]) -> None:
        """snapshots: of one chain."""
        moments = [one.block.timestamp for one in snapshots]
        self._rows: dict[str, dict[int, float | None]] = {}
        wanted = ("market", "time", "index")
        chain, start = snapshots[0].block.chain, min(moments) - LOOK_BACK_SECONDS
        for content, _ in store.tables(chain, start, max(moments), wanted):
            columns = (content[name].to_pylist() for name in wanted)
            for market, at, index in zip(*columns, strict=True):
                rows = self._rows.setdefault(market, {})
                if rows.get(at) is None:
                    rows[at] = index

    def add(self, readings: Iterable[Reading]) -> None:
        """Readings that are new; where one of the same market and time is known, that one stays."""
        for one in readings:
            self._rows.setdefault(one.key.market, {}).setdefault(one.time, one.index)

    def of(self, moment: int) -> dict[str, IndexReading]:
        """The newest index of each market before a moment, unless it is too old."""
        found: dict[str, IndexReading] = {}
        for market, rows in self._rows.items():
            times = [
                at for at, index in rows.items() if index is not None and moment - LOOK_BACK_SECONDS <= at < moment
            ]
            if times:
                at = max(times)
                found[market] = IndexReading(at, float(rows[at] or 0.0))
        return found
