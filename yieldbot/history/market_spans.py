"""Which markets memory has, with the number and the time of their readings.

DuckDB would answer this in one query, but its library takes 50 MiB of each process that decides, and 0.2 s to start.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.history.arrow import as_numpy, coded
from yieldbot.history.columns import KEY
from yieldbot.history.files import Stored
from yieldbot.history.grid import key_order
from yieldbot.history.once import file_state, once
from yieldbot.history.reading import Fault, MarketKey
from yieldbot.history.store import Asked, Store, read_stored
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import pyarrow

SMALL_BYTES = 32 * 1024
"""What a smaller file says is not kept: it is read as fast."""


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

    def __add__(self, other: Span) -> Span:
        """All readings of both, named as in the newest one."""
        key = self.key if self.last >= other.last else other.key
        return Span(key, self.rows + other.rows, min(self.first, other.first), max(self.last, other.last))


def markets(store: Store, chain: str | None = None, faults: list[Fault] | None = None) -> tuple[Span, ...]:
    """Every market that has readings, by chain, protocol, asset and name; each is named as in its newest reading. A
    file that cannot be read is skipped, and reported in ``faults``."""
    found: dict[tuple[str, str], Span] = {}
    read: dict[Path, tuple[Span, ...]] = {}

    def reader(file: Stored, asked: Asked) -> pyarrow.Table:
        state = file_state(file.path)
        if state[2] < SMALL_BYTES:
            read[file.path], mark = _of_file(file, asked)
        else:
            read[file.path], mark = once("file spans", state, lambda: _of_file(file, asked), most=128)
        return mark

    for _, file in store.tables(chain, wanted=(*KEY, "time"), faults=faults, coded=KEY, reader=reader):
        for span in read[file.path]:
            name = (span.key.chain, span.key.market)
            if chain is None or span.key.chain == chain:
                found[name] = found[name] + span if name in found else span
    return tuple(sorted(found.values(), key=lambda one: key_order(one.key)))


def _of_file(file: Stored, asked: Asked) -> tuple[tuple[Span, ...], pyarrow.Table]:
    """(a file's markets, a table with one row if it has any)."""
    import pyarrow as pa

    content = read_stored(file, asked)
    mark = pa.table({"row": pa.nulls(min(1, content.num_rows))})
    return tuple(_spans(content)), mark


def _spans(content: pyarrow.Table) -> Iterator[Span]:
    """The markets of one file."""
    import numpy as np

    columns = {name: coded(content[name]) for name in KEY}
    time = as_numpy(content["time"])
    cell = columns["chain"][0] * len(columns["market"][1]) + columns["market"][0]
    order = np.lexsort((time, cell))
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        oldest, newest = order[first], order[end - 1]
        key = {name: str(words[codes[newest]]) for name, (codes, words) in columns.items()}
        yield Span(MarketKey(**key), end - first, int(time[oldest]), int(time[newest]))
