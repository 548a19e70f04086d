"""A cache of days that are over: the last reading of each market and step, kept beside memory; and of the newest day,
what files of a whole month have of it.

Without it every run would read nine whole days for its alarms, and all of a month that was imported or merged. A cached
day is valid while the files it was made from exist with the same names and sizes. Files are never changed, so what one
of them has of a day is final.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.history import columns, files
from yieldbot.history.arrow import as_numpy
from yieldbot.history.reading import Fault
from yieldbot.history.store import Asked, Store, read_stored, unreadable
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import pyarrow

DAY = 86_400
WHOLE = 1
"""Step in seconds of a day of which each reading is kept."""
PREFIX, SUFFIX, VERSION = "recent-", ".cache", b"1"
"""Prefix and suffix of the names of cached days, and the version of their content."""


def tables(
    store: Store,
    chain: str,
    start: int,
    end: int,
    whole: Sequence[tuple[int, int]],
    step_of: Callable[[int], int],
    wanted: Sequence[str],
    coded: Sequence[str],
) -> Iterator[pyarrow.Table]:
    """The readings of a chain from ``start`` to ``end`` (unix seconds, both included). Days that are over and do not
    touch a span of ``whole`` (first and last second) are thinned to the last reading of each step; ``step_of`` gives
    the step by the day's first second. Of those that touch one each reading is cached. Raises as ``Store``."""
    first, last = start // DAY, end // DAY
    steps = {
        day: WHOLE if any(low < (day + 1) * DAY and high >= day * DAY for low, high in whole) else step_of(day * DAY)
        for day in range(first, last)
    }
    kept = {
        day: _kept(_place(store, chain, day), partial(_key, store, chain, day, step, wanted), coded)
        for day, step in steps.items()
    }
    missing = {day: steps[day] for day, content in kept.items() if content is None}
    if missing:
        kept |= _made(store, chain, missing, wanted, coded)
    _cleared(store, chain, first)
    for content in kept.values():
        if content is not None and content.num_rows:
            times = as_numpy(content["time"])
            yield content if times.min() >= start else content.filter(_mask(times >= start))
    raw = [day for day in range(first, last + 1) if day not in kept]
    for low, high in _spans(raw):
        one_day = low // DAY if low // DAY == high // DAY else None
        reader = read_stored if one_day is None else _Sliced(store, chain, one_day, wanted, coded).read
        for content, _ in store.tables(chain, max(start, low), min(end, high), wanted, coded=coded, reader=reader):
            yield content


def _spans(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Consecutive days as spans (first second, last second)."""
    begun: int | None = None
    for day in days:
        begun = day if begun is None else begun
        if day + 1 not in days:
            yield begun * DAY, (day + 1) * DAY - 1
            begun = None


def _place(store: Store, chain: str, day: int) -> Path:
    name = f"{PREFIX}{datetime.fromtimestamp(day * DAY, UTC):%Y-%m-%d}{SUFFIX}"
    return files.folder_of(store.folder, chain, name)


def _key(store: Store, chain: str, day: int, step: int, wanted: Sequence[str]) -> bytes:
    """Cache key of a day."""
    named = [
        f"{one.path.name} {one.path.stat().st_size}"
        for one in files.within(store.folder, chain, day * DAY, (day + 1) * DAY - 1)
    ]
    return (
        hashlib.sha256("\n".join([VERSION.decode(), str(step), *wanted, *sorted(named)]).encode()).hexdigest().encode()
    )


def _kept(place: Path, key_of: Callable[[], bytes], coded: Sequence[str]) -> pyarrow.Table | None:
    from pyarrow import parquet

    try:
        key = key_of()
        with parquet.ParquetFile(place, page_checksum_verification=True, read_dictionary=list(coded)) as file:
            if (file.metadata.metadata or {}).get(b"key") == key:
                return file.read(use_threads=False)
    except unreadable():
        pass  # it is computed again
    return None


@dataclass(frozen=True, slots=True)
class _Sliced:
    """Reads one day; what a file of a whole month has of it is cached."""

    store: Store
    """Where the files are."""
    chain: str
    """The chain's id."""
    day: int
    """Days since 1970."""
    wanted: Sequence[str]
    """Names of the columns."""
    coded: Sequence[str]
    """Text columns that are read as dictionaries."""

    def read(self, file: files.Stored, asked: Asked) -> pyarrow.Table:
        """The rows of a file that are asked for. Raises as ``store.read``."""
        if file.span != file.month:
            return read_stored(file, asked)
        name = f"{PREFIX}{datetime.fromtimestamp(self.day * DAY, UTC):%Y-%m-%d}-{file.number:06d}{SUFFIX}"
        place = files.folder_of(self.store.folder, self.chain, name)
        words = [VERSION.decode(), file.path.name, str(file.path.stat().st_size), str(self.day), *self.wanted]
        key = hashlib.sha256("\n".join(words).encode()).hexdigest().encode()
        content = _kept(place, lambda: key, self.coded)
        if content is None:
            whole = replace(asked, start=self.day * DAY, end=(self.day + 1) * DAY - 1)
            content = read_stored(file, whole)
            with contextlib.suppress(OSError):
                _keep(place, _plain(content, _texts(self.wanted)), key)
        times = as_numpy(content["time"])
        low = self.day * DAY if asked.start is None else asked.start
        high = (self.day + 1) * DAY - 1 if asked.end is None else asked.end
        inside = (times >= low) & (times <= high)
        return content if inside.all() else content.filter(_mask(inside))


def _made(
    store: Store, chain: str, steps: Mapping[int, int], wanted: Sequence[str], coded: Sequence[str]
) -> dict[int, pyarrow.Table]:
    """Thinned days; they are cached if all of their files could be read."""
    import pyarrow as pa

    faults: list[Fault] = []
    days = sorted(steps)
    keys = {day: _key(store, chain, day, step, wanted) for day, step in steps.items()}
    parts: dict[int, list[pyarrow.Table]] = {day: [] for day in days}
    texts = _texts(wanted)
    for content, _ in store.tables(chain, days[0] * DAY, (days[-1] + 1) * DAY - 1, wanted, None, faults, coded):
        times = as_numpy(content["time"])
        for day in days:
            mine = (times >= day * DAY) & (times < (day + 1) * DAY)
            if mine.any():
                parts[day].append(content.filter(_mask(mine)))
    found: dict[int, pyarrow.Table] = {}
    for day, tables_of in parts.items():
        plain = [_plain(_last_of_steps(one, steps[day]), texts) for one in tables_of]
        if not plain:
            continue
        found[day] = _last_of_steps(pa.concat_tables(plain), steps[day])
        if not faults:
            with contextlib.suppress(OSError):
                _keep(_place(store, chain, day), found[day], keys[day])
    return found


def _texts(wanted: Sequence[str]) -> list[str]:
    import pyarrow as pa

    return [name for name in wanted if columns.schema().field(name).type == pa.string()]


def _plain(content: pyarrow.Table, texts: Sequence[str]) -> pyarrow.Table:
    import pyarrow as pa

    for name in texts:
        if content[name].type != pa.string():
            content = content.set_column(content.column_names.index(name), name, content[name].cast(pa.string()))
    return content


def _last_of_steps(content: pyarrow.Table, step: int) -> pyarrow.Table:
    """The last reading of each market in each step (seconds), ascending by market and time."""
    import numpy as np
    import pyarrow as pa

    market = content["market"].combine_chunks()
    whole = market.chunk(0) if isinstance(market, pa.ChunkedArray) else market
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    times, code = as_numpy(content["time"]), as_numpy(coded.indices)
    order = np.lexsort((times, code))
    code, cells = code[order], times[order] // step
    last = np.append((np.diff(code) != 0) | (np.diff(cells) != 0), True)[: len(code)]
    rows = np.ascontiguousarray(order[last], dtype=np.int64)
    return content.take(pa.Array.from_buffers(pa.int64(), rows.size, [None, pa.py_buffer(rows.tobytes())]))


def _mask(rows: Any) -> pyarrow.Array:
    """A row mask as an Arrow array."""
    import numpy as np
    import pyarrow as pa

    bits = np.packbits(rows, bitorder="little").tobytes()
    return pa.Array.from_buffers(pa.bool_(), len(rows), [None, pa.py_buffer(bits)])


def _keep(place: Path, content: pyarrow.Table, key: bytes) -> None:
    from pyarrow import parquet

    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with parquet.ParquetWriter(
            part, content.schema, compression="zstd", write_page_checksum=True, store_schema=False
        ) as file:
            file.write_table(content)
            file.add_key_value_metadata({"key": key.decode()})
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)


def _cleared(store: Store, chain: str, first: int) -> None:
    """Delete cached days that are too old to be needed."""
    oldest = _place(store, chain, first).name
    with contextlib.suppress(OSError):
        for one in _place(store, chain, first).parent.glob(f"{PREFIX}*{SUFFIX}"):
            if one.name < oldest:
                one.unlink(missing_ok=True)
