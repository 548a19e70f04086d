"""Median regression on recent quotes, pooled over the markets of a class, fitted on the past alone.

The target is the mean rate over a horizon less the quote. The features are differences of rates: exponential means of
paid rates less the quote, the 30-day median less the quote, and how far the quote is above its usual levels, also
scaled by its volatility. There is no intercept and every feature scales with the level of rates, so that a model fitted
on 4 % markets applies to 12 % ones. The coefficients minimise the sum of absolute errors (quantile regression, Koenker
and Bassett 1978) by iteratively reweighted least squares. They begin with coefficients fitted on recorded history and
frozen (``parameters``). Every four weeks they are fitted again on the user's own history, shrunk towards the frozen
ones; the shorter the history, the more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.forecast.model import DAY, HORIZONS, steps_of
from yieldbot.forecast.parameters import COEFFICIENTS
from yieldbot.forecast.series import Series, weighted_sums
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]
    Cube = NDArray[np.float64]

FEATURES = (
    *("paid-0.5d", "paid-1d", "paid-2d", "paid-5d", "median-30d"),
    *("over-1.5", "over-1.2", "over-median", "restless"),
)
"""Names of the features, in the order of the coefficients."""
HALF_LIVES = (0.5, 1, 2, 5)
"""Half-lives of the exponential means of paid rates, in days."""
REFIT_DAYS = 28
"""Days between two fits."""
WINDOW_DAYS = 730
"""Days of history that a fit uses."""
PRIOR_DAYS, PRIOR_HORIZONS = 120, 4
"""Weight of the frozen coefficients as a prior: as many days of history, plus as many horizons."""
LEAST_ROWS = 60
"""Fewest training rows; with fewer nothing is fitted."""
MOST_EXAMPLES = 30_000
"""Most training examples; of more, some rows are skipped."""
FLOOR, CEILING = 1e-3, 1.0
"""An example's weight is 1 / sqrt(level), with a level of at least 0.1 %; quotes above 100 % are left out."""
ITERATIONS = 12


@dataclass(frozen=True, slots=True)
class Frozen:
    """The regression with the shipped coefficients, never fitted again."""

    name: str = "regression-frozen"
    """Its name in tables."""
    says: str = "median regression on distances to means and medians, coefficients as shipped"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """See ``Rule``."""
        import numpy as np

        inputs = features(series)
        out = np.full((*series.quote.shape, len(HORIZONS)), np.nan)
        for column, market_class in enumerate(series.classes):
            out[:, column, :] = weighted_sums(inputs[:, column, :], np.asarray(COEFFICIENTS[market_class]))
        return within(series, series.quote[:, :, None] + out)


@dataclass(frozen=True, slots=True)
class Regression:
    """The regression, fitted again every four weeks and shrunk towards the shipped coefficients."""

    name: str = "regression"
    """Its name in tables."""
    says: str = "the same, fitted anew every four weeks on the history so far, drawn towards the shipped coefficients"
    """What it does, in one line."""

    def means(self, series: Series) -> Cube:
        """See ``Rule``."""
        import numpy as np

        inputs = features(series)
        out = np.full((*series.quote.shape, len(HORIZONS)), np.nan)
        for market_class in sorted(set(series.classes)):
            columns = [i for i, one in enumerate(series.classes) if one == market_class]
            own = inputs[:, columns]
            for place, horizon in enumerate(HORIZONS):
                frozen = np.asarray(COEFFICIENTS[market_class][place])
                for first, end in refits(series):
                    coefficients = _fitted(series, own, columns, horizon, first, frozen)
                    rows = own[first:end].reshape(-1, own.shape[2])
                    made = weighted_sums(rows, coefficients[None, :])
                    out[first:end, columns, place] = made.reshape(end - first, len(columns))
        return within(series, series.quote[:, :, None] + out)


def features(series: Series) -> Cube:
    """(times, markets, features): the features of each row, as annual fractions; NaN: the market has no quote."""
    import numpy as np

    series.prepare_paid(HALF_LIVES)
    means = [series.paid(one) - series.quote for one in HALF_LIVES]
    return np.stack([*means, *usual_distances(series)], axis=-1)


def usual_distances(series: Series) -> list[Grid]:
    """The last five of ``FEATURES``: distances of the quote from its usual levels."""
    import numpy as np

    quote, five = series.quote, series.mean(5)
    week, month = series.window("mean", 7), series.window("median", 30)
    restless = np.minimum(1.0, 5.0 * series.swing() / np.maximum(np.abs(five), 1e-4))
    return [
        month - quote,
        *(np.minimum(0.0, times * week - quote) for times in (1.5, 1.2)),
        np.minimum(0.0, 1.2 * month - quote),
        (five - quote) * restless,
    ]


def within(series: Series, means: Cube) -> Cube:
    """The means limited to the range of the last 30 days' quotes."""
    import numpy as np

    low, high = series.range
    return np.clip(means, low[:, :, None], high[:, :, None])


def refits(series: Series) -> list[tuple[int, int]]:
    """Runs of rows [first, end) that share one fit, made at their first row. The runs follow the calendar, so that
    they do not shift when history grows."""
    import numpy as np

    times = series.panel.times
    turns = np.flatnonzero(np.diff(times // (REFIT_DAYS * DAY), prepend=-1))
    return list(zip(turns.tolist(), [*turns[1:].tolist(), len(times)], strict=True))


def examples(
    series: Series, columns: Sequence[int], horizon: int, row: int, apart: int | None = None
) -> NDArray[np.bool_]:
    """Mask (times, columns) of training examples for a fit at ``row``: their horizon is over by then. Overlapping
    horizons add little information, so only one row in a third of a horizon, or in ``apart`` days, is used."""
    import numpy as np

    steps = steps_of(series.panel, horizon)
    allowed = np.zeros((len(series.panel.times), len(columns)), dtype=bool)
    last = row - steps
    if steps and last >= 0:
        first = max(0, row - round(WINDOW_DAYS * series.per_day))
        stride = max(1, steps // 3 if apart is None else round(apart * series.per_day))
        stride = max(stride, -(-(last + 1 - first) * len(columns) // MOST_EXAMPLES))
        allowed[first : last + 1] = (np.arange(first, last + 1) % stride == 0)[:, None]
    return allowed


def _fitted(
    series: Series, own: Cube, columns: Sequence[int], horizon: int, row: int, frozen: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients fitted on examples whose horizon is over at ``row``."""
    import numpy as np

    allowed = examples(series, columns, horizon, row)
    rows = np.flatnonzero(allowed.any(axis=1))
    if not len(rows):
        return frozen
    inputs = own[rows]
    at = np.ix_(rows, np.asarray(columns))
    quote = series.quote[at]
    came = series.realised(horizon)[at] - quote
    level = np.maximum(series.mean(30)[at], FLOOR)
    good = np.isfinite(came) & np.isfinite(inputs).all(axis=-1) & (np.abs(quote) < CEILING)
    if good.sum() < LEAST_ROWS:
        return frozen
    days = (rows[-1] - rows[0] + 1) / series.per_day
    pull = (PRIOR_DAYS + PRIOR_HORIZONS * horizon) / days
    return fit(inputs[good], came[good], 1.0 / np.sqrt(level[good]), 0.5, frozen, pull)


def fit(
    inputs: Grid,
    wanted: NDArray[np.float64],
    weights: NDArray[np.float64],
    quantile: float,
    prior: NDArray[np.float64],
    pull: float,
    iterations: int = ITERATIONS,
) -> NDArray[np.float64]:
    """The coefficients b that minimise sum(weights * pinball(wanted - inputs b)) + prior, where the prior counts
    ``pull`` times as much as the examples; by iteratively reweighted least squares (Schlossmacher 1973).
    Deterministic."""
    import numpy as np

    scale = np.sqrt((inputs**2).mean(axis=0)) + 1e-12
    scaled, start = inputs / scale, prior * scale
    least = 1e-2 * float(np.median(np.abs(wanted))) + 1e-9
    now = start
    for _ in range(iterations):
        error = wanted - scaled @ now
        weight = weights * np.where(error > 0, quantile, 1.0 - quantile) / np.maximum(np.abs(error), least)
        weighted = scaled * weight[:, None]
        normal = weighted.T @ scaled
        hold = pull * np.diag(normal) + 1e-9 * max(float(np.trace(normal)), 1e-30)
        following = np.linalg.solve(normal + np.diag(hold), weighted.T @ wanted + hold * start)
        done = float(np.abs(following - now).max()) <= 1e-4 * float(np.abs(following).max()) + 1e-15
        now = following
        if done:
            break
    return np.asarray(now / scale)
