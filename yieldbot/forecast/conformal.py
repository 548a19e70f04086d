"""Prediction intervals from a forecaster's own recent errors (split conformal prediction).

Errors are scaled by a width: a linear combination, with shipped coefficients, of the market's level, its volatility,
its distances to usual levels and the volatility of its class. So a volatile market has a wide interval. The interval
reaches as many widths to each side as the 90 % quantile of the scaled errors whose horizon is over (Vovk et al. 2005;
Papadopoulos et al. 2002), with older errors weighted less (Barber et al. 2023). Errors are pooled over the markets of a
class; in the class ``other`` a market's own errors count as well, by how many there are. A market with little history
has a wider interval.

When volatility changes for months, these quantiles lag behind. Therefore the intervals already given are scored once
more in the same way, in multiples of their own half-widths, and corrected by that factor. Adaptive conformal inference,
which adjusts after each miss, is not used: beyond seven days its adjustments accumulate before the first of them is
scored.
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
"""An error's weight halves every HALF_LIFE_DAYS + HALF_LIFE_HORIZONS * horizon days: 60 days alone would hold only
two 30-day horizons that do not overlap."""
HALF_LIVES = 3.0
"""Errors older than this many half-lives are ignored."""
ANEW_DAYS = 7
"""Days after which the quantiles are computed again."""
PRIOR_DAYS = 20
"""Weight of the prior, one shipped width: as many days of errors, plus one horizon."""
AGAIN_DAYS = 30
"""Weight of the prior of the second correction, a factor of 1: as many days, plus one horizon."""
MOST_AGAIN = 2.0
"""Largest factor of the second correction."""
MARKET_DAYS = {OTHER: 30}
"""By class, the weight of the pooled quantile for a single market, in days of its own errors (plus one horizon).
Classes that are not named use the pooled quantile alone: dollar markets are alike, the others are not."""
MOST_ERRORS = 10_000
"""Most pooled errors; of more, some rows are skipped."""
TELLING = 0.1
"""Smallest scaled error: smaller ones, and errors on the other side, count as this much."""
LEAST_WIDTHS, MOST_WIDTHS = 0.25, 8.0
YOUNG_DAYS = 90
"""Days of readings below which an interval is wider."""
LEAST_LEVEL = 0.02
"""A width is at least this fraction of the level, plus a tenth of a basis point."""
TENTH_BP = 1e-5


def shape(series: Series) -> Cube:
    """(times, markets, 9): inputs of the widths, none below zero: level; volatility (7 days); how far the quote is
    above and below its 5-day mean, and above and below its 30-day median; volatility of the class; volatility (2 and
    30 days)."""
    import numpy as np

    five, month = series.mean(5), series.window("median", 30)
    quote = series.quote
    level = np.maximum(np.abs(five), np.abs(quote) / 4.0)
    apart = [np.maximum(0.0, one) for usual in (five, month) for one in (quote - usual, usual - quote)]
    swings = [series.swing(one) for one in (2, 30)]
    return np.stack([level, series.swing(), *apart, series.unrest * level, *swings], axis=-1)


def widths(series: Series) -> tuple[Cube, Cube]:
    """Widths to the low and to the high side, each (times, markets, horizons)."""
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
    """Low and high ends of the 80 % interval around a forecaster's means, at each row from the errors known then."""
    import numpy as np

    down, up = widths(series)
    young = widening(series.readings)
    floor = np.where(means >= 0.0, means, np.inf)  # a rate that is not negative is not expected to become negative
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
    """Half-width of the interval on one side, for the markets of one class: (times, markets)."""
    import numpy as np

    far = np.full_like(width, np.nan)
    with np.errstate(invalid="ignore"):
        scaled = np.ascontiguousarray((errors / width).T)
    for row, known, counts in _turns(series, horizon, far.shape[1]):
        far[row] = _reach(scaled[:, known], counts, horizon, series.per_day, pooled_days) * width[row]
    return far


def _again(series: Series, errors: Grid, far: Grid, horizon: int) -> Grid:
    """Factor by which the given half-widths of the class were too short (above 1) or too long (below 1): (times, 1)."""
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
    """Factor on the interval of a market with few days of readings: 2 after one day, falling to 1 at ``YOUNG_DAYS``."""
    import numpy as np

    days = np.maximum(readings, 1.0)
    return 1.0 + np.maximum(0.0, 1.0 - days / YOUNG_DAYS) / np.sqrt(days)


def _turns(series: Series, horizon: int, markets: int) -> Iterator[tuple[slice, slice, NDArray[np.float64]]]:
    """For each run of rows that shares one quantile (by the calendar): the run, the rows whose horizon was over at
    its start, and their weights. markets: number of pooled markets."""
    import numpy as np

    times, steps = series.panel.times, steps_of(series.panel, horizon)
    half_life = (HALF_LIFE_DAYS + HALF_LIFE_HORIZONS * horizon) * series.per_day
    turns = np.flatnonzero(np.diff(times // (ANEW_DAYS * DAY), prepend=-1))
    for first, end in zip(turns.tolist(), [*turns[1:].tolist(), len(times)], strict=True):
        over_by_then = max(0, first - steps + 1)
        known = slice(max(0, over_by_then - round(HALF_LIVES * half_life)), over_by_then)
        apart = -(-(known.stop - known.start) * markets // MOST_ERRORS) or 1
        known = slice(
            known.start + (known.stop - known.start - 1) % apart, known.stop, apart
        )  # the last row is always kept
        age = over_by_then - 1 - np.arange(known.start, known.stop, apart)
        yield slice(first, end), known, apart * 0.5 ** (age / half_life)


def _pooled(errors: Grid, counts: NDArray[np.float64], per_day: float) -> tuple[float, float]:
    """(90 % quantile of these errors (markets, times), number of days that have any); (1, 0) if there are none.
    counts: weight of each time."""
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
    """The 90 % quantile of these scaled errors (markets, times), for each market or one for all. counts: weight of
    each time; pooled_days: see ``MARKET_DAYS``."""
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
    """The weighted 90 % quantile of each row, counting one more error that is not known yet; the greatest error if
    that exceeds all. NaN for a row without errors."""
    import numpy as np

    order = np.argsort(errors, axis=1)  # NaN sorts last and has no weight
    sums = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    last = np.maximum(np.isfinite(errors).sum(axis=1) - 1, 0)
    place = np.minimum((sums < HIGH * (sums[:, -1:] + 1.0)).sum(axis=1), last)
    return np.asarray(np.take_along_axis(errors, np.take_along_axis(order, place[:, None], axis=1), axis=1)[:, 0])
