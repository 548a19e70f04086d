"""The shape of a recorded market's yield: how its rate falls with our own deposit.

A recording has the rate and, at best, the utilisation and the borrow rate with it. The effect of our deposit follows
from the market's own (utilisation, borrow rate) points of the last 90 days: the interest rate model is estimated as a
convex line through them. That line is the shape; the level is the quoted or forecast rate.
"""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.math.curves import KinkedCurve, Points

WINDOW_DAYS = 90
"""Points older than this may belong to an earlier interest rate model."""
GUESSED_USE = 0.8
"""Utilisation that is assumed for a market whose recording has none; as its rate then falls with the square of supply,
the value does not matter."""
LEAST_USE = 1e-6
"""Below this utilisation nothing is lent, and nothing is known of the curve."""


def lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The largest convex function that is below all points, from the origin; x ascending. The lower half of Andrew's
    monotone chain."""
    hull: list[tuple[float, float]] = []
    for x, y in sorted({(0.0, 0.0), *points}):
        if hull and x == hull[-1][0]:
            continue
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (y1 - y0) * (x - x1) < (y - y1) * (x1 - x0):
                break
            hull.pop()
        hull.append((x, y))
    return hull


def shape_of(points: Sequence[tuple[float, float]]) -> Points:
    """(utilisation, borrow rate) vertices of the market's interest rate model, estimated from observed points;
    ascending from 0 to 1.

    A straight line through the origin if no usable point was observed: the supply rate then falls with the square of
    supplied / (supplied + ours).
    """
    usable = [(u, b) for u, b in points if LEAST_USE < u <= 1.0 and 0.0 < b < 10.0]
    if not usable:
        return ((0.0, 0.0), (1.0, 1.0))
    hull = lower_hull(usable)
    if hull[-1][0] < 1.0:
        (u0, b0), (u1, b1) = hull[-2:]
        hull.append((1.0, b1 + (b1 - b0) / (u1 - u0) * (1.0 - u1)))
    return tuple(hull)


def curve_at(points: Points, rate: float, supplied: float, utilisation: float | None, keep: float = 1.0) -> KinkedCurve:
    """A pool's curve with this shape that pays ``rate`` (a simple annual fraction) before our deposit.

    supplied: whole tokens, without ours; utilisation: None if unknown. keep: 1 - reserve factor. For a market that pays
    nothing the curve is 0 everywhere.
    """
    use = GUESSED_USE if utilisation is None else min(1.0, max(LEAST_USE, utilisation))
    line = points if utilisation is not None else ((0.0, 0.0), (1.0, 1.0))
    plain = KinkedCurve(supplied, use * supplied, line, keep).apr(0.0, 1.0)
    level = rate / plain if plain > 0.0 else 0.0
    return KinkedCurve(supplied, use * supplied, tuple((u, b * level) for u, b in line), keep)
