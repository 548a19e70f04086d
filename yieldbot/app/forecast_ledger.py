"""Third-party forecasters: installed ones are asked once a run, and their forecasts are registered in the same ledger
as files of forecasts.

So nobody is scored on what was already known: a forecaster begins without any weight, and earns it by forecasts that
were in the ledger before their horizon began. A run that holds a key loads no third-party code and only reads the
ledger.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from yieldbot.errors import ConfigError
from yieldbot.forecast.model import HORIZONS, Forecaster
from yieldbot.forecast.registered import SCHEMA, is_known, means, parse, read, register
from yieldbot.forecast.third_party import GROUP, fit_name, taken
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

LEDGER = "forecasts.jsonl"
"""The ledger's file in a folder of memory: one registered file of forecasts a line."""
LOCK = ".forecasts.lock"
WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Entered:
    """The third parties that take part in a run."""

    means: Mapping[str, Cube]
    """Each third party's forecasts, as an array (times, markets, horizons): those registered before their horizons
    began, and the present ones."""
    says: Mapping[str, str]
    """One line about each third party."""
    notes: tuple[str, ...]
    """Faults in some of their forecasts."""


def enter(source: Path, panel: Panel, now: int, used: Sequence[str], *, installed: bool = True) -> Entered:
    """Third parties from the ledger and from the entry point group; the latter's present forecasts are registered.
    used: names that are taken. installed: if False, no third-party code is loaded and only the ledger is used. A fault
    of one excludes only that one and becomes a note."""
    import numpy as np

    found: dict[str, Cube] = {}
    says: dict[str, str] = {}
    notes: list[str] = []
    if source.is_dir():
        registered, fault = read(lines(source))
        if fault:
            notes.append(f"{source / LEDGER}: {fault}")
        for name, grid in means(registered, panel).items():
            if bad := fit_name(name, used):
                notes.append(f"forecasts of {name} are left out: {bad}")
                continue
            found[name], says[name] = grid, "forecasts that were registered beforehand"
    for point in entry_points(group=GROUP) if installed else ():
        name, now_says, fault = _asked(point, panel, [*used, *(one for one in says if one != point.name)])
        if fault:
            notes.append(
                f"the forecaster {one_line(point.name, 40)} ({one_line(point.value, 80)}) is left out: {fault}"
            )
            continue
        grid = found.setdefault(name, np.full((len(panel.times), len(panel.keys), len(HORIZONS)), np.nan))
        grid[-1] = now_says
        says[name] = f"installed: {one_line(point.value, 80)}"
        if source.is_dir() and (fault := _registered(source, name, panel, now_says, now)):
            notes.append(f"what {name} says could not be registered: {fault}")
    return Entered(found, says, tuple(notes))


def lines(folder: Path) -> list[str]:
    """The ledger's lines; empty if there is no ledger."""
    try:
        return (folder / LEDGER).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def append(folder: Path, text: str, now: int) -> bool:
    """Register a file of forecasts that arrived at ``now``; returns whether it was new. Raises ConfigError if it holds
    no forecasts or comes too late, if the ledger was changed, and if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK, timeout=WAIT_SECONDS):
            before = lines(folder)
            if fault := read(before)[1]:
                raise ConfigError(f"{folder / LEDGER}: {fault}: move it away to begin another")
            if is_known(text, before):
                return False
            line = register(text, now, before)
            with (folder / LEDGER).open("ab") as file:
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
    except Timeout:
        raise ConfigError(f"{folder}: another process has been writing there for {WAIT_SECONDS:z.0f} s") from None
    except OSError as failure:
        raise ConfigError(f"{folder}: cannot be written: {failure.strerror}") from None
    return True


def _asked(point: EntryPoint, panel: Panel, used: Sequence[str]) -> tuple[str, Cube, str]:
    """(name, forecasts at the panel's end, why it is left out) of one third party's forecaster."""
    import numpy as np

    nothing = np.zeros((0, 0))
    try:
        forecaster = point.load()()
        if not isinstance(forecaster, Forecaster):
            return "", nothing, "it has no name or no forecast(panel)"
        if bad := fit_name(forecaster.name, used):
            return "", nothing, bad
        return forecaster.name, taken(forecaster.forecast(panel.until(len(panel.times) - 1)), panel), ""
    except (Exception, SystemExit) as failure:  # a third party's code may raise anything, and may ask to exit
        return "", nothing, one_line(f"{type(failure).__name__}: {failure}", 200)


def _registered(folder: Path, name: str, panel: Panel, said: Cube, now: int) -> str:
    """Register a third party's present forecasts; returns why that failed, or an empty text."""
    import numpy as np

    rows = [
        {"chain": key.chain, "market": key.market, "horizon_days": horizon, "mean": float(said[i, place])}
        for i, key in enumerate(panel.keys)
        for place, horizon in enumerate(HORIZONS)
        if np.isfinite(said[i, place])
    ]
    if not rows:
        return ""
    try:
        text = json.dumps({"schema": SCHEMA, "forecaster": name, "time": now, "forecasts": rows})
        parse(text)
        append(folder, text, now)
    except ConfigError as failure:
        return str(failure)
    return ""
