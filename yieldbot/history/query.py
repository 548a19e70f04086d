"""What is asked of memory: its markets, one market's readings, frames of pandas, a panel, or anything by SQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.errors import ConfigError
from yieldbot.history import columns, files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.grid import DAY, NUMBERS, Filler, ReadingColumns, grid_times, key_order, youngest_phase
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault, MarketKey, Reading, add_new
from yieldbot.history.store import TRIES, Store, read, unreadable

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
"""DuckDB fetches and loads nothing of others, and keeps nothing of files; what Parquet needs is part of it."""
VIEW = "readings"
T = TypeVar("T")
_COUNTS = ("rows", "first", "last")


@dataclass(frozen=True, slots=True)
class Span:
    """How many readings memory has of one market, and from when."""

    key: MarketKey
    """The market."""
    rows: int
    """Number of readings."""
    first: int
    """Unix seconds of the oldest reading."""
    last: int
    """Unix seconds of the newest reading."""


_opened: dict[int, duckdb.DuckDBPyConnection] = {}
"""Our own questions' DuckDB, by the process that opened it: a fork has none of its threads, and opens another."""


@contextmanager
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory, which fetches and loads no extension, and draws no bar (on stdout, where --json writes)."""
    import duckdb

    connection = duckdb.connect(config=dict(SETTINGS))
    try:
        connection.execute("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


@contextmanager
def _kept_open() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to one ``database()`` for as long as the process runs: to open it takes longer than most questions.
    It keeps nothing of files, and what one connection makes no other sees."""
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
    """A query over the view ``readings``, as a frame; chain, start and end say which files are looked at at all.

    A file that cannot be read is left out, and named in ``faults``. Raises ConfigError for a query that is none.
    """

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
    """What ``sql`` gives, of a query that changes nothing, as values by the names of their columns: without pandas."""

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
    """See ``sql``. where: chain, start and end. answer: of the query that was executed."""
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
    """No row, with every column."""
    types = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "float": "FLOAT"}
    names = ", ".join(f"NULL::{types[str(one.type)]} AS {one.name}" for one in columns.schema())
    return f"SELECT {names} WHERE false"


def _unreadable(path: str) -> Fault | None:
    from pathlib import Path

    try:
        read(Path(path))
    except FileNotFoundError:
        return None  # made one with others meanwhile
    except unreadable() as failure:
        return Fault(path, f"cannot be read and is left out: {failure}", kind="file")
    return None


def markets(store: Store, chain: str | None = None, faults: list[Fault] | None = None) -> tuple[Span, ...]:
    """Every market of which there is a reading, by chain, protocol, asset and name, called as by its newest reading."""
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
    """One market's readings as a frame of pandas, ascending by time. Raises ConfigError for a column that is none."""
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
    """Readings, ascending by chain, market and time. Of a whole folder they may be more than fit: see ``panel``."""
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
    """What ``grid.panel`` gives of the same readings, a month after the other, so that many fit into little memory.
    spans: what ``markets`` has just said of the same store and chain, where the caller knows.

    Raises ValueError where there is no reading at all.
    """
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
    """Each chain's months as they are needed, the next one read while the one before is worked on."""
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
    """Tables as the columns that a panel is made from, of the markets that have a code."""
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
    """``youngest_phase`` of the newest month that there is."""
    import numpy as np

    times = [
        as_numpy(content["time"])
        for chain in sorted(chains)
        for content, _ in store.tables(chain, last - 31 * DAY, last, ("time",))
    ]
    return youngest_phase(np.concatenate(times), step)
