"""Memory on disk: readings are added and never changed.

Writers hold the folder's lock; readers need none. A file is written under a temporary name, flushed to the disk and
renamed, so that it exists completely or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from yieldbot.history import columns, files
from yieldbot.history.arrow import as_numpy, scalar
from yieldbot.history.reading import Fault, Reading, add_new
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import pyarrow

LOCK = ".lock"
WAIT_SECONDS = 30.0
MANY = 24
"""Number of files of a day, or of a month that is over, from which they are merged into one."""
DAMAGED = ".damaged"
"""Suffix added to the name of an unreadable file when the others of its span are merged; the file is kept."""
UNFINISHED_SECONDS = 3600
"""Seconds after which an unfinished file counts as abandoned."""
TRIES = 5
"""Attempts at reading, since a file may be replaced between listing the folder and opening it."""

_serial = count()

Reader = Callable[[files.Stored, "Asked"], "pyarrow.Table"]
"""Reads a file's rows, as ``read_stored`` does."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The result of adding readings to memory."""

    rows: int = 0
    """Number of readings added."""
    known: int = 0
    """Number of readings that existed already: same market, same time."""
    failure: str = ""
    """Why some or all of the readings were not stored, in one line; empty: all were."""

    def __add__(self, other: Appended) -> Appended:
        return Appended(self.rows + other.rows, self.known + other.known, self.failure or other.failure)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to read of a file: see ``Store.tables``."""

    start: int | None = None
    """Earliest time, unix seconds; None: from the first on."""
    end: int | None = None
    """Latest time; None: to the last."""
    wanted: Sequence[str] | None = None
    """Names of columns; None: all."""
    market: str | None = None
    """A market's id; None: all."""
    coded: Sequence[str] = ()
    """Text columns to be read as codes (dictionaries)."""

    def within(self, span: str) -> Asked:
        """This query without the time bounds that contain the file's whole day or month, so that its rows need no
        filter. span: the file's day or month."""
        first, last = files.bounds(span)
        start = None if self.start is None or self.start <= first else self.start
        end = None if self.end is None or self.end >= last else self.end
        return replace(self, start=start, end=end)


class Store:
    """The readings in one folder, which is created when the first one is stored. wait_seconds: how long to wait for
    another writer."""

    def __init__(self, folder: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        self.folder, self.wait_seconds = folder, wait_seconds

    def append(self, readings: Iterable[Reading]) -> Appended:
        """Add readings. One market at one time is one row, and the existing one stays. If the disk refuses, this
        reading and the following ones are not stored; the answer says why and no error is raised."""
        by_month: dict[tuple[str, str], list[Reading]] = defaultdict(list)
        for one in readings:
            by_month[one.key.chain, files.span_of_day(one.time)[:7]].append(one)
        kept = Appended()
        try:
            if by_month:
                with self._locked():
                    for (chain, month), rows in sorted(by_month.items()):
                        kept += self._append(chain, month, rows)
        except (OSError, Timeout) as failure:
            return Appended(kept.rows, kept.known, self._words(failure, kept.rows))
        return kept

    def _append(self, chain: str, month: str, rows: list[Reading]) -> Appended:
        folder = files.folder_of(self.folder, chain, month)
        days = sorted({files.span_of_day(one.time) for one in rows})
        first, last = files.bounds(days[0])[0], files.bounds(days[-1])[1]
        known = self._known(chain, first, last)
        fresh: dict[tuple[str, int], Reading] = {}
        for one in rows:
            if (one.key.market, one.time) not in known:
                fresh.setdefault((one.key.market, one.time), one)
        if fresh:
            span = days[0] if len(days) == 1 else month
            _write(folder, span, whole=False, content=columns.table(list(fresh.values())))
        return Appended(len(fresh), len(rows) - len(fresh))

    def _known(self, chain: str, start: int, end: int) -> set[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        for content, _ in self.tables(chain, start, end, ("market", "time")):
            found.update(zip(content["market"].to_pylist(), content["time"].to_pylist(), strict=True))
        return found

    def tables(
        self,
        chain: str | None = None,
        start: int | None = None,
        end: int | None = None,
        wanted: Sequence[str] | None = None,
        market: str | None = None,
        faults: list[Fault] | None = None,
        coded: Sequence[str] = (),
        reader: Reader | None = None,
    ) -> Iterator[tuple[pyarrow.Table, files.Stored]]:
        """The readings from ``start`` to ``end`` (unix seconds), one table for each file in effect, by chain and
        month. wanted: only these columns. coded: of these, text columns to be read as dictionaries (codes and their
        texts). reader: reads the files, in the place of ``read_stored``. A file that cannot be read is skipped, and
        reported in ``faults``."""
        for one in files.chains(self.folder) if chain is None else [chain]:
            for month in files.months(self.folder, one):
                odd = list[Fault]()
                asked = Asked(start, end, wanted, market, coded)
                yield from self._month(one, month, asked, odd, reader or read_stored)
                if faults is not None:
                    add_new(faults, odd)

    def _month(
        self, chain: str, month: str, asked: Asked, faults: list[Fault], reader: Reader
    ) -> list[tuple[pyarrow.Table, files.Stored]]:
        """A month's tables, all in effect at one moment."""
        for attempt in range(TRIES):
            found, odd = [], list[Fault]()
            try:
                for file in files.of_month(self.folder, chain, month, asked.start, asked.end):
                    try:
                        content = reader(file, asked.within(file.span))
                    except FileNotFoundError:
                        raise
                    except unreadable() as failure:
                        odd.append(Fault(str(file.path), f"cannot be read and is left out: {failure}", kind="file"))
                        continue
                    if content.num_rows:
                        found.append((content, file))
            except FileNotFoundError:  # merged with others meanwhile: list again
                if attempt == TRIES - 1:
                    raise
                continue
            faults += odd
            return found
        return []

    def compact(self, now: int | None = None, everything: bool = False) -> int:
        """Merge the many files of a day, or of a month that is over, into one; returns the number of files removed.
        everything: also if there are few. Raises OSError if the disk refuses; nothing is lost then."""
        now = int(time.time()) if now is None else now
        gone = 0
        with self._locked():
            for chain in files.chains(self.folder):
                for month in files.months(self.folder, chain):
                    gone += self._compact(chain, month, now, everything)
        return gone

    def compact_if_due(self, chain: str, now: int) -> None:
        """Merge files if they have become many. Raises OSError as ``compact``."""
        for month in files.months(self.folder, chain):
            folder = files.folder_of(self.folder, chain, month)
            present = files.counting(files.in_folder(folder))
            if len(present) >= MANY:
                with self._locked():
                    self._compact(chain, month, now, everything=False)

    def _compact(self, chain: str, month: str, now: int, everything: bool) -> int:
        folder = files.folder_of(self.folder, chain, month)
        every = files.in_folder(folder)
        present = files.counting(every)
        gone = _cleared(folder, set(every) - set(present), now)
        if files.bounds(month)[1] < now:
            if len(present) >= (2 if everything else MANY):
                gone += _merged(folder, month, present)
            return gone
        by_day: dict[str, list[files.Stored]] = defaultdict(list)
        for one in present:
            if one.span != month:
                by_day[one.span].append(one)
        for day, parts in sorted(by_day.items()):
            over = files.bounds(day)[1] < now
            if len(parts) >= (2 if everything or over else MANY):
                gone += _merged(folder, day, parts)
        return gone

    def _words(self, failure: Exception, rows: int) -> str:
        """Why only so many rows were stored, and the remedy."""
        new = counted(rows, "new reading is", "new readings are")
        what = f"only {new} remembered" if rows else "nothing is remembered"
        if isinstance(failure, Timeout):
            return (
                f"{self.folder}: another process has been writing there for {self.wait_seconds:z.0f} s: not remembered"
            )
        number = failure.errno if isinstance(failure, OSError) else None
        said = os.strerror(number) if number else str(failure)
        remedy = "make room" if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "see who may write there"
        return f"{self.folder}: {what} ({said}): {remedy}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.folder / LOCK, timeout=self.wait_seconds):
            yield


_WHOLE = Asked()


def unreadable() -> tuple[type[Exception], ...]:
    import pyarrow

    return OSError, ValueError, KeyError, pyarrow.ArrowException


def read(path: Path, asked: Asked = _WHOLE) -> pyarrow.Table:
    """A file's rows, with the checksum of each page verified. Raises FileNotFoundError, and one of ``unreadable()``
    for a file that is damaged or of another schema."""
    import pyarrow as pa
    from pyarrow import compute

    with _opened(path, asked.coded) as file:
        said = (file.metadata.metadata or {}).get(b"schema", b"")
        if said != columns.SCHEMA.encode():
            raise ValueError(f"it is of the schema {said.decode(errors='replace')[:60]!r}, not {columns.SCHEMA}")
        names = list(columns.schema().names if asked.wanted is None else asked.wanted)
        bounded = asked.start is not None or asked.end is not None
        needed = list(dict.fromkeys([*names, *["market"] * (asked.market is not None), *["time"] * bounded]))
        groups = list(range(file.metadata.num_row_groups))
        if asked.market is not None:
            groups = [at for at in groups if _may_hold(file.metadata.row_group(at), asked.market)]
        content = file.read_row_groups(groups, columns=needed)
    mask = None
    if asked.market is not None:
        mask = compute.equal(content["market"], scalar(asked.market, pa.string()))
    for bound, compare in ((asked.start, compute.greater_equal), (asked.end, compute.less_equal)):
        if bound is not None:
            inside = compare(content["time"], scalar(bound, pa.int64()))
            mask = inside if mask is None else compute.and_(mask, inside)
    if mask is not None:
        content = content.filter(mask)
    return columns.completed(content, names)


def read_stored(file: files.Stored, asked: Asked) -> pyarrow.Table:
    """A file's rows, as ``read``."""
    return read(file.path, asked)


def _opened(path: Path, coded: Sequence[str]) -> pyarrow.parquet.ParquetFile:
    """Open a file so that its text columns ``coded`` are read as dictionaries."""
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, page_checksum_verification=True, read_dictionary=list(coded))
    except KeyError:  # a file of an older release lacks some
        known = [name for name in coded if name not in columns.LATER]
        return parquet.ParquetFile(path, page_checksum_verification=True, read_dictionary=known)


def _may_hold(group: pyarrow.parquet.RowGroupMetaData, market: str) -> bool:
    at = columns.schema().names.index("market")
    said = group.column(at).statistics
    return said is None or not said.has_min_max or said.min <= market <= said.max


def _merged(folder: Path, span: str, parts: Sequence[files.Stored]) -> int:
    """Merge several files into one, which is complete before the others are removed. A damaged one is kept under
    another name."""
    import pyarrow as pa

    contents, good = [], []
    for one in parts:
        try:
            contents.append(read(one.path))
            good.append(one)
        except unreadable():
            one.path.rename(one.path.with_name(one.path.name + DAMAGED))
    if len(good) < 2:
        return 0
    whole = without_twice(pa.concat_tables(contents))
    _write(folder, span, whole=True, content=whole)
    for one in good:
        one.path.unlink(missing_ok=True)
    return len(good)


def without_twice(content: pyarrow.Table) -> pyarrow.Table:
    """Rows ascending by market and time; of several with the same market and time only the first."""
    import numpy as np

    content = content.combine_chunks()
    market = content["market"].combine_chunks().dictionary_encode()
    names = np.array(market.dictionary.to_pylist(), dtype=object)
    rank = np.argsort(np.argsort(names)) if len(names) else names
    code = rank[as_numpy(market.indices)]
    moment = as_numpy(content["time"])
    order = np.lexsort((moment, code))  # a stable sort: of equals the first stays first
    code, moment = code[order], moment[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (code[1:] != code[:-1]) | (moment[1:] != moment[:-1])
    return content.take(order[fresh])


def _cleared(folder: Path, replaced: Iterable[files.Stored], now: int) -> int:
    """Remove files that are no longer in effect, and abandoned unfinished ones."""
    gone = 0
    for one in replaced:
        one.path.unlink(missing_ok=True)
        gone += 1
    for left in folder.glob(f"{files.TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < now - UNFINISHED_SECONDS:
                left.unlink()
    return gone


def _write(folder: Path, span: str, *, whole: bool, content: pyarrow.Table) -> Path:
    """Write a new file with the folder's next number. The lock must be held."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((one.number for one in files.in_folder(folder)), default=0)
    path = folder / files.name_of(span, number, whole)
    temporary = folder / f"{files.TEMPORARY}{os.getpid()}-{next(_serial)}"
    try:
        with temporary.open("wb") as file:
            columns.written(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    at = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(at)
    finally:
        os.close(at)
    return path
