"""The ledger of grades: one grade for each market and day, to be compared with what follows.

``FOLDER/grades-2026-01.jsonl``, beside the readings, holds a month with one line for each market and day. Lines are
appended and never changed: the first grade of a day stays. A line that is cut off or malformed is ignored; the others
count.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from yieldbot.history.files import span_of_day
from yieldbot.history.reading import Fault
from yieldbot.history.store import WAIT_SECONDS, Appended
from yieldbot.model.dataclass import dataclass
from yieldbot.model.json_text import loads

LOCK = ".grades.lock"
_FILE = re.compile(r"^grades-(\d{4}-\d{2})\.jsonl$")
_SIGNALS = ("enter", "hold", "leave")


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedDay:
    """The grade of one market on one day."""

    chain: str
    """CAIP-2 id."""
    market: str
    """The market's id."""
    protocol: str
    """The adapter's name."""
    asset: str
    """Symbol of what is lent."""
    time: int
    """Unix seconds of the graded block."""
    safety: int
    """0 (worst) to 100 (best)."""
    letter: str
    """``safety`` as a letter (risk/grade.py)."""
    loss_bps: float
    """Expected loss a year, in bp of what is held."""
    loss_low_bps: float
    """Lower end of its 80 % interval."""
    loss_high_bps: float
    """Upper end of its 80 % interval."""
    short: int
    """Grade of its yield over the policy's move horizon, 0 to 100."""
    long: int
    """Grade of its yield over the remembered days, 0 to 100."""
    signal: str
    """``enter``, ``hold`` or ``leave``."""

    @property
    def day(self) -> str:
        """The day in UTC, as 2026-01-31."""
        return span_of_day(self.time)


_FIELDS = tuple((one.name, one.type) for one in fields(GradedDay))


def append(folder: Path, graded: Iterable[GradedDay], wait_seconds: float = WAIT_SECONDS) -> Appended:
    """Append grades, at most one for each market and day. If the disk refuses, the answer says why; no error is
    raised. wait_seconds: how long to wait for another writer."""
    by_month: dict[str, list[GradedDay]] = defaultdict(list)
    for one in graded:
        by_month[one.day[:7]].append(one)
    kept = Appended()
    try:
        if by_month:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(folder / LOCK, timeout=wait_seconds):
                for month, rows in sorted(by_month.items()):
                    kept += _append(folder / f"grades-{month}.jsonl", rows)
    except Timeout:
        return Appended(failure=f"{folder}: another process has been writing grades for {wait_seconds:z.0f} s")
    except OSError as failure:
        full = failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room" if full else "see who may write there"
        why = failure.strerror or str(failure)
        return Appended(kept.rows, kept.known, f"{folder}: grades are not remembered ({why}): {remedy}")
    return kept


def _append(file: Path, rows: list[GradedDay]) -> Appended:
    """Append to a month's file, completely or not at all. The lock must be held. Raises OSError."""
    days = {one.day for one in rows}
    size, ended = 0, True
    known: set[tuple[str, str, str]] = set()
    if file.exists():
        text = file.read_bytes()
        size, ended = len(text), not text or text.endswith(b"\n")
        marks = [text.find(f'{{"day":"{day}"'.encode()) for day in days]
        start = min((at for at in marks if at >= 0), default=size)  # earlier lines are of other days
        for line in text[start:].splitlines():
            if isinstance(found := _parsed(line), GradedDay):
                known.add((found.day, found.chain, found.market))
    fresh = dict[tuple[str, str, str], GradedDay]()
    for one in rows:
        key = one.day, one.chain, one.market
        if key not in known:
            fresh.setdefault(key, one)
    if fresh:
        lines = "".join(_line(one) + "\n" for one in fresh.values()).encode()
        with file.open("ab") as out:
            try:
                out.write(lines if ended else b"\n" + lines)  # after a line that was cut off
                out.flush()
                os.fsync(out.fileno())
            except OSError:
                os.truncate(file, size)
                raise
    return Appended(len(fresh), len(rows) - len(fresh))


def read(folder: Path, start: int | None = None, faults: list[Fault] | None = None) -> tuple[GradedDay, ...]:
    """The grades from ``start`` (unix seconds) on, ascending by time, chain and market; empty if there is no ledger.
    Of two lines for one market and day the first counts. faults: collects malformed lines."""
    found: dict[tuple[str, str, str], GradedDay] = {}
    for file in files(folder):
        try:
            text = file.read_bytes()
        except OSError as failure:
            if faults is not None:
                faults.append(Fault(str(file), f"cannot be read: {failure.strerror}", kind="file"))
            continue
        for number, line in enumerate(text.splitlines(), 1):
            one = _parsed(line) if line.strip() else None
            if isinstance(one, GradedDay):
                if start is None or one.time >= start:
                    found.setdefault((one.day, one.chain, one.market), one)
            elif one is not None and faults is not None:
                faults.append(Fault(f"{file} line {number}", f"is no grade and is left out: {one}", kind="file"))
    return tuple(sorted(found.values(), key=lambda one: (one.time, one.chain, one.market)))


def files(folder: Path) -> Iterator[Path]:
    """The ledger's files, the oldest first."""
    try:
        names = sorted(one.name for one in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (folder / name for name in names if _FILE.fullmatch(name))


def _line(one: GradedDay) -> str:
    """A ledger line. The day comes first, so that a day's lines can be found without parsing."""
    return json.dumps({"day": one.day} | asdict(one), separators=(",", ":"))


def _parsed(line: bytes) -> GradedDay | str:
    """The grade in a line, or what is wrong with the line."""
    try:
        said = loads(line)
    except ValueError:
        return "not JSON"
    if not isinstance(said, Mapping):
        return "no object"
    return _grade(said)


def _grade(said: Mapping[str, Any]) -> GradedDay | str:
    values: dict[str, Any] = {}
    for name, kind in _FIELDS:
        value = said.get(name)
        if kind == "str":
            sound = isinstance(value, str)
        else:
            number = isinstance(value, int) or (kind == "float" and isinstance(value, float))
            sound = number and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
        if not sound:
            return f"its {name} is {value!r:.40}"
        values[name] = value
    if not all(0 <= values[name] <= 100 for name in ("safety", "short", "long")):
        return "a grade is not from 0 to 100"
    if values["signal"] not in _SIGNALS:
        return f"its signal is {values['signal']!r:.40}"
    if not 0 <= values["time"] < 1 << 40:
        return f"its time is {values['time']}"
    try:
        made = GradedDay(**values)
        return made if made.day == said.get("day") else "its day is not that of its time"
    except (ValueError, OverflowError, OSError):
        return f"its time is {values['time']}"
