"""Finds the root of a falling function of a positive number, by a bracketed search in logarithms.

Source: Chandrupatla (1997), "A new hybrid quadratic/bisection algorithm": inverse quadratic interpolation where it is
reliable, else bisection.
"""

from __future__ import annotations

import math
from collections.abc import Callable

TRIES = 128
ULPS = 2.0**-51
"""Relative distance between the two ends at which the search stops."""


def crossing(
    level: Callable[[float], float],
    low: float,
    high: float,
    enough: Callable[[float, float], bool] = lambda low, high: high - low <= ULPS * low,
    nothing: float = math.nan,
) -> tuple[float, float]:
    """Two adjacent numbers: ``level`` is not negative at the lower one, and negative at the higher one.

    low, high: positive start values for which this holds. enough: whether two ends are close enough. nothing: a level
    that counts as 0; the search ends when it is found.
    """
    a, b, c = high, low, low
    at_a, at_b, at_c = level(high), level(low), 0.0
    ends, t = [low, high], 0.5
    for _ in range(TRIES):
        x = a + a * math.expm1(t * _apart(b, a))
        if not ends[0] < x < ends[1]:  # between the ends there is hardly a float: the middle one, or none
            x = math.sqrt(ends[0] * ends[1])
            if not ends[0] < x < ends[1]:
                break
        found = level(x)
        ends[found < 0.0] = x
        if (found < 0.0) == (at_a < 0.0):
            c, at_c = a, at_a
        else:
            c, at_c, b, at_b = b, at_b, a, at_a
        a, at_a = x, found
        if found == nothing or enough(*ends):
            break
        to_b, to_c = _apart(b, a), _apart(c, a)
        least = ULPS / max(ULPS, abs(to_b))
        t = min(max(_next_fraction(to_b, to_c, at_a, at_b, at_c), least), 1.0 - least) if least < 0.5 else 0.5
    return ends[0], ends[1]


def _apart(x: float, a: float) -> float:
    """log(x / a), accurate even if x and a are very close."""
    share = (x - a) / a
    return math.log1p(share) if abs(share) < 0.5 else math.log(x / a)


def _next_fraction(b: float, c: float, at_a: float, at_b: float, at_c: float) -> float:
    """Where to try next, as a fraction of the way from a to b; b, c: logarithmic distances from a."""
    if at_c in (at_a, at_b) or c == b or not c:
        return 0.5
    xi, phi = -b / (c - b), (at_a - at_b) / (at_c - at_b)
    if not (phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi):
        return 0.5
    return at_a / (at_b - at_a) * at_c / (at_b - at_c) + c / b * at_a / (at_c - at_a) * at_b / (at_c - at_b)
