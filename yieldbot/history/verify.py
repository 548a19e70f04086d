"""Checks memory: that every file can be read, has the right schema and is in its place, and that its readings are
plausible."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from yieldbot.history import columns, files, grades
from yieldbot.history.arrow import as_numpy
from yieldbot.history.reading import Fault
from yieldbot.history.series import (
    ENDED_STEPS,
    GAP_STEPS,
    HIGHEST_RATE,
    IRREGULAR_GAP,
    IRREGULAR_STEPS,
    MOST_UTILISATION,
    REGULAR,
    when,
)
from yieldbot.history.store import DAMAGED, Store, read, unreadable
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import counted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

_LOOKED_AT = ("chain", "market", "time", "height", "supply_rate", "borrow_rate", "utilisation")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking all files of memory."""

    files: int
    """Number of files that are in effect and can be read."""
    rows: int
    """Number of readings in these files."""
    faults: tuple[Fault, ...]
    """Everything that is wrong or suspicious."""

    @property
    def sound(self) -> bool:
        """Whether nothing is lost or duplicated; gaps and odd rates do not count as faults of memory."""
        return not any(fault.kind in ("file", "duplicate", "clock") for fault in self.faults)


def verify(store: Store, now: int | None = None) -> Verdict:
    """Reads every file in effect, verifies its checksums, and checks the ledger of grades. Faults are returned, not
    raised. now: unix seconds, None: this machine's clock; readings a day or more in the future are reported."""
    latest = (int(time.time()) if now is None else now) + 86_400
    faults: list[Fault] = []
    count = rows = 0
    for chain in files.chains(store.folder):
        times: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
        for month in files.months(store.folder, chain):
            folder = files.folder_of(store.folder, chain, month)
            faults += _left_over(folder)
            for file in files.counting(files.in_folder(folder)):
                try:
                    content = read(file.path)
                except FileNotFoundError:
                    continue  # merged with others meanwhile: the merged one is checked
                except unreadable() as failure:
                    faults.append(Fault(str(file.path), f"cannot be read: {failure}", kind="file"))
                    continue
                count, rows = count + 1, rows + content.num_rows
                faults += _in_its_place(file, chain, content)
                faults += _odd(str(file.path), content)
                for market, moments in _by_market(content):
                    times[market].append(moments)
        faults += _series(chain, times, latest)
    grades.read(store.folder, faults=faults)
    return Verdict(count, rows, tuple(faults))


def _left_over(folder: object) -> Iterator[Fault]:
    from pathlib import Path

    for one in sorted(Path(str(folder)).iterdir()):
        if one.name.endswith(DAMAGED):
            yield Fault(str(one), "could not be read, and was put aside", kind="file")
        elif one.name.startswith(files.TEMPORARY):
            yield Fault(str(one), "was never finished (or is being written): it counts nowhere", True, "note")


def _in_its_place(file: files.Stored, chain: str, content: pyarrow.Table) -> Iterator[Fault]:
    """Check that a file holds the readings that its name states, in order."""
    import numpy as np
    from pyarrow import compute

    where = str(file.path)
    if content.schema.names != columns.schema().names or content.schema.types != columns.schema().types:
        yield Fault(where, f"its columns are not those of {columns.SCHEMA}", kind="file")
        return
    if not content.num_rows:
        yield Fault(where, "holds no reading", True, "note")
        return
    others = [one for one in compute.unique(content["chain"]).to_pylist() if one != chain]
    if others:
        yield Fault(where, f"holds readings of {', '.join(map(str, others))} among those of {chain}", kind="file")
    first, last = files.bounds(file.span)
    moments = as_numpy(content["time"])
    if int(moments.min()) < first or int(moments.max()) > last:
        yield Fault(where, f"holds readings of {when(int(moments.min()))} to {when(int(moments.max()))}", kind="file")
    heights = as_numpy(content["height"])
    market = as_numpy(content["market"].combine_chunks().dictionary_encode().indices)
    order = np.lexsort((moments, market))
    same = market[order][1:] == market[order][:-1]
    fell = same & (np.diff(heights[order].astype(np.float64)) < 0)
    for at in np.flatnonzero(fell)[:1]:
        row = int(order[at + 1])
        words = f"the clock runs back against the blocks: {int(fell.sum())} times, first in {content['market'][row]}"
        yield Fault(where, f"{words} at {when(int(moments[row]))}", kind="clock")


def _odd(where: str, content: pyarrow.Table) -> Iterator[Fault]:
    """Implausible rates and utilisations."""
    import numpy as np

    for name, most in (("supply_rate", HIGHEST_RATE), ("borrow_rate", HIGHEST_RATE), ("utilisation", MOST_UTILISATION)):
        values = as_numpy(content[name]).astype(np.float64, copy=False)
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero((values < 0.0) | (values >= most))
        if len(bad):
            row = int(bad[0])
            at = f"{content['market'][row]} at {when(content['time'][row].as_py())}"
            words = f"{counted(len(bad), 'time')} a {name} of {values[row]:z.2%} or the like, first in {at}"
            yield Fault(where, words, True, "rate")


def _by_market(content: pyarrow.Table) -> Iterator[tuple[str, NDArray[np.int64]]]:
    import numpy as np

    market = content["market"].combine_chunks().dictionary_encode()
    code = as_numpy(market.indices)
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(market.dictionary) + 1))
    moments = as_numpy(content["time"])[order]
    for at, name in enumerate(market.dictionary.to_pylist()):
        yield name, moments[bounds[at] : bounds[at + 1]]


def _series(chain: str, times: dict[str, list[NDArray[np.int64]]], latest: int) -> Iterator[Fault]:
    """Faults of a chain's markets: duplicate times, gaps, markets that ended before the others, and times after
    ``latest``."""
    import numpy as np

    last = max((min(int(part.max()), latest) for parts in times.values() for part in parts), default=0)
    for market, parts in sorted(times.items()):
        series = np.sort(np.concatenate(parts))
        steps = np.diff(series)
        twice = int((steps == 0).sum())
        where = f"{chain} {market}"
        if int(series[-1]) > latest:
            count = int((series > latest).sum())
            words = f"{count} readings are from after this machine's time, the last of {when(int(series[-1]))}"
            yield Fault(where, words, True, "ahead")
        if twice:
            yield Fault(
                where,
                f"{twice} readings are there twice, first at {when(int(series[1:][steps == 0][0]))}",
                kind="duplicate",
            )
        steps = steps[steps > 0]
        middle = float(statistics.median(steps)) if len(steps) else float(IRREGULAR_GAP)
        regular = len(steps) > 1 and (np.abs(steps - middle) <= 0.25 * middle).mean() >= REGULAR
        longest = GAP_STEPS * middle if regular else max(IRREGULAR_GAP, IRREGULAR_STEPS * middle)
        unique = np.unique(series)
        wide = np.flatnonzero(np.diff(unique) > longest)
        if len(wide):
            most = int(np.diff(unique)[wide].max())
            at = int(unique[wide[0]])
            words = f"{counted(len(wide), 'gap')}, the longest of {most / 3600:z.1f} h, the first after {when(at)}"
            yield Fault(where, words, True, "gap")
        if last - int(series[-1]) > max(ENDED_STEPS * middle, 2 * IRREGULAR_GAP):
            words = f"its readings end at {when(int(series[-1]))}, others go on to {when(last)}"
            yield Fault(where, words, True, "ended")
