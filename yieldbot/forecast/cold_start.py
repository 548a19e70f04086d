"""Cold start: forecasts of a market with few readings are shrunk towards those of similar markets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.forecast.model import HORIZONS, Walk
from yieldbot.forecast.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

YOUNG_DAYS = 30
"""Days of readings below which a market counts as young."""
LEAN_DAYS = 14
"""Horizon in days at which the weight of similar markets is a half (before it is divided by the days of readings):
weight = horizon / (horizon + LEAN_DAYS) / days."""
UNSEEN = 2.0
"""Factor by which the interval of a market that was never read is wider than that of similar markets."""


def with_similar(series: Series, walk: Walk) -> Walk:
    """The walk, with forecasts of young markets shrunk towards the median forecast of similar markets; a market that
    was never read gets that median.

    Similar are markets of the same asset and protocol (on other chains); if there are none, of the same asset; then of
    the same protocol. They must not be young themselves, unless the market was never read. A market that was read
    before and is stale now keeps NaN: it ended, or could not be read.
    """
    import numpy as np

    days = series.readings
    if not len(days) or (days[0] >= YOUNG_DAYS).all():
        return walk
    mean, low, high = walk.mean.copy(), walk.low.copy(), walk.high.copy()
    old = days >= YOUNG_DAYS
    for column in range(len(walk.keys)):
        rows = np.flatnonzero(~old[:, column])
        if not len(rows):
            continue
        for tier in _tiers(walk, column):
            at = np.ix_(rows, np.asarray(tier))
            telling = old[at] | ((days[rows, column] == 0)[:, None] & (days[at] > 0))
            said = np.where(telling[:, :, None], walk.mean[at], np.nan)
            found = np.asarray(np.isfinite(said).any(axis=1)).any(axis=1)
            if found.any():
                chosen = rows[found]
                _draw(walk, (mean, low, high), days[chosen, column], chosen, column, tier, said[found])
                rows = rows[~found]
            if not len(rows):
                break
    return replace(walk, mean=mean, low=np.minimum(low, mean), high=np.maximum(high, mean))


def _tiers(walk: Walk, column: int) -> list[list[int]]:
    """Columns of similar markets in groups, the most similar group first."""
    own = walk.keys[column]
    others = [(i, one) for i, one in enumerate(walk.keys) if i != column]
    asset = [i for i, one in others if own.asset and one.asset.upper() == own.asset.upper()]
    protocol = [i for i, one in others if own.protocol and one.protocol == own.protocol]
    return [tier for tier in ([i for i in asset if i in protocol], asset, protocol) if tier]


def _draw(
    walk: Walk,
    grids: tuple[Grid, Grid, Grid],
    days: NDArray[np.float64],
    rows: NDArray[np.int64],
    column: int,
    tier: list[int],
    said: Grid,
) -> None:
    import warnings

    import numpy as np

    mean, low, high = grids
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all-NaN: similar markets without a forecast
        like = np.nanmedian(said, axis=1)
        at = np.ix_(rows, np.asarray(tier))
        below = np.nanmedian(said - walk.low[at], axis=1)
        above = np.nanmedian(walk.high[at] - said, axis=1)
        spread = np.nanmax(np.abs(said - like[:, None]), axis=1)
    horizons = np.asarray(HORIZONS, dtype=float)
    lean = horizons / (horizons + LEAN_DAYS) / np.maximum(days, 1.0)[:, None]
    own = mean[rows, column]
    unseen = (days == 0)[:, None]
    read = np.isfinite(own)
    drawn = np.where(read, (1.0 - lean) * own + lean * like, np.where(unseen, like, np.nan))
    half_low = np.where(read, own - low[rows, column], UNSEEN * below + spread)
    half_high = np.where(read, high[rows, column] - own, UNSEEN * above + spread)
    least = lean * np.abs(np.where(read, like - own, 0.0))  # at least the distance that the mean was shifted
    mean[rows, column] = drawn
    low[rows, column] = np.maximum(drawn - half_low - least, np.where(drawn >= 0.0, 0.0, -np.inf))
    high[rows, column] = drawn + half_high + least
