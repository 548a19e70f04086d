"""How good forecasts were, once their horizon is over: errors, pinball loss, CRPS, coverage, skill against persistence.

Everything is measured on the rows and markets for which both the forecaster and persistence have a forecast and the
realised rate is recorded. Skill is 1 - sum of losses / sum of persistence's losses. Its interval is a block bootstrap
over dates (Kuensch 1989): forecasts of neighbouring days overlap, and the markets of one day are correlated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.forecast.model import HIGH, HORIZONS, LOW, Walk
from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

DRAWS = 1000
"""Bootstrap samples."""
LEAST_BLOCK_DAYS = 10
"""Shortest block in days; a block is otherwise twice the horizon."""
LEAST_BLOCKS = 5
"""Fewest blocks: blocks are shortened until the dates make up so many, because a single block would show no
uncertainty at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Score of a forecaster at one horizon."""

    horizon: int
    """Horizon of the forecast, in days."""
    forecasts: int
    """Number of scored forecasts: markets times days."""
    mae: float
    """Mean absolute error, a simple annual fraction; NaN here and below: nothing was scored."""
    persistence_mae: float
    """Mean absolute error of persistence on the same forecasts."""
    skill: float
    """1 - mae / persistence_mae."""
    skill_low: float
    """5 % quantile of the bootstrap."""
    skill_high: float
    """95 % quantile of the bootstrap."""
    pinball: float
    """Mean of the pinball losses at 10, 50 and 90 %."""
    persistence_pinball: float
    """Pinball loss of persistence, with an interval made in the same way or without one, as the caller passed it."""
    crps: float
    """Continuous ranked probability score of the distribution that the three quantiles stand for."""
    coverage: float
    """Fraction of realised rates inside the 80 % interval."""


def pinball(came: Grid, said: Grid, quantile: float) -> Grid:
    """The loss of a quantile: quantile x miss above it, (1 - quantile) x miss below."""
    import numpy as np

    miss = came - said
    return np.asarray(np.maximum(quantile * miss, (quantile - 1.0) * miss))


def mean_pinball(came: Grid, walk_mean: Grid, low: Grid, high: Grid) -> Grid:
    """Mean of the losses at 10, 50 and 90 %."""
    return (pinball(came, low, LOW) + pinball(came, walk_mean, 0.5) + pinball(came, high, HIGH)) / 3.0


def crps(came: Grid, mean: Grid, low: Grid, high: Grid) -> Grid:
    """CRPS from three quantiles: twice the integral of the pinball loss over all quantiles (Gneiting and Raftery 2007),
    each of the three standing for those nearest to it (0-0.3, 0.3-0.7, 0.7-1)."""
    return 2.0 * (0.3 * pinball(came, low, LOW) + 0.4 * pinball(came, mean, 0.5) + 0.3 * pinball(came, high, HIGH))


def score(
    walk: Walk,
    persistence: Walk,
    futures: Grid,
    chosen: NDArray[np.bool_] | None = None,
    *,
    step_seconds: int = 86_400,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Score, ...]:
    """One score for each horizon. futures: realised rates (times, markets, horizons), NaN: not known. chosen: mask
    (times, markets) of what is scored; None: all."""
    return tuple(
        _at(walk, persistence, futures, chosen, place, step_seconds, draws, seed) for place in range(len(HORIZONS))
    )


def skill_interval(
    losses: NDArray[np.float64], others: NDArray[np.float64], block: int, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """(5 %, 95 %) quantiles of the skill by a circular block bootstrap over dates. losses, others: sums for each
    date, in order. NaN: there are no dates."""
    import numpy as np

    dates = len(losses)
    if not dates or others.sum() <= 0.0:
        return float("nan"), float("nan")
    block = max(1, min(block, dates))
    random = np.random.default_rng(seed)
    starts = random.integers(0, dates, size=(draws, -(-dates // block)))
    rings = [np.concatenate([[0.0], np.cumsum(np.tile(one, 2))]) for one in (losses, others)]
    own, theirs = ((sums[starts + block] - sums[starts]).sum(axis=1) for sums in rings)
    skills = 1.0 - own / np.where(theirs > 0.0, theirs, np.nan)
    if np.isnan(skills).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(skills, (0.05, 0.95))
    return float(low), float(high)


def _at(
    walk: Walk,
    persistence: Walk,
    futures: Grid,
    chosen: NDArray[np.bool_] | None,
    place: int,
    step_seconds: int,
    draws: int,
    seed: int,
) -> Score:
    import numpy as np

    came = futures[:, :, place]
    mean, low, high = (getattr(walk, one)[:, :, place] for one in ("mean", "low", "high"))
    usual, usual_low, usual_high = (getattr(persistence, one)[:, :, place] for one in ("mean", "low", "high"))
    good = np.isfinite(came) & np.isfinite(mean) & np.isfinite(usual)
    if chosen is not None:
        good &= chosen
    number = int(good.sum())
    nan = float("nan")
    if not number:
        return Score(
            horizon=HORIZONS[place],
            forecasts=0,
            **dict.fromkeys(
                ("mae", "persistence_mae", "skill", "skill_low", "skill_high", "pinball", "persistence_pinball"), nan
            ),
            crps=nan,
            coverage=nan,
        )
    error = np.where(good, np.abs(mean - came), 0.0)
    usual_error = np.where(good, np.abs(usual - came), 0.0)
    days = np.flatnonzero(good.any(axis=1))
    span = slice(int(days[0]), int(days[-1]) + 1)
    block = round(max(LEAST_BLOCK_DAYS, 2 * HORIZONS[place]) * 86_400 / step_seconds)
    block = max(1, min(block, (span.stop - span.start) // LEAST_BLOCKS))
    own_sum, usual_sum = error[span].sum(axis=1), usual_error[span].sum(axis=1)
    skill_low, skill_high = skill_interval(own_sum, usual_sum, block, draws, seed)
    took = [grid[good] for grid in (came, mean, low, high)]
    usual_took = [grid[good] for grid in (came, usual, usual_low, usual_high)]
    usual_total = float(usual_sum.sum())
    return Score(
        horizon=HORIZONS[place],
        forecasts=number,
        mae=float(own_sum.sum()) / number,
        persistence_mae=usual_total / number,
        skill=1.0 - float(own_sum.sum()) / usual_total if usual_total > 0.0 else nan,
        skill_low=skill_low,
        skill_high=skill_high,
        pinball=float(np.nanmean(mean_pinball(*took))),
        persistence_pinball=float(np.nanmean(mean_pinball(*usual_took))),
        crps=float(np.nanmean(crps(*took))),
        coverage=float(np.mean((took[0] >= took[2]) & (took[0] <= took[3]))),
    )
