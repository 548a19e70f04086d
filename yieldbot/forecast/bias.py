"""Biased markets: three forecasts in a row missed on one side. This is reported, and the interval widened there.

One miss in five is what an 80 % interval promises; three in a row on one side, whose horizons do not overlap, happen by
chance once in a thousand.
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
"""Factor by which the interval's side that was missed is widened."""


def bias(panel: Panel, low: Cube, high: Cube, futures: Cube) -> NDArray[np.int8]:
    """(times, markets, horizons): 1 where the realised rate was above the interval of the last three forecasts whose
    horizons are over and do not overlap, -1 where below, 0 elsewhere. Each row from what was over then."""
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
    """Low and high with the missed sides widened by ``WIDER``. A low that was not negative stays at least 0."""
    import numpy as np

    further = np.maximum(mean - WIDER * (mean - low), np.where(low >= 0.0, 0.0, -np.inf))
    return np.where(sides < 0, further, low), np.where(sides > 0, mean + WIDER * (high - mean), high)
