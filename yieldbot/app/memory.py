"""Stores observations in memory after every use case that observes. A fault of memory never ends the use case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.errors import ConfigError
from yieldbot.history import market_names, worths
from yieldbot.history.observed import IndexReading, odd_rates, readings_of
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
        for snapshot in snapshots:
            worths.remember(folder, snapshot)
            market_names.remember(folder, snapshot)
            chain, moment = snapshot.block.chain, snapshot.block.timestamp
            before = _last(store, chain, moment)
            readings = readings_of(snapshot, source, before)
            for line in islice((line for one in readings for line in odd_rates(one)), MOST_ODD):
                say(line)
            kept += store.append(readings)
            if not kept.failure:
                store.compact_if_due(chain, int(time.time()))
    except Exception as failure:  # a fault of memory must not stop a run
        what = "nothing more" if kept.rows else "nothing"
        kept += Appended(failure=f"{folder}: {what} is remembered ({one_line(str(failure), 300)})")
    if kept.failure:
        say(kept.failure)
    return kept


def _last(store: Store, chain: str, moment: int) -> dict[str, IndexReading]:
    """The newest index of each market before a moment, unless it is too old."""
    found: dict[str, IndexReading] = {}
    wanted = ("market", "time", "index")
    for content, _ in store.tables(chain, moment - LOOK_BACK_SECONDS, moment - 1, wanted):
        columns = (content[name].to_pylist() for name in wanted)
        for market, at, index in zip(*columns, strict=True):
            known = found.get(market)
            if index is not None and (known is None or at > known.time):
                found[market] = IndexReading(at, index)
    return found
