"""Prediction intervals from a forecaster's own recent errors (split conformal prediction).

An error is measured in widths: a width is a sum, with shipped coefficients, of the market's level, its swings, its
distances to the usual, and how its class swings, so that a restless market has a wide one. The interval reaches as many
widths down and up as nine of ten errors of the last 90 days did whose horizon is over (Vovk et al. 2005; Papadopoulos
et al. 2002), pooled over the markets of a class, and by market as far as that has errors of its own. A market with
little history has a wider one. The adaptive variant, which steps after each miss, is not used: beyond seven days its
steps pile up before the first of them is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.forecast.model import DAY, DOLLAR, HIGH, HORIZONS, OTHER, steps_of
from yieldbot.forecast.parameters import WIDTHS
from yieldbot.forecast.series import Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cube = NDArray[np.float64]

WINDOW_DAYS, WINDOW_HORIZONS = 90, 9
"""Errors of forecasts made so many days, and so many horizons, before those that are over count: in 90 days there are
but three futures of 30 days that do not overlap, and on what they say alone six in ten were covered."""
ANEW_DAYS = 7
"""How often the number of widths is counted anew."""
PRIOR_DAYS = 20
"""The shipped width counts like so many days of errors and a horizon's more."""
MARKET_DAYS = {DOLLAR: 300, OTHER: 30}
"""What is pooled counts for a market like so many days of its own errors: dollars are alike, the others are not."""
LEAST_WIDTHS, MOST_WIDTHS = 0.25, 8.0
YOUNG_DAYS = 90
"""A market seen for fewer days has a wider interval."""
LEAST_LEVEL = 0.02
"""A width is at least this share of the level, and a tenth of a basis point."""
TENTH_BP = 1e-5


def shape(series: Series) -> Cube:
    """(times, markets, 9): what widths are made of: level, swing (7 days), how far the quote is above and below its
    5-day mean, above and below its 30-day median, the class's unrest, swing (2 and 30 days); none below zero."""
    import numpy as np

    five, month = series.mean(5), series.window("median", 30)
    quote = series.quote
    level = np.maximum(np.abs(five), np.abs(quote) / 4.0)
    apart = [np.maximum(0.0, one) for usual in (five, month) for one in (quote - usual, usual - quote)]
    swings = [series.swing(one) for one in (2, 30)]
    return np.stack([level, series.swing(), *apart, series.unrest * level, *swings], axis=-1)


def widths(series: Series) -> tuple[Cube, Cube]:
    """Widths downwards and upwards, each (times, markets, horizons)."""
    import numpy as np

    parts = shape(series)
    sides = []
    for side in (0, 1):
        made = np.full((*series.quote.shape, len(HORIZONS)), np.nan)
        for column, market_class in enumerate(series.classes):
            made[:, column] = parts[:, column] @ np.asarray(WIDTHS[market_class][side]).T
        sides.append(np.maximum(made, LEAST_LEVEL * parts[:, :, :1] + TENTH_BP))
    return sides[0], sides[1]


def intervals(series: Series, means: Cube) -> tuple[Cube, Cube]:
    """Low and high of the 80 % interval around a forecaster's means, each row from the errors that were known then."""
    import numpy as np

    down, up = widths(series)
    with np.errstate(invalid="ignore"):
        under = (means - series.futures) / down
        over = (series.futures - means) / up
    low, high = np.full_like(means, np.nan), np.full_like(means, np.nan)
    young = widening(series.readings)
    for market_class in sorted(set(series.classes)):
        columns = [i for i, one in enumerate(series.classes) if one == market_class]
        for place, horizon in enumerate(HORIZONS):
            steps = steps_of(series.panel, horizon)
            if not steps:
                continue
            span = round((WINDOW_DAYS + WINDOW_HORIZONS * horizon) * series.per_day)
            for first, end in _turns(series):
                row, over_by_then = slice(first, end), max(0, first - steps + 1)
                known = slice(max(0, over_by_then - span), over_by_then)
                for errors, width, sign, side in ((under, down, -1.0, low), (over, up, 1.0, high)):
                    times = _reach(errors[known, columns, place], horizon, series.per_day, MARKET_DAYS[market_class])
                    reach = times * width[row, columns, place] * young[row, columns]
                    side[row, columns, place] = means[row, columns, place] + sign * reach
    floor = np.where(means >= 0.0, 0.0, -np.inf)  # a rate that is not below zero is not expected to go there
    return np.minimum(np.maximum(low, floor), means), np.maximum(high, means)


def widening(readings: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much an interval is wider for a market that was seen on so few days: 2 after one, 1 from ninety on."""
    import numpy as np

    days = np.maximum(readings, 1.0)
    return 1.0 + np.maximum(0.0, 1.0 - days / YOUNG_DAYS) / np.sqrt(days)


def _turns(series: Series) -> list[tuple[int, int]]:
    """Runs of rows, [first, end), that share one count of widths, by the calendar."""
    import numpy as np

    times = series.panel.times
    turns = np.flatnonzero(np.diff(times // (ANEW_DAYS * DAY), prepend=-1))
    return list(zip(turns.tolist(), [*turns[1:].tolist(), len(times)], strict=True))


def _reach(errors: NDArray[np.float64], horizon: int, per_day: float, pooled_days: float) -> NDArray[np.float64]:
    """How many widths hold nine in ten of these errors (times, markets), for each market. pooled_days: see
    ``MARKET_DAYS``."""
    import numpy as np

    ordered = np.sort(errors, axis=0)  # NaN last
    number = np.isfinite(ordered).sum(axis=0)
    total = int(number.sum())
    pooled = np.sort(ordered[np.isfinite(ordered)])
    days = float(number.max(initial=0)) / per_day
    all_of_them = 1.0
    if total:
        found = float(pooled[min(total - 1, int(np.ceil(HIGH * (total + 1))) - 1)])
        prior = PRIOR_DAYS + horizon
        all_of_them = (days * found + prior) / (days + prior)
    if not len(ordered):
        return np.full(errors.shape[1], all_of_them)
    place = np.clip(np.ceil(HIGH * (number + 1)).astype(int) - 1, 0, np.maximum(number - 1, 0))
    own = np.nan_to_num(np.take_along_axis(ordered, place[None, :], axis=0)[0])
    seen = number / per_day
    hold = pooled_days + horizon
    made = (seen * own + hold * all_of_them) / (seen + hold)
    return np.asarray(np.clip(made, LEAST_WIDTHS, MOST_WIDTHS))
