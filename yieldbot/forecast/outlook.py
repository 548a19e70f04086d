"""The forecaster that decisions are made on (``policy.forecaster``), with intervals from its own past errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from yieldbot.forecast.bias import bias, widened
from yieldbot.forecast.cold_start import with_similar
from yieldbot.forecast.conformal import intervals
from yieldbot.forecast.model import HORIZONS, Walk, steps_of
from yieldbot.forecast.rules import HALF_LIVES, PaidMean, Rule
from yieldbot.forecast.series import Series
from yieldbot.forecast.tournament import COMBINED, Tournament, builtin
from yieldbot.history.panel import Panel
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

QUOTE = "quote"
"""In place of a forecaster: decisions assume that the quoted rate lasts."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One forecaster's forecasts at every row of a panel."""

    name: str
    """The forecaster's name."""
    series: Series
    """The panel's statistics."""
    walk: Walk
    """Means and intervals; for young markets shrunk towards similar ones."""
    bias: NDArray[np.int8]
    """Bias (times, markets, horizons): 1 if the last forecasts were too low, -1 if too high; see ``bias``."""


def single() -> tuple[Rule, ...]:
    """Built-in forecasters that ``policy.forecaster`` may name, in addition to the combined one."""
    return (*builtin(), *(PaidMean(one) for one in HALF_LIVES))


def names() -> tuple[str, ...]:
    """The valid values of ``policy.forecaster``."""
    return (COMBINED, QUOTE, *(one.name for one in single()))


def outlook(
    panel: Panel, name: str, entrants: Sequence[Rule] | None = None, others: Mapping[str, Cube] | None = None
) -> Outlook:
    """The outlook of one forecaster, or of the tournament.

    entrants, others: who takes part in the tournament, as for ``Tournament``. Raises KeyError for a name that is not in
    ``names``, and for ``QUOTE``, which is no forecaster.
    """
    if name == COMBINED:
        return combined(Tournament(panel, entrants, others))
    return of_series(Series(panel), name)


def of_series(series: Series, name: str) -> Outlook:
    """The outlook of one forecaster of ``single``. Raises KeyError for another name."""
    mean = {one.name: one for one in single()}[name].means(series)
    for place, horizon in enumerate(HORIZONS):  # shorter than a step of the panel: no realised rates
        if not steps_of(series.panel, horizon):
            mean[:, :, place] = float("nan")
    return _widened(name, series, mean, *intervals(series, mean))


def combined(run: Tournament) -> Outlook:
    """The outlook of a tournament's combined forecast."""
    return Outlook(COMBINED, run.series, run.walk, run.bias)


def _widened(name: str, series: Series, mean: Cube, low: Cube, high: Cube) -> Outlook:
    sides = bias(series.panel, low, high, series.futures)
    low, high = widened(mean, low, high, sides)
    walk = Walk(keys=series.panel.keys, times=series.panel.times, mean=mean, low=low, high=high)
    return Outlook(name, series, with_similar(series, walk), sides)
