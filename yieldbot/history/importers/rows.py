"""Files as rows: CSV, Parquet and JSON, packed by gzip or not, and what single cells say."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any, cast

from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads
from yieldbot.model.text import counted

EARLIEST = 1_420_070_400
"""2015-01-01: before it there was no lending on any chain."""
CLOCKS_APART = 86_400
"""Seconds that a time may lie beyond our own clock."""
EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a", "nat"})
"""What a cell without a value holds, in lower case."""
LONGEST_CELL = 100_000
MOST_HEIGHT = 2**53


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row of an imported file."""

    at: int
    """Where it stands in the file: a line, or a row of Parquet."""
    cells: Mapping[str, object]
    """Values by the names of their columns."""


@dataclass(frozen=True, slots=True)
class ImportSheet:
    """An imported file."""

    columns: tuple[str, ...]
    """Names of its columns."""
    rows: Iterator[ImportRow]
    """Its rows, read as they are asked for."""
    broken: list[tuple[int, str]]
    """(line, why it is no row), filled while rows are read."""


UNREADABLE = (OSError, EOFError, ValueError, zlib.error)
"""What reading a file may raise that was cut, or damaged within."""


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked. Raises ConfigError where it cannot be opened."""
    try:
        file = path.open("rb")
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
    except OSError as failure:
        raise ConfigError(f"{path} cannot be read ({failure.strerror}): name a file") from None
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file


def first_bytes(path: Path, count: int = 64) -> bytes:
    """How the unpacked file begins, byte order marks and white space left out."""
    with opened(path) as file:
        try:
            return file.read(count).removeprefix(b"\xef\xbb\xbf").lstrip()
        except UNREADABLE as failure:
            raise ConfigError(f"{path} cannot be unpacked ({failure}): fetch it again") from None


def sheet(path: Path) -> ImportSheet:
    """A CSV or Parquet file. Raises ConfigError for a file without a header, or that is no such file."""
    return _parquet(path) if first_bytes(path, 4) == b"PAR1" else _csv(path)


def document(path: Path) -> Any:
    """A JSON file. Raises ConfigError where it is none."""
    try:
        with opened(path) as file:
            return loads(file.read().decode("utf-8-sig"))
    except (*UNREADABLE, RecursionError) as failure:
        raise ConfigError(f"{path} is no JSON document ({failure}): fetch it again") from None


def _csv(path: Path) -> ImportSheet:
    csv.field_size_limit(LONGEST_CELL)
    text = io.TextIOWrapper(opened(path), encoding="utf-8-sig", errors="replace", newline="")
    broken, at = list[tuple[int, str]](), [0]
    reader = csv.reader(_lines(text, broken, at))
    try:
        header = next(reader, None)
    except (csv.Error, *UNREADABLE) as failure:
        raise ConfigError(f"{path} cannot be read ({failure}): it must be CSV, Parquet or JSON") from None
    columns = tuple(name.strip() for name in header or ())
    if not any(columns):
        raise ConfigError(f"{path} is empty: it must begin with a line that names its columns")
    if len(set(columns)) != len(columns):
        raise ConfigError(f"{path}: a column is named twice in its first line: name each once")
    return ImportSheet(columns, _csv_rows(path, text, reader, columns, broken, at), broken)


def _lines(text: IO[str], broken: list[tuple[int, str]], at: list[int]) -> Iterator[str]:
    """The lines of a CSV, ``at`` counting them. A row is one line: one whose quote does not end is left out by itself,
    or it would take the next ones with it."""
    for line in text:
        at[0] += 1
        if line.count('"') % 2:
            broken.append((at[0], "has a quote that does not end"))
        else:
            yield line


def _csv_rows(
    path: Path, text: IO[str], reader: Any, columns: tuple[str, ...], broken: list[tuple[int, str]], at: list[int]
) -> Iterator[ImportRow]:
    with text:
        while True:
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as failure:
                broken.append((at[0], f"is no CSV ({failure})"))
                continue
            except (zlib.error, gzip.BadGzipFile) as failure:  # what was unpacked before may be wrong too
                raise ConfigError(f"{path} is damaged ({failure}), nothing of it is taken: fetch it again") from None
            except UNREADABLE as failure:  # a packed file that was cut
                broken.append((at[0], f"the file ends here, unfinished ({failure})"))
                return
            if not values:
                continue
            if len(values) != len(columns):
                broken.append((at[0], f"has {counted(len(values), 'cell')}, not {len(columns)}"))
                continue
            yield ImportRow(at[0], dict(zip(columns, values, strict=True)))


def _parquet(path: Path) -> ImportSheet:
    import pyarrow
    from pyarrow import parquet

    try:
        with opened(path) as file:
            content = parquet.ParquetFile(pyarrow.BufferReader(file.read()))
    except (*UNREADABLE, pyarrow.ArrowException) as failure:
        raise ConfigError(f"{path} is no Parquet file that can be read ({failure}): fetch it again") from None
    broken: list[tuple[int, str]] = []

    def rows() -> Iterator[ImportRow]:
        at = 0
        try:
            for batch in content.iter_batches():
                for cells in batch.to_pylist():
                    at += 1
                    yield ImportRow(at, cells)
        except (*UNREADABLE, pyarrow.ArrowException) as failure:
            broken.append((at + 1, f"the file cannot be read from here on ({failure})"))

    return ImportSheet(tuple(content.schema_arrow.names), rows(), broken)


def text(cell: object) -> str:
    """What a cell says, without white space at its ends; empty where nothing."""
    return "" if cell is None else str(cell).strip()


def number(cell: object, name: str) -> float | None:
    """A finite number, None for an empty cell. Raises ValueError that names the column."""
    try:
        found = float(cell)  # type: ignore[arg-type]
        if math.isfinite(found):
            return found
    except (TypeError, ValueError):
        found = None
    said = text(cell)
    if said.lower() in EMPTY:
        return None
    what = "is no number" if found is None else "is not finite"
    raise ValueError(f"{name} {said[:40]!r} {what}") from None


def amount(cell: object, name: str) -> float | None:
    """A number that is not below 0."""
    found = number(cell, name)
    if found is not None and found < 0.0:
        raise ValueError(f"{name} of {found:g} is below 0")
    return found


def height_of(cell: object, name: str) -> int | None:
    """A block's number, None for an empty cell. Raises ValueError for what is none."""
    found = number(cell, name)
    if found is None:
        return None
    if found != int(found) or not 0 <= found <= MOST_HEIGHT:
        raise ValueError(f"{name} of {found:g} is no block's number")
    return int(found)


def truth(cell: object, name: str) -> bool:
    """true, false, 1, 0, yes, no; an empty cell is false. Raises ValueError that names the column."""
    said = text(cell).lower()
    if said in EMPTY or said in {"false", "0", "no", "f", "0.0"}:
        return False
    if said in {"true", "1", "yes", "t", "1.0"}:
        return True
    raise ValueError(f"{name} {said[:40]!r} is neither true nor false")


def moment(cell: object, now: int) -> int:
    """Unix seconds of a time: seconds as a number, or ISO 8601 (UTC where no zone is named). Raises ValueError."""
    found = _seconds(cell)
    if found < EARLIEST or found > now + CLOCKS_APART:
        hint = " (milliseconds? seconds are wanted)" if found > 100_000_000_000 else ""
        beyond = "in the future" if found > now else "before 2015"
        raise ValueError(f"time {text(cell)[:40]!r} lies {beyond}{hint}")
    return found


def _seconds(cell: object) -> int:
    if isinstance(cell, datetime):
        return int((cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp())
    if isinstance(cell, date):
        return int(datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp())
    said = text(cell)
    if not said:
        raise ValueError("it names no time")
    try:
        return math.floor(float(said))
    except (ValueError, OverflowError):
        pass
    try:
        parsed = datetime.fromisoformat(said)
        return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"time {said[:40]!r} is neither unix seconds nor ISO 8601") from None
