"""Third-party forecasters: asked row by row through history, with nothing that came later.

They come from the entry point group ``yieldbot.forecasters`` (a class or function without arguments that returns a
``Forecaster``), or from files of forecasts (``registered``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.forecast.model import HORIZONS, Forecaster, Forecasts
from yieldbot.forecast.rules import Rule
from yieldbot.forecast.series import Series
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

GROUP = "yieldbot.forecasters"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,39}")
MOST_RATE = 10.0
"""Largest accepted mean (10.0 is 1,000 % a year, of either sign)."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A third party's forecasts at each row."""

    means: Cube
    """(times, markets, horizons); NaN: no acceptable forecast."""
    fault: str
    """Its first fault, in one line; empty: none."""


def walk(forecaster: Forecaster, panel: Panel, rows: Sequence[int] | None = None) -> Walked:
    """Ask a forecaster at each row (by default all), each time with a panel that ends there. An exception loses that
    row and is reported; after ten faults it is not asked again."""
    import numpy as np

    means = np.full((len(panel.times), len(panel.keys), len(HORIZONS)), np.nan)
    fault, faults = "", 0
    for row in range(len(panel.times)) if rows is None else rows:
        try:
            means[row] = taken(forecaster.forecast(panel.until(row)), panel)
        except (Exception, SystemExit) as failure:  # third-party code may raise anything, and may ask to exit
            fault = fault or one_line(f"at row {row}: {type(failure).__name__}: {failure}")
            faults += 1
            if faults >= 10:
                break
    return Walked(means, fault)


def taken(said: Forecasts, panel: Panel) -> Cube:
    """The means of a third party's forecasts, (markets, horizons). Raises ValueError for anything malformed."""
    import numpy as np

    if not isinstance(said, Forecasts):
        raise ValueError(f"gave {type(said).__name__}, not Forecasts")
    if tuple(said.horizons) != HORIZONS or tuple(said.keys) != panel.keys:
        raise ValueError("forecasts of other markets or horizons than were asked for")
    mean = np.asarray(said.mean, dtype=np.float64)
    if mean.shape != (len(panel.keys), len(HORIZONS)):
        raise ValueError(f"means of the shape {mean.shape}")
    return np.where(np.isfinite(mean) & (np.abs(mean) <= MOST_RATE), mean, np.nan)


def fit_name(name: object, used: Sequence[str]) -> str:
    """Why a third party may not have this name; empty: it may."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return "its name must be 1 to 40 letters, digits, blanks, - and _"
    return f"the name {name} is taken" if name in used else ""


def peeks(rule: Rule, panel: Panel, rows: Sequence[int]) -> tuple[int, ...]:
    """The rows at which a built-in rule looks ahead: given the whole panel it says something else than given only
    what was known at that row. Empty: none."""
    import numpy as np

    whole = rule.means(Series(panel))
    found = []
    for row in rows:
        known = rule.means(Series(panel.until(row)))[-1]
        if not np.array_equal(known, whole[row], equal_nan=True):
            found.append(row)
    return tuple(found)
