"""The panel of a folder of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from yieldbot.history import files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.grid import DAY, NUMBERS, Filler, ReadingColumns, grid_times, youngest_phase
from yieldbot.history.market_spans import Span, markets
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault, MarketKey
from yieldbot.history.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray


def panel(
    store: Store,
    *,
    step_seconds: int = DAY,
    start: int | None = None,
    end: int | None = None,
    phase_seconds: int | None = None,
    keys: Sequence[MarketKey] | None = None,
    chain: str | None = None,
    faults: list[Fault] | None = None,
    spans: Sequence[Span] | None = None,
) -> Panel:
    """As ``grid.panel``, read month by month, so that many readings need little memory. spans: a fresh result of
    ``markets`` for the same store and chain, if the caller has one. Raises ValueError if there is no reading."""
    known = spans if spans is not None else markets(store, chain, faults) if keys is None else ()
    chosen = tuple(one.key for one in known) if keys is None else tuple(keys)
    place = {(key.chain, key.market): at for at, key in enumerate(chosen)}
    used = [one for one in (known or markets(store, chain, faults)) if (one.key.chain, one.key.market) in place]
    if not used:
        raise ValueError("there is no reading to make a panel of")
    first, last = min(one.first for one in used), max(one.last for one in used)
    phase = _phase(store, step_seconds, {key.chain for key in chosen}, last) if phase_seconds is None else phase_seconds
    import numpy as np

    times = grid_times(np.array([first, last], dtype=np.int64), step_seconds, start, end, phase)
    into = Filler(chosen, times, step_seconds)
    earliest = int(times[0]) - 40 * DAY if start is not None and len(times) else None
    for content, codes in _months(store, place, times, earliest, faults):
        into.add(_columns(content, codes))
    return into.panel()


def _months(
    store: Store,
    place: dict[tuple[str, str], int],
    times: NDArray[np.int64],
    earliest: int | None,
    faults: list[Fault] | None,
) -> Iterator[tuple[list[pyarrow.Table], dict[str, int]]]:
    """The tables of each chain's months; the next month is read while the present one is processed."""
    wanted: list[tuple[str, int, int]] = []
    for chain in sorted({chain for chain, _ in place}):
        for month in files.months(store.folder, chain):
            low, high = files.bounds(month)
            if not ((earliest is not None and high < earliest) or (len(times) and low > times[-1])):
                wanted.append((chain, low, high))

    def fetch(chain: str, low: int, high: int) -> list[pyarrow.Table]:
        return [part for part, _ in store.tables(chain, low, high, _WANTED, None, faults, _CODED)]

    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(fetch, *one) for one in wanted[:1]]
        for at, (chain, _, _) in enumerate(wanted):
            content = coming.pop().result()
            coming = [reader.submit(fetch, *one) for one in wanted[at + 1 : at + 2]]
            if content:
                yield content, {market: code for (its, market), code in place.items() if its == chain}


_CODED = ("market", "status")
_WANTED = ("market", "time", "status", *NUMBERS)


def _columns(content: Sequence[pyarrow.Table], codes: dict[str, int]) -> ReadingColumns:
    """Tables as ``ReadingColumns``, only of the markets that have a code."""
    import numpy as np
    import pyarrow as pa

    whole = pa.concat_tables(content).unify_dictionaries().combine_chunks()
    market, status = (whole[name].combine_chunks() for name in _CODED)
    by_index = np.array([codes.get(name, -1) for name in market.dictionary.to_pylist()], dtype=np.int64)
    code = by_index[as_numpy(market.indices)]
    free = np.array([name == "active" for name in status.dictionary.to_pylist()], dtype=np.bool_)
    blocked = ~free[as_numpy(status.indices)]
    chosen: Any = slice(None) if (code >= 0).all() else code >= 0
    numbers = {name: _floats(whole[name], chosen) for name in NUMBERS}
    return ReadingColumns(code[chosen], as_numpy(whole["time"])[chosen], blocked[chosen], numbers)


def _floats(column: pyarrow.ChunkedArray, chosen: Any) -> NDArray[np.float64]:
    import numpy as np

    found: NDArray[np.float64] = as_numpy(column).astype(np.float64, copy=False)[chosen]
    return found


def _phase(store: Store, step: int, chains: set[str], last: int) -> int:
    """``youngest_phase`` of the newest month."""
    import numpy as np

    times = [
        as_numpy(content["time"])
        for chain in sorted(chains)
        for content, _ in store.tables(chain, last - 31 * DAY, last, ("time",))
    ]
    return youngest_phase(np.concatenate(times), step)
