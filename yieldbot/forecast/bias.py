"""Bias: three forecasts in a row whose realised rate was outside of the interval on the same side. A bias is reported,
and the interval widened on that side.

An 80 % interval misses one time in five; three misses in a row on one side, with horizons that do not overlap, happen
by chance once in a thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.forecast.model import HORIZONS, steps_of
from yieldbot.history.panel import Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

IN_A_ROW = 3
WIDER = 1.5
"""Factor by which the missed side of the interval is widened."""


def bias(panel: Panel, low: Cube, high: Cube, futures: Cube) -> NDArray[np.int8]:
    """Bias by (times, markets, horizons): 1 if the realised rate was above the interval of each of the last three
    forecasts that do not overlap and whose horizon is over at that time, -1 if below, else 0."""
    import numpy as np

    missed = (futures > high).astype(np.int8) - (futures < low).astype(np.int8)  # NaN is neither
    found = np.zeros(missed.shape, dtype=np.int8)
    for place, horizon in enumerate(HORIZONS):
        steps = steps_of(panel, horizon)
        if not steps or len(missed) <= IN_A_ROW * steps:
            continue
        rows = np.arange(IN_A_ROW * steps, len(missed))
        turns = [missed[rows - k * steps, :, place] for k in range(1, IN_A_ROW + 1)]
        same = np.logical_and.reduce([one == turns[0] for one in turns])
        found[rows, :, place] = np.where(same, turns[0], 0)
    return found


def widened(mean: Cube, low: Cube, high: Cube, sides: NDArray[np.int8]) -> tuple[Cube, Cube]:
    """Low and high ends with the missed side widened by ``WIDER``. A low end that was not negative stays at least 0."""
    import numpy as np

    further = np.maximum(mean - WIDER * (mean - low), np.where(low >= 0.0, 0.0, -np.inf))
    return np.where(sides < 0, further, low), np.where(sides > 0, mean + WIDER * (high - mean), high)
