"""How much of the best variant's gain is real: its gain minus what the best of as many worthless variants would show by
luck.

White's reality check (White, "A Reality Check for Data Snooping", Econometrica 68, 2000). Start dates are resampled in
blocks. In each resample every variant's mean is centred by its mean over all dates, and the largest centred mean over
the variants is what luck alone produces. The average of these maxima is the luck that is deducted, their quantiles give
the interval, and the fraction of resamples in which luck reached the observed gain is the p-value. All variants are
resampled together, so that a hundred identical variants count as one. Blocks are circular (Politis and Romano 1992). A
variant that lost far more than its errors explain is not centred: it keeps its loss (Hansen, "A Test for Superior
Predictive Ability", Journal of Business and Economic Statistics 23, 2005), so that it cannot hide the gain of others.

Windows overlap, and a block bootstrap of overlapping windows underestimates the variance of their mean. Differences are
therefore scaled by the square root of (variance of the mean / variance that the bootstrap finds), both exact for
windows made of independent days; with few windows also by Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.model.dataclass import dataclass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

DRAWS = 2_000
LEVEL = 0.9
"""Confidence level of the interval."""
NORMAL_95 = 1.6448536269514722
LEAST_INDEPENDENT = 3.0
"""Least number of windows without a common day; with fewer, luck and skill cannot be separated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflated:
    """The best of several variants. Gains are in percentage points a year."""

    best: int
    """Index of the best variant."""
    gain_pp: float
    """Its observed mean gain over all dates."""
    luck_pp: float
    """Expected gain of the best of as many variants if none of them were better than the reference."""
    deflated_pp: float
    """``gain_pp`` minus ``luck_pp``."""
    low_pp: float
    """Lower end of the 90 % interval of ``deflated_pp``."""
    high_pp: float
    """Upper end of the 90 % interval of ``deflated_pp``."""
    p_value: float
    """Probability that luck alone would show at least this gain."""


def deflated(gains: Sequence[Sequence[float]], starts: Sequence[float], length: float, seed: int) -> Deflated | None:
    """The best of the variants. gains: for each variant its gain over the benchmark on each date; starts: when windows
    begin, and length: how long they are, in the same unit. None if there are too few dates to tell luck from skill."""
    import numpy as np

    seen = np.asarray(gains, dtype=float)
    share = overlap(starts, length)
    dates = len(starts)
    independent = dates**2 / share.sum() if dates else 0.0
    if not len(seen) or independent < LEAST_INDEPENDENT:
        return None
    block = max(1, min(dates, round(dates / independent)))
    widened = _short(share, block) ** 0.5 * student_95(independent - 1.0) / NORMAL_95
    draw = np.random.default_rng(seed)
    blocks = -(-dates // block)
    firsts = draw.integers(0, dates, size=(DRAWS, blocks))
    drawn = ((firsts[:, :, None] + np.arange(block)) % dates).reshape(DRAWS, -1)
    means = seen.mean(axis=1)
    best = int(means.argmax())
    luck = np.full(DRAWS, -np.inf)
    hopeless = math.sqrt(2.0 * math.log(math.log(max(dates, 3))))
    for place, (row, mean) in enumerate(zip(seen, means, strict=True)):
        apart = (row[drawn].mean(axis=1) - mean) * widened
        lost = place != best and mean < -hopeless * apart.std()
        luck = np.maximum(luck, apart + (mean if lost else 0.0))
    gain, usual = float(means[best]), float(luck.mean())
    low, high = (float(np.quantile(luck, q)) for q in ((1.0 + LEVEL) / 2, (1.0 - LEVEL) / 2))
    return Deflated(
        best=best, gain_pp=gain, luck_pp=usual, deflated_pp=gain - usual, low_pp=gain - low, high_pp=gain - high,
        p_value=float((luck >= gain).mean()),
    )  # fmt: skip


def overlap(starts: Sequence[float], length: float) -> Matrix:
    """For each two windows the fraction of their days that they share: the correlation of their gains if days are
    independent."""
    import numpy as np

    when = np.asarray(starts, dtype=float)
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(when[:, None] - when[None, :]) / length))


def _short(share: Matrix, block: int) -> float:
    """The variance of the mean over all dates, divided by what a circular block bootstrap finds for it on average."""
    import numpy as np

    dates = len(share)
    places = (np.arange(dates)[:, None] + np.arange(block)) % dates
    weights = np.full((dates, dates), -1.0 / dates)
    for at, some in enumerate(places):
        weights[at, some] += 1.0 / block
    found = float(np.einsum("ij,jk,ik->i", weights, share, weights).mean()) / -(-dates // block)
    return float(share.sum()) / dates**2 / found if found > 0.0 else 1.0


def student_95(freedom: float) -> float:
    """The 95 % quantile of Student's t with ``freedom`` degrees of freedom, by the Cornish-Fisher expansion (Abramowitz
    and Stegun 26.7.5)."""
    z, n = NORMAL_95, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n ** (power + 1) for power, term in enumerate(terms))
