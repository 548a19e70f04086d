"""Contradictions between memory and the chain: each is reported, and the chain is believed.

A forecast that rests on contradicted readings is dropped; the quoted rate is then used, as if memory had nothing about
the market.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from yieldbot.history.arrow import as_numpy, coded
from yieldbot.history.files import Stored
from yieldbot.history.observed import key_of
from yieldbot.history.once import file_state, files_state, once
from yieldbot.history.store import Asked, Store, read_stored
from yieldbot.model.amounts import Apr
from yieldbot.model.dataclass import dataclass
from yieldbot.model.durations import days_long
from yieldbot.model.market import MarketState, RateForecast, Snapshot, Status
from yieldbot.model.numbers import significant
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

LOOK_BACK_SECONDS = 30 * 86_400
"""Older readings are not compared."""
AHEAD_SECONDS = 3600
"""Seconds by which a block's time may be behind an earlier reading's time."""
FALLEN = 1e-6
"""Fall of an index, as a fraction, that counts as rounding."""
SAME_RATE = 1e-6
"""Largest difference between two quoted rates of one market at one block."""
_WANTED = ("chain", "market", "asset_address", "time", "height", "index", "supply_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The last readings of one market, for one asset address."""

    market: str
    """The market's id."""
    asset_address: str
    """Address of its asset; empty: a recording does not state it."""
    newest: int
    """Unix seconds of the last reading."""
    index: float | None
    """The last index before the snapshot's block; None: none was read."""
    index_at: int | None
    """Unix seconds of the reading of that index."""
    rate: float | None
    """The quoted rate of a reading at the snapshot's very block (for a recording without block numbers: at its
    second); None: there is none. Other blocks of the same second do not count, since a deposit between them changes
    the quote."""


def remembered(store: Store, snapshot: Snapshot) -> tuple[Remembered, ...]:
    """Memory's readings of a snapshot's chain that the chain can contradict. Raises as ``Store.tables``."""
    block = snapshot.block
    since = block.timestamp - LOOK_BACK_SECONDS
    question = store.folder, block.chain, block.timestamp, block.height, files_state(store.folder, block.chain, since)
    return once("remembered", question, lambda: _remembered(store, snapshot, since), most=16)


def _remembered(store: Store, snapshot: Snapshot, since: int) -> tuple[Remembered, ...]:
    found: dict[tuple[str, str], Remembered] = {}
    reader = partial(_read, moment=snapshot.block.timestamp)
    for content, _ in store.tables(snapshot.block.chain, since, None, _WANTED, coded=_WANTED[:3], reader=reader):
        for row in _last_readings(content, snapshot):
            name = row.market, row.asset_address
            found[name] = _newer(found[name], row) if name in found else row
    return tuple(found.values())


def _read(file: Stored, asked: Asked, moment: int) -> pyarrow.Table:
    """The rows of a file that ``_last_readings`` needs. Of a file that is all before the moment these are few, and the
    same at each later moment: they are kept."""
    last, newest = once("last rows", file_state(file.path), lambda: _last_rows(file), most=64)
    if newest >= moment:
        return read_stored(file, asked)
    times = as_numpy(last["time"])
    return last if asked.start is None else _rows(last, times >= asked.start)


def _last_rows(file: Stored) -> tuple[pyarrow.Table, int]:
    """(of each market and asset address the last row, and the last one with an index, in the order of the file; the
    file's newest time)."""
    import numpy as np

    content = read_stored(file, Asked(wanted=_WANTED, coded=_WANTED[:3]))
    time, index = as_numpy(content["time"]), as_numpy(content["index"])
    cell = np.zeros(len(time), dtype=np.int64)
    for name in _WANTED[:3]:
        codes, words = coded(content[name])
        cell = cell * (len(words) + 1) + codes + 1
    order, chosen = np.lexsort((time, cell)), np.zeros(len(time), dtype=np.bool_)
    for rows in (order, order[np.isfinite(index[order])]):
        chosen[rows[np.append(np.diff(cell[rows]) != 0, True)[: len(rows)]]] = True
    return _rows(content, chosen), int(time.max(initial=0))


def _rows(content: pyarrow.Table, chosen: NDArray[np.bool_]) -> pyarrow.Table:
    """Some rows of a table."""
    import numpy as np
    import pyarrow as pa

    rows = np.flatnonzero(chosen).astype(np.int64)
    return content.take(pa.Array.from_buffers(pa.int64(), rows.size, [None, pa.py_buffer(rows.tobytes())]))


def _last_readings(content: pyarrow.Table, snapshot: Snapshot) -> Iterator[Remembered]:
    """The last readings that one file has of each market, for each asset address."""
    import numpy as np

    moment, height = snapshot.block.timestamp, snapshot.block.height
    (chain, chains), (market, markets), (asset, assets) = (coded(content[name]) for name in _WANTED[:3])
    time, heights, index, rate = (as_numpy(content[name]) for name in _WANTED[3:])
    cell = market * len(assets) + asset
    order = np.lexsort((time, cell))
    order = order[np.array([one == snapshot.block.chain for one in chains], dtype=bool)[chain[order]]]
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    indexed = np.isfinite(index) & (time < moment)
    rated = np.isfinite(rate) & (time == moment) & (np.isnan(heights) | (heights == height))
    for rows in np.split(order, starts[1:]) if len(order) else ():
        last, then = rows[indexed[rows]][-1:], rows[rated[rows]][-1:]
        yield Remembered(
            market=markets[market[rows[0]]],
            asset_address=assets[asset[rows[0]]],
            newest=int(time[rows[-1]]),
            index=float(index[last[0]]) if len(last) else None,
            index_at=int(time[last[0]]) if len(last) else None,
            rate=float(rate[then[0]]) if len(then) else None,
        )


def _newer(one: Remembered, other: Remembered) -> Remembered:
    """The last readings of two files."""
    indexed = one if (one.index_at or -1) >= (other.index_at or -1) else other
    return Remembered(
        market=one.market,
        asset_address=one.asset_address,
        newest=max(one.newest, other.newest),
        index=indexed.index,
        index_at=indexed.index_at,
        rate=other.rate if one.rate is None else one.rate,
    )


def contradictions(
    snapshot: Snapshot, forecasts: Mapping[str, RateForecast], memory: Iterable[Remembered]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """(markets whose forecasts must be dropped, one line for each contradiction that matters: of a market that we
    hold or that is open). Pure. forecasts: by market."""
    known: dict[str, list[Remembered]] = {}
    for row in memory:
        known.setdefault(row.market, []).append(row)
    refuted: set[str] = set()
    lines: list[str] = []
    times = Counter(state.market.name for state in snapshot.markets)
    called = {
        one.market.id: one.market.name if times[one.market.name] == 1 else f"{one.market.name} ({one.market.id})"
        for one in snapshot.markets
    }
    for state in snapshot.markets:
        market_id = state.market.id
        why = next((one for row in known.get(market_id, ()) if (one := _refuted(state, row))), None)
        if why is not None:
            refuted.add(market_id)
        if not state.held and state.status is not Status.ACTIVE:
            continue  # no money is there and none may go in: nothing depends on it
        if why is not None:
            lines.append(f"{called[market_id]}: memory {why}: the chain counts, and nothing is forecast")
        elif (said := forecasts.get(market_id)) is not None and state.status is not Status.ACTIVE:
            expected = f"memory forecasts {_apy(said):z.2%} APY over {days_long(said.days)}"
            lines.append(
                f"{called[market_id]}: {expected}, the "
                f"chain says that it is {state.status.value}: the chain counts, and nothing goes in"
            )
    return frozenset(refuted), tuple(lines)


def _apy(said: RateForecast) -> float:
    return Apr(said.mean).compounded(said.days * DAY_SECONDS).value


def _refuted(state: MarketState, row: Remembered) -> str | None:
    """What memory states about a market that the chain shows to be wrong; None: nothing."""
    own, moment = key_of(state).asset_address, state.block.timestamp
    if row.asset_address and row.asset_address != own:
        return f"has it as a market of {row.asset_address}, the chain of {own} ({state.market.asset.symbol})"
    if row.newest > moment + AHEAD_SECONDS:
        return f"has readings of {_when(row.newest)}, the chain's block is of {_when(moment)}"
    if row.rate is not None and not math.isclose(row.rate, state.quoted.value, rel_tol=SAME_RATE, abs_tol=SAME_RATE):
        return f"has a rate of {row.rate:z.4%} at the time of this block, the chain says {state.quoted.value:z.4%}"
    if row.index is not None and state.index is not None and state.index < row.index * (1.0 - FALLEN):
        seen = _when(row.index_at or 0)
        was, now = significant(row.index, 8), significant(state.index, 8)
        return f"saw its index at {was} on {seen}, the chain says {now}, and it can only rise"
    return None


def _when(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
