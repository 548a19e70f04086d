"""The forecaster that decisions are made on (``policy.forecaster``), with intervals from its own past errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yieldbot.forecast.bias import bias, widened
from yieldbot.forecast.cold_start import with_similar
from yieldbot.forecast.conformal import intervals
from yieldbot.forecast.model import HORIZONS, Walk, steps_of
from yieldbot.forecast.rules import HALF_LIVES, PaidMean, Rule
from yieldbot.forecast.series import Series
from yieldbot.forecast.tournament import COMBINED, Tournament, builtin
from yieldbot.history.panel import Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

QUOTE = "quote"
"""Stands for nobody's forecast: decisions are made on what is quoted, as if it lasted."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one forecaster says at every row of a panel."""

    name: str
    """Whose."""
    series: Series
    """The panel's statistics."""
    walk: Walk
    """Means and intervals; where a market is young, drawn towards similar ones."""
    bias: NDArray[np.int8]
    """(times, markets, horizons): where the last forecasts were too low (1) or too high (-1): see ``bias``."""


def single() -> tuple[Rule, ...]:
    """Built-in forecasters that ``policy.forecaster`` may name, besides the combined one."""
    return (*builtin(), *(PaidMean(one) for one in HALF_LIVES))


def names() -> tuple[str, ...]:
    """What ``policy.forecaster`` may be."""
    return (COMBINED, QUOTE, *(one.name for one in single()))


def outlook(
    panel: Panel, name: str, entrants: Sequence[Rule] | None = None, others: Mapping[str, Cube] | None = None
) -> Outlook:
    """One forecaster's, or that of all of them together. entrants, others: who takes part in the combined one, as for
    ``Tournament``. Raises KeyError for a name that is not among ``names``, and for
    ``QUOTE``, which is nobody's."""
    if name == COMBINED:
        return combined(Tournament(panel, entrants, others))
    rule = {one.name: one for one in single()}[name]
    series = Series(panel)
    mean = rule.means(series)
    for place, horizon in enumerate(HORIZONS):  # shorter than a step of the panel: nothing is known of it
        if not steps_of(panel, horizon):
            mean[:, :, place] = float("nan")
    return _widened(name, series, mean, *intervals(series, mean))


def combined(run: Tournament) -> Outlook:
    """The combined forecast of a tournament."""
    return Outlook(COMBINED, run.series, run.walk, run.bias)


def _widened(name: str, series: Series, mean: Cube, low: Cube, high: Cube) -> Outlook:
    sides = bias(series.panel, low, high, series.futures)
    low, high = widened(mean, low, high, sides)
    walk = Walk(keys=series.panel.keys, times=series.panel.times, mean=mean, low=low, high=high)
    return Outlook(name, series, with_similar(series, walk), sides)
