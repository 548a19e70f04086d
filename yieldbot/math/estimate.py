"""Interval estimates of a pool's volatility and fees, from what the pool itself has recorded.

Quantiles are approximations that need no library: chi-square by Wilson and Hilferty (1931), Student's t by its
expansion about the normal (Abramowitz and Stegun 26.7.5); for the values used here they are within 3 % and 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import SECONDS_PER_YEAR

LOG_TICK = math.log(1.0001)
"""Logarithm of one tick's price ratio."""
LEAST_MOVES = 10
LEAST_SAMPLES = 5
"""With fewer samples there is no estimate."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence bounds."""

    low: float
    """Lower bound."""
    mean: float
    """The estimate."""
    high: float
    """Upper bound."""


NOTHING_KNOWN = Interval(0.0, 0.0, math.inf)
"""The interval without any data."""


def chi_square(probability: float, freedom: float) -> float:
    """Quantile of chi-square with ``freedom`` degrees of freedom."""
    part = 2.0 / (9.0 * freedom)
    return freedom * max(0.0, 1.0 - part + NormalDist().inv_cdf(probability) * math.sqrt(part)) ** 3


def student(probability: float, freedom: float) -> float:
    """Quantile of Student's t with ``freedom`` degrees of freedom."""
    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4


def volatility(cumulatives: Sequence[float], seconds: float, fee: float, confidence: float) -> Interval:
    """Annual standard deviation of the log price (0.6 is 60 %).

    cumulatives: a pool's tick cumulatives, read every ``seconds``, the oldest first; fee: the pool's fee, as a
    fraction.

    Each interval yields the mean tick, not the tick at its ends. For Brownian motion the difference of two neighbouring
    means has variance 2/3 sigma^2 t and correlation 1/4 with the next difference. So the mean of n squares is unbiased
    after division by 2 t / 3, and chi-square's interval has n^2 / (n + (n - 1) / 8) degrees of freedom. Two sources of
    error widen both bounds (added as root mean squares): a pool's price may be anywhere within its fee of the market's
    price, and ticks are whole numbers. Jumps, and volatility that changes within the window, make the true interval
    wider; the future may differ from the window altogether.
    """
    means = [(late - early) / seconds for early, late in pairwise(cumulatives)]
    moves = [LOG_TICK * (late - early) for early, late in pairwise(means)]
    count = len(moves)
    if count < LEAST_MOVES:
        return NOTHING_KNOWN
    freedom = count**2 / (count + (count - 1) / 8)
    square = math.fsum(move * move for move in moves) / count
    tail = (1.0 - confidence) / 2
    low, high = (math.sqrt(square * freedom / chi_square(p, freedom)) for p in (1.0 - tail, tail))
    slack = math.sqrt(2 / 3) * fee + LOG_TICK / math.sqrt(6)
    scale = math.sqrt(2 * seconds / 3 / SECONDS_PER_YEAR)
    return Interval(max(0.0, low - slack) / scale, math.sqrt(square) / scale, (high + slack) / scale)


def rate_of(amounts: Sequence[float], seconds: Sequence[float], confidence: float) -> Interval:
    """Rate a second of amounts that arrived in windows of these lengths; never negative.

    The mean is the sum of amounts / the sum of seconds; the interval is that of a ratio estimator, by Student's t over
    the windows as if they were independent. Fees of neighbouring windows are correlated, so the true interval is wider;
    longer windows reduce that.
    """
    count, whole = len(amounts), math.fsum(seconds)
    if count < LEAST_SAMPLES or whole <= 0.0:
        return NOTHING_KNOWN
    mean = math.fsum(amounts) / whole
    rest = math.fsum((a - mean * t) ** 2 for a, t in zip(amounts, seconds, strict=True)) / (count - 1)
    half = student((1.0 + confidence) / 2, count - 1) * math.sqrt(rest * count) / whole
    return Interval(max(0.0, mean - half), mean, mean + half)
