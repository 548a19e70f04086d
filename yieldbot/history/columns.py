"""Readings as Parquet columns, and back. Schema ``yieldbot/history/v1``.

One row is one reading: the fields of ``Reading`` and of its key. Doubles are stored exactly. The rates after a deposit
are stored with seven digits; they follow from the curve, which is stored exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from yieldbot.history.arrow import column
from yieldbot.history.reading import STANDARD_SIZES, MarketKey, Reading
from yieldbot.model.json_text import loads

if TYPE_CHECKING:
    import pyarrow

SCHEMA = "yieldbot/history/v1"
KEY = ("chain", "market", "protocol", "asset", "asset_address")
AFTER = tuple(f"after_{size:.0e}".replace("e+0", "e") for size in STANDARD_SIZES)
"""Columns with the supply rate after a deposit of each standard size: ``after_1e3`` to ``after_1e7``."""
NUMBERS = (
    "supply_rate",
    "mean_rate",
    "index",
    "borrow_rate",
    "utilisation",
    "supplied",
    "borrowed",
    "cash",
    "capacity",
    "reserve_factor",
    "held",
    "price_usd",
    "traded_usd",
    "token_supply",
)
LATER = frozenset({"traded_usd", "token_supply", "backing"})
"""Columns that older files do not have."""
WORDS = ("source", "status")
WHOLE = ("time", "height", "mean_since")
TEXTS = (*KEY, *WORDS, "rewards", "flags", "backing")
COLUMNS = (*KEY, "time", "height", *WORDS, "supply_rate", "mean_rate", "mean_since", *NUMBERS[2:], *AFTER)
"""Every column in order, before ``rewards``, ``flags``, ``backing`` and ``curve``."""
ROW_GROUP = 8192
"""Rows of a Parquet row group. Files are sorted by market, so that one market's readings are in few groups."""


@cache
def schema() -> pyarrow.Schema:
    """The columns' types. ``rewards`` and ``flags`` are JSON lists, ``backing`` is a JSON object; null if empty.
    Older files without the columns of ``LATER`` can be read too."""
    import pyarrow as pa

    types: dict[str, Any] = dict.fromkeys((*TEXTS, "curve"), pa.string())
    types |= dict.fromkeys(WHOLE, pa.int64()) | dict.fromkeys(NUMBERS, pa.float64())
    types |= dict.fromkeys(AFTER, pa.float32())
    always = {*KEY, *WORDS, "time"}
    names = (*COLUMNS, "rewards", "flags", "backing", "curve")
    return pa.schema([pa.field(name, types[name], name not in always) for name in names])


def table(readings: Sequence[Reading]) -> pyarrow.Table:
    """Readings as an Arrow table, ascending by market and time."""
    import pyarrow as pa

    rows = sorted(readings, key=lambda one: (one.key.chain, one.key.market, one.time))
    columns: dict[str, list[Any]] = {name: [getattr(one.key, name) for one in rows] for name in KEY}
    columns |= {name: [getattr(one, name) for one in rows] for name in (*WHOLE, *WORDS, *NUMBERS, "curve")}
    for at, name in enumerate(AFTER):
        columns[name] = [None if one.rates_after is None else one.rates_after[at] for one in rows]
    columns["rewards"] = [_json([dict(reward) for reward in one.rewards]) for one in rows]
    columns["flags"] = [_json(list(one.flags)) for one in rows]
    columns["backing"] = [_json(dict(one.backing)) for one in rows]
    return pa.Table.from_arrays([column(columns[one.name], one.type) for one in schema()], schema=schema())


def _json(values: list[Any] | dict[str, Any]) -> str | None:
    return json.dumps(values, separators=(",", ":"), default=str) if values else None


def readings(content: pyarrow.Table) -> list[Reading]:
    """The readings in a table of ``schema``."""
    return [_reading(row) for row in content.to_pylist()]


def _reading(row: dict[str, Any]) -> Reading:
    after = tuple(row[name] for name in AFTER)
    return Reading(
        key=MarketKey(**{name: row[name] for name in KEY}),
        rates_after=None if None in after else after,
        rewards=tuple(loads(row["rewards"] or "[]")),
        flags=tuple(loads(row["flags"] or "[]")),
        backing=backing_of(row["backing"]),
        curve=row["curve"],
        **{name: row[name] for name in (*WHOLE, *WORDS, *NUMBERS)},
    )


def backing_of(text: str | None) -> tuple[tuple[str, float], ...]:
    """Parse the cell ``backing``."""
    return tuple((str(token), float(raw)) for token, raw in loads(text).items()) if text else ()


def completed(content: pyarrow.Table, wanted: Sequence[str]) -> pyarrow.Table:
    """A table with exactly these columns; those that are newer than the file are null. Raises KeyError if the file
    lacks a column that every file must have."""
    import pyarrow as pa

    for name in wanted:
        if name in LATER and name not in content.column_names:
            kind = schema().field(name).type
            content = content.append_column(name, pa.nulls(content.num_rows, kind))
    return content.select(list(wanted))


def written(content: pyarrow.Table, to: Any) -> None:
    """Serialise a table as Parquet, with zstd and a checksum for each page."""
    from pyarrow import parquet

    with parquet.ParquetWriter(
        to,
        schema(),
        compression="zstd",
        compression_level=6,
        use_dictionary=list(TEXTS),
        use_byte_stream_split=[*NUMBERS, *AFTER],
        column_encoding=dict.fromkeys(WHOLE, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
        store_schema=False,
    ) as file:
        file.write_table(content, row_group_size=ROW_GROUP)
        file.add_key_value_metadata({"schema": SCHEMA})


def keys_of(rows: Iterable[Reading]) -> tuple[MarketKey, ...]:
    """The markets of readings, each once, in order of appearance."""
    return tuple(dict.fromkeys(one.key for one in rows))
