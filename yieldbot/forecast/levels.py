"""Forecasts in the form that decisions need: for any horizon, as ``model`` types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.forecast.model import HORIZONS, Forecasts
from yieldbot.forecast.outlook import Outlook
from yieldbot.forecast.words import why
from yieldbot.model.market import RateForecast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]


def over(made: Forecasts, days: float) -> tuple[Column, Column, Column]:
    """Mean, low and high of each market over any number of days: interpolated between two horizons in log(days),
    constant below the first and beyond the last. NaN: no forecast."""
    import numpy as np

    known = np.log(np.asarray(made.horizons, dtype=float))
    place = float(np.clip(np.log(max(days, 1e-9)), known[0], known[-1]))
    after = min(int(np.searchsorted(known, place)), len(known) - 1)
    before = max(after - 1, 0)
    share = (place - known[before]) / (known[after] - known[before]) if after > before else 1.0
    mean, low, high = (
        np.where(share < 1.0, (1.0 - share) * grid[:, before], 0.0) + share * grid[:, after]
        for grid in (made.mean, made.low, made.high)
    )
    return np.asarray(mean), np.asarray(low), np.asarray(high)


def rate_forecasts(said: Outlook, row: int, days: float) -> tuple[RateForecast | None, ...]:
    """The forecast of each market of the panel at one row, with the reason why it differs from the quote; None: no
    forecast."""
    import numpy as np

    mean, low, high = over(said.walk.at(row), days)
    row = row % len(said.series.panel.times)
    nearest = int(np.abs(np.log(np.asarray(HORIZONS)) - np.log(max(days, 1e-9))).argmin())
    sides = said.bias[row, :, nearest]
    panel = said.series.panel
    paid = np.isfinite(panel.realised[: row + 1])
    known = paid | np.isfinite(panel.quoted[: row + 1])
    rows = np.argmax(known, axis=0)
    first = panel.times[rows] - np.where(paid[rows, np.arange(len(rows))], panel.step_seconds, 0)
    return tuple(
        RateForecast(
            mean=float(mean[i]),
            low=float(low[i]),
            high=float(high[i]),
            days=days,
            by=said.name,
            reason=why(said.series, row, i, float(mean[i]), round(days), int(sides[i])),
            since=int(first[i]),
        )
        if np.isfinite(mean[i]) and np.isfinite(low[i]) and np.isfinite(high[i])
        else None
        for i in range(len(said.series.panel.keys))
    )
