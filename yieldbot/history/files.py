"""Where memory's files are, and which of them are in effect.

``FOLDER/eip155-8453/2026-01/`` holds one month of a chain. ``2026-01-31.000017.parquet`` holds readings of one day,
``2026-01.000018.parquet`` readings of several days of that month; the number increases within the folder. A name ending
in ``-all`` replaces every file of its day (or month) with a lower number. So a single rename puts a new file into
effect and others out of it, and a reader that lists the folder sees each reading exactly once at any moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from yieldbot.model.dataclass import dataclass

SECONDS_A_DAY = 86_400
TEMPORARY = ".writing-"
"""Prefix of the names of unfinished files; they are never in effect."""
_NAME = re.compile(r"^(\d{4}-\d{2})(-\d{2})?\.(\d{6,})(-all)?\.parquet$")
_MONTH = re.compile(r"^\d{4}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of readings."""

    path: Path
    """The file's path."""
    span: str
    """The day or month that it covers: ``2026-01-31`` or ``2026-01``."""
    number: int
    """Its number; later files have higher ones."""
    whole: bool
    """Whether it replaces the files of its span with lower numbers."""

    @property
    def month(self) -> str:
        return self.span[:7]


def folder_of(root: Path, chain: str, month: str) -> Path:
    """The folder of a chain's month. The colon of the chain's id is written as a dash, since some file systems do
    not allow colons."""
    return root / chain.replace(":", "-", 1) / month


def chain_of(folder: str) -> str:
    """The chain's id from the name of its folder."""
    return folder.replace("-", ":", 1)


def name_of(span: str, number: int, whole: bool) -> str:
    return f"{span}.{number:06d}{'-all' if whole else ''}.parquet"


def span_of_day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


@lru_cache(maxsize=20_000)  # some decades of days: a file's bounds are wanted at every look at its folder
def bounds(span: str) -> tuple[int, int]:
    """The first and the last second (unix) of a day or month."""
    if len(span) == len("2026-01-31"):
        first = datetime.strptime(span, "%Y-%m-%d").replace(tzinfo=UTC)
        return int(first.timestamp()), int(first.timestamp()) + SECONDS_A_DAY - 1
    first = datetime.strptime(span, "%Y-%m").replace(tzinfo=UTC)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()), int(after.timestamp()) - 1


def in_folder(folder: Path) -> list[Stored]:
    """All files in a month's folder, in effect or not; none if the folder does not exist."""
    found = []
    try:
        names = [one.name for one in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    for name in names:
        if match := _NAME.fullmatch(name):
            month, day, number, whole = match.groups()
            found.append(Stored(folder / name, month + (day or ""), int(number), bool(whole)))
    return sorted(found, key=lambda one: one.number)


def counting(files: Iterable[Stored]) -> list[Stored]:
    """The files of a month that are in effect."""
    every = list(files)
    month = max((one.number for one in every if one.whole and one.span == one.month), default=-1)
    days: dict[str, int] = {}
    for one in every:
        if one.whole and one.span != one.month:
            days[one.span] = max(days.get(one.span, -1), one.number)
    return [one for one in every if one.number >= max(month, days.get(one.span, -1))]


def chains(root: Path) -> list[str]:
    """The chains that have a folder."""
    try:
        return sorted(chain_of(one.name) for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def months(root: Path, chain: str) -> list[str]:
    """The months of a chain that have a folder, ascending."""
    try:
        names = [one.name for one in folder_of(root, chain, "").iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if _MONTH.fullmatch(name))


def within(root: Path, chain: str | None, start: int | None, end: int | None) -> Iterator[Stored]:
    """The files in effect that may hold readings of a chain (None: of all chains) from ``start`` to ``end``, both
    included."""
    for one in chains(root) if chain is None else [chain]:
        for month in months(root, one):
            yield from of_month(root, one, month, start, end)


def of_month(root: Path, chain: str, month: str, start: int | None, end: int | None) -> list[Stored]:
    """As ``within``, of one month. Its folder is not looked into where the month is before or after."""
    if _apart(month, start, end):
        return []
    return [one for one in counting(in_folder(folder_of(root, chain, month))) if not _apart(one.span, start, end)]


def _apart(span: str, start: int | None, end: int | None) -> bool:
    first, last = bounds(span)
    return (start is not None and last < start) or (end is not None and first > end)


def spanned_days(root: Path, chain: str) -> int:
    """Number of days from the first to the last one that file names mention, both included; 0: there are no files.
    No file is opened."""
    spans = [one.span for month in _months(root, chain) for one in in_folder(month)]
    if not spans:
        return 0
    first, last = min(bounds(span)[0] for span in spans), max(bounds(span)[1] for span in spans)
    return (last + 1 - first) // SECONDS_A_DAY


def _months(root: Path, chain: str) -> list[Path]:
    try:
        return [one for one in folder_of(root, chain, "").iterdir() if _MONTH.fullmatch(one.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
