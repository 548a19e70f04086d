"""Queries of memory: its markets, one market's readings, pandas frames, a panel, or any SQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.errors import ConfigError
from yieldbot.history import columns, files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.grid import DAY, NUMBERS, Filler, ReadingColumns, grid_times, key_order, youngest_phase
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault, MarketKey, Reading, add_new
from yieldbot.history.store import TRIES, Store, read, unreadable
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas
    import pyarrow
    from numpy.typing import NDArray

SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_file_cache": "false",
}
"""DuckDB settings: no extension is downloaded or loaded, and no file is cached; Parquet support is built in."""
VIEW = "readings"
T = TypeVar("T")
_COUNTS = ("rows", "first", "last")


@dataclass(frozen=True, slots=True)
class Span:
    """Number and time span of the readings of one market."""

    key: MarketKey
    """The market."""
    rows: int
    """Number of readings."""
    first: int
    """Unix seconds of the oldest reading."""
    last: int
    """Unix seconds of the newest reading."""


_opened: dict[int, duckdb.DuckDBPyConnection] = {}
"""The open DuckDB connection by process id: after a fork the child has none of its threads and opens another."""


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that downloads and loads no extension, and draws no progress bar (it would go to stdout,
    where --json writes)."""
    import duckdb

    connection = duckdb.connect(config=dict(SETTINGS))
    try:
        connection.execute("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


@contextmanager
def _kept_open() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that stays open as long as the process, because opening one takes longer than most queries. It
    caches no file, and other connections do not see what one creates."""
    import duckdb

    if os.getpid() not in _opened:
        _opened[os.getpid()] = duckdb.connect(config=dict(SETTINGS))
    with _opened[os.getpid()].cursor() as connection:
        connection.execute("SET enable_progress_bar = false")
        yield connection


def sql(
    store: Store,
    query: str,
    parameters: Sequence[object] | Mapping[str, object] = (),
    chain: str | None = None,
    start: int | None = None,
    end: int | None = None,
    faults: list[Fault] | None = None,
) -> pandas.DataFrame:
    """The result of a SQL query over the view ``readings``, as a pandas frame. chain, start and end limit the files
    that are read. A file that cannot be read is skipped, and reported in ``faults``. Raises ConfigError for an
    invalid query."""

    def frame_of(found: duckdb.DuckDBPyConnection) -> pandas.DataFrame:
        return found.df()

    return _asked(store, query, parameters, (chain, start, end), faults, database, frame_of)


def rows(
    store: Store,
    query: str,
    parameters: Sequence[object] | Mapping[str, object] = (),
    chain: str | None = None,
    start: int | None = None,
    end: int | None = None,
    faults: list[Fault] | None = None,
) -> list[dict[str, Any]]:
    """As ``sql``, for a read-only query: lists of values by column, without pandas."""

    def named(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        names = [str(one[0]) for one in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return _asked(store, query, parameters, (chain, start, end), faults, _kept_open, named)


def _asked(
    store: Store,
    query: str,
    parameters: Sequence[object] | Mapping[str, object],
    where: tuple[str | None, int | None, int | None],
    faults: list[Fault] | None,
    connected: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    answer: Callable[[duckdb.DuckDBPyConnection], T],
) -> T:
    """See ``sql``. where: chain, start and end. answer: makes the result from the executed query."""
    import duckdb

    bad: set[str] = set()
    for _ in range(TRIES):
        paths = [str(one.path) for one in files.within(store.folder, *where)]
        paths = [path for path in paths if path not in bad]
        with connected() as connection:
            try:
                connection.execute(f"CREATE TEMP VIEW {VIEW} AS {_source(paths)}")
                given = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
                return answer(connection.execute(query, given))
            except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as failure:
                raise ConfigError(f"this query cannot be answered: {failure}") from None
            except duckdb.Error:
                for path in paths:
                    odd = _unreadable(path)
                    if odd is not None:
                        bad.add(path)
                        if faults is not None:
                            add_new(faults, [odd])
    raise ConfigError(f"{store.folder} cannot be read: `yieldbot history verify` names what is wrong there")


def _source(paths: Sequence[str]) -> str:
    none = _nothing()
    if not paths:
        return none
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    # Older files lack columns that came later, and all of a folder may be older.
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true) UNION ALL BY NAME {none}"


def _nothing() -> str:
    """SQL of an empty result with every column."""
    types = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "float": "FLOAT"}
    names = ", ".join(f"NULL::{types[str(one.type)]} AS {one.name}" for one in columns.schema())
    return f"SELECT {names} WHERE false"


def _unreadable(path: str) -> Fault | None:
    from pathlib import Path

    try:
        read(Path(path))
    except FileNotFoundError:
        return None  # merged with others meanwhile
    except unreadable() as failure:
        return Fault(path, f"cannot be read and is left out: {failure}", kind="file")
    return None


def markets(store: Store, chain: str | None = None, faults: list[Fault] | None = None) -> tuple[Span, ...]:
    """Every market that has readings, by chain, protocol, asset and name; each is named as in its newest reading."""
    names = ", ".join(f"arg_max({name}, time) AS {name}" for name in columns.KEY[2:])
    counts = "count(*) AS rows, min(time) AS first, max(time) AS last"
    query = f"SELECT chain, market, {names}, {counts} FROM {VIEW} GROUP BY chain, market"
    spans = [
        Span(MarketKey(**{name: row[name] for name in columns.KEY}), *(int(row[name]) for name in _COUNTS))
        for row in rows(store, query, chain=chain, faults=faults)
        if chain is None or row["chain"] == chain
    ]
    return tuple(sorted(spans, key=lambda one: key_order(one.key)))


def frame(
    store: Store,
    key: MarketKey,
    start: int | None = None,
    end: int | None = None,
    wanted: Sequence[str] = ("time", "supply_rate", "mean_rate", "utilisation", "supplied", "cash"),
    faults: list[Fault] | None = None,
) -> pandas.DataFrame:
    """One market's readings as a pandas frame, ascending by time. Raises ConfigError for an unknown column."""
    if unknown := [name for name in wanted if name not in columns.schema().names]:
        raise ConfigError(f"memory has no column {', '.join(unknown)}: it has {', '.join(columns.schema().names)}")
    import pyarrow as pa

    found = list(store.tables(key.chain, start, end, list(dict.fromkeys([*wanted, "time"])), key.market, faults))
    if not found:
        return columns.schema().empty_table().select(list(wanted)).to_pandas()
    whole = pa.concat_tables([content for content, _ in found]).sort_by("time")
    return whole.select(list(wanted)).to_pandas()


def readings(
    store: Store,
    chain: str | None = None,
    market: str | None = None,
    start: int | None = None,
    end: int | None = None,
    faults: list[Fault] | None = None,
) -> list[Reading]:
    """Readings, ascending by chain, market and time. Those of a whole folder may not fit into memory: use ``panel``."""
    found: list[Reading] = []
    for content, _ in store.tables(chain, start, end, None, market, faults):
        found += columns.readings(content)
    return sorted(found, key=lambda one: (one.key.chain, one.key.market, one.time))


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
