"""Queries of memory: its markets, one market's readings, pandas frames, a panel, or any SQL. What decides asks
``market_spans`` and ``stored_panel`` alone, so that no DuckDB is loaded beside a key."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from yieldbot.errors import ConfigError
from yieldbot.history import columns, files
from yieldbot.history.market_spans import Span as Span
from yieldbot.history.market_spans import markets as markets
from yieldbot.history.reading import Fault, MarketKey, Reading, add_new
from yieldbot.history.store import TRIES, Store, read, unreadable
from yieldbot.history.stored_panel import panel as panel

if TYPE_CHECKING:
    import duckdb
    import pandas

SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_file_cache": "false",
}
"""DuckDB settings: no extension is downloaded or loaded, and no file is cached; Parquet support is built in."""
VIEW = "readings"
T = TypeVar("T")


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
