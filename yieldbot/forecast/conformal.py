"""Prediction intervals from a forecaster's own recent errors (split conformal prediction).

An error is measured in widths: a width is a sum, with shipped coefficients, of the market's level, its swings, its
distances to the usual, and how its class swings, so that a restless market has a wide one. The interval reaches as many
widths down and up as nine of ten errors did whose horizon is over (Vovk et al. 2005; Papadopoulos et al. 2002), where
older ones count less (Barber et al. 2023), pooled over the markets of a class; where they are not alike, by market as
far as that has errors of its own. A market with little history has a wider one. Where rates calm down, or grow
restless, for months, all that lags behind; so the intervals that were given are judged in the same way once more, in
multiples of their own reach. The adaptive variant, which steps after each miss, is not used: beyond seven days its
steps pile up before the first of them is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from yieldbot.forecast.model import DAY, HIGH, HORIZONS, OTHER, steps_of
from yieldbot.forecast.parameters import WIDTHS
from yieldbot.forecast.series import Series, weighted_sums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]
    Cube = NDArray[np.float64]

HALF_LIFE_DAYS, HALF_LIFE_HORIZONS = 60, 4
"""The error of a forecast made so many days, and so many horizons, before the last that is over counts half: in 60 days
there are but two futures of 30 days that do not overlap."""
HALF_LIVES = 3.0
"""Errors older than so many half-lives are left out."""
ANEW_DAYS = 7
"""How often the number of widths is counted anew."""
PRIOR_DAYS = 20
"""The shipped width counts like so many days of errors and a horizon's more."""
AGAIN_DAYS = 30
"""That the intervals that were given reached far enough counts like so many days and a horizon's more."""
MOST_AGAIN = 2.0
"""And changes a reach by no more than this factor."""
MARKET_DAYS = {OTHER: 30}
"""What is pooled counts for a market like so many days of its own errors; a dollar's market has no say of its own:
dollars are alike, the others are not."""
MOST_ERRORS = 10_000
"""Of more than so many pooled errors, some rows are left out."""
TELLING = 0.1
"""Errors of a smaller part of a width, and those on the other side, count as so much: no reach is so short."""
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
            made[:, column] = weighted_sums(parts[:, column], np.asarray(WIDTHS[market_class][side]))
        sides.append(np.maximum(made, LEAST_LEVEL * parts[:, :, :1] + TENTH_BP))
    return sides[0], sides[1]


def intervals(series: Series, means: Cube) -> tuple[Cube, Cube]:
    """Low and high of the 80 % interval around a forecaster's means, each row from the errors that were known then."""
    import numpy as np

    down, up = widths(series)
    young = widening(series.readings)
    floor = np.where(means >= 0.0, means, np.inf)  # a rate that is not below zero is not expected to go there
    sides = []
    for errors, width, most in ((means - series.futures, down, floor), (series.futures - means, up, np.inf)):
        far = np.full_like(means, np.nan)
        for market_class in sorted(set(series.classes)):
            columns = [i for i, one in enumerate(series.classes) if one == market_class]
            for place, horizon in enumerate(HORIZONS):
                steps = steps_of(series.panel, horizon)
                if steps:
                    at = np.ix_(range(len(means)), columns, [place])
                    came, wide = errors[at][..., 0], width[at][..., 0]
                    made = _far(series, came, wide, horizon, MARKET_DAYS.get(market_class)) * young[:, columns]
                    made = np.minimum(made, np.broadcast_to(most, means.shape)[at][..., 0])
                    far[at] = (made * _again(series, came, made, horizon))[..., None]
        sides.append(np.minimum(far, most))
    return means - sides[0], means + sides[1]


def _far(series: Series, errors: Grid, width: Grid, horizon: int, pooled_days: float | None) -> Grid:
    """How far the interval reaches on one side, for the markets of one class: (times, markets)."""
    import numpy as np

    far = np.full_like(width, np.nan)
    with np.errstate(invalid="ignore"):
        scaled = np.ascontiguousarray((errors / width).T)
    for row, known, counts in _turns(series, horizon, far.shape[1]):
        far[row] = _reach(scaled[:, known], counts, horizon, series.per_day, pooled_days) * width[row]
    return far


def _again(series: Series, errors: Grid, far: Grid, horizon: int) -> Grid:
    """By how much the reaches that were given were too short (above 1) or too long, of the class: (times, 1)."""
    import numpy as np

    factors = np.ones((len(far), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.ascontiguousarray(np.where(far > 0.0, errors / far, np.nan).T)
    for row, known, counts in _turns(series, horizon, far.shape[1]):
        found, days = _pooled(scaled[:, known], counts, series.per_day)
        prior = AGAIN_DAYS + horizon
        factors[row] = np.clip((days * found + prior) / (days + prior), 1.0 / MOST_AGAIN, MOST_AGAIN)
    return factors


def widening(readings: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much an interval is wider for a market that was seen on so few days: 2 after one, 1 from ninety on."""
    import numpy as np

    days = np.maximum(readings, 1.0)
    return 1.0 + np.maximum(0.0, 1.0 - days / YOUNG_DAYS) / np.sqrt(days)


def _turns(series: Series, horizon: int, markets: int) -> Iterator[tuple[slice, slice, NDArray[np.float64]]]:
    """Runs of rows that share one count of widths, by the calendar; with each the rows whose horizon was over then and
    how much these count. markets: how many are pooled."""
    import numpy as np

    times, steps = series.panel.times, steps_of(series.panel, horizon)
    half_life = (HALF_LIFE_DAYS + HALF_LIFE_HORIZONS * horizon) * series.per_day
    turns = np.flatnonzero(np.diff(times // (ANEW_DAYS * DAY), prepend=-1))
    for first, end in zip(turns.tolist(), [*turns[1:].tolist(), len(times)], strict=True):
        over_by_then = max(0, first - steps + 1)
        known = slice(max(0, over_by_then - round(HALF_LIVES * half_life)), over_by_then)
        apart = -(-(known.stop - known.start) * markets // MOST_ERRORS) or 1
        known = slice(known.start + (known.stop - known.start - 1) % apart, known.stop, apart)  # the last one is kept
        age = over_by_then - 1 - np.arange(known.start, known.stop, apart)
        yield slice(first, end), known, apart * 0.5 ** (age / half_life)


def _pooled(errors: Grid, counts: NDArray[np.float64], per_day: float) -> tuple[float, float]:
    """What holds nine in ten of these errors (markets, times), and of how many days they are; 1 and 0 for none.
    counts: how much those of each time count."""
    import numpy as np

    known = np.isfinite(errors)
    total = counts @ known.sum(axis=0)
    if not total:
        return 1.0, 0.0
    telling = errors > TELLING
    found = errors[telling]
    order = np.argsort(found)
    sums = np.cumsum(np.broadcast_to(counts, errors.shape)[telling][order])
    below = total - (sums[-1] if len(sums) else 0.0)
    place = int(np.searchsorted(sums, HIGH * (total + 1.0) - below))
    held = found[order[min(place, len(found) - 1)]] if len(found) and HIGH * (total + 1.0) > below else TELLING
    return float(held), float(counts @ known.any(axis=0)) / per_day


def _reach(
    errors: Grid, counts: NDArray[np.float64], horizon: int, per_day: float, pooled_days: float | None
) -> NDArray[np.float64] | float:
    """How many widths hold nine in ten of these errors (markets, times), for each market or for all of them. counts:
    how much those of each time count; pooled_days: see ``MARKET_DAYS``."""
    import numpy as np

    found, days = _pooled(errors, counts, per_day)
    prior = PRIOR_DAYS + horizon
    made: NDArray[np.float64] | float = (days * found + prior) / (days + prior)
    if days and pooled_days is not None:
        weights = np.where(np.isfinite(errors), counts, 0.0)
        own, seen, hold = _quantile(errors, weights), weights.sum(axis=1) / per_day, pooled_days + horizon
        made = (seen * np.nan_to_num(own) + hold * made) / (seen + hold)
    return np.clip(made, LEAST_WIDTHS, MOST_WIDTHS)


def _quantile(errors: Grid, weights: Grid) -> NDArray[np.float64]:
    """Of each row the least error that, with those below it, weighs nine tenths of all, one more that is not known yet
    counted with them; the greatest where none does. NaN for a row without errors."""
    import numpy as np

    order = np.argsort(errors, axis=1)  # NaN last, which weighs nothing
    sums = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    last = np.maximum(np.isfinite(errors).sum(axis=1) - 1, 0)
    place = np.minimum((sums < HIGH * (sums[:, -1:] + 1.0)).sum(axis=1), last)
    return np.asarray(np.take_along_axis(errors, np.take_along_axis(order, place[:, None], axis=1), axis=1)[:, 0])
