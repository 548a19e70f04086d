"""What the best of many tried variants is worth: its gain less what the best of as many worthless ones would show.

White's reality check (White, "A Reality Check for Data Snooping", Econometrica 68, 2000): start dates are drawn in
blocks, each variant's mean of a draw is taken less its mean of all dates, and the largest of these differences over the
variants is what luck alone makes. Its mean is the luck that is taken off; its quantiles are the interval; the share of
draws in which luck made as much as was seen is the p-value. All variants are drawn together, so that a hundred that do
the same count as one. Blocks are circular (Politis and Romano 1992). A variant that lost far more than its own errors
explain is not given the luck of one that gained nothing: its loss stays in its draws (Hansen, "A Test for Superior
Predictive Ability", Journal of Business and Economic Statistics 23, 2005), so that it cannot hide what others gained.

Windows overlap, and a block bootstrap of overlapping windows says too little of how much their mean varies. So
differences are widened by the root of what the variance of the mean is to what the bootstrap finds, both exact for
windows of days that do not depend on each other; and for few windows by Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

DRAWS = 2_000
LEVEL = 0.9
"""Of the interval."""
NORMAL_95 = 1.6448536269514722
LEAST_INDEPENDENT = 3.0
"""Fewer windows that share no day say nothing of luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflated:
    """The best of several variants. Gains are in percentage points a year."""

    best: int
    """Its place."""
    gain_pp: float
    """As seen: its mean over all dates."""
    luck_pp: float
    """What the best of as many worthless variants would show on average."""
    deflated_pp: float
    """The gain less that."""
    low_pp: float
    """Lower end of the 90 % interval of ``deflated_pp``."""
    high_pp: float
    """Upper end of it."""
    p_value: float
    """How often luck alone would show as much."""


def deflated(gains: Sequence[Sequence[float]], starts: Sequence[float], length: float, seed: int) -> Deflated | None:
    """The best of the variants. gains: of each variant at each date, over what they are compared with; starts: when
    windows begin, and length: how long they are, in one unit. None for too few dates to tell luck from skill."""
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
    """Of each two windows, the share of their days that both have: the correlation of their gains where days do not
    depend on each other."""
    import numpy as np

    when = np.asarray(starts, dtype=float)
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(when[:, None] - when[None, :]) / length))


def _short(share: Matrix, block: int) -> float:
    """The variance of the mean of all dates over what a circular block bootstrap finds for it on average."""
    import numpy as np

    dates = len(share)
    places = (np.arange(dates)[:, None] + np.arange(block)) % dates
    weights = np.full((dates, dates), -1.0 / dates)
    for at, some in enumerate(places):
        weights[at, some] += 1.0 / block
    found = float(np.einsum("ij,jk,ik->i", weights, share, weights).mean()) / -(-dates // block)
    return float(share.sum()) / dates**2 / found if found > 0.0 else 1.0


def student_95(freedom: float) -> float:
    """The 95 % point of Student's t, by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5)."""
    z, n = NORMAL_95, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n ** (power + 1) for power, term in enumerate(terms))
