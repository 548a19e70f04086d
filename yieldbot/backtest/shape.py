"""The shape of a recorded market's yield: how its rate falls as our own deposit comes in.

A recording has a rate and, at best, the utilisation and the borrow rate beside it. What our deposit does follows from
the market's own (utilisation, borrow rate) points of the last 90 days: an interest rate model is a convex line through
them. The shape is that line's; the level is what was quoted, or forecast.
"""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.math.curves import KinkedCurve, Points

WINDOW_DAYS = 90
"""Points older than this are of another interest rate model, perhaps."""
GUESSED_USE = 0.8
"""Utilisation of a market that does not say it; with a rate that falls with its square, any would do."""
LEAST_USE = 1e-6
"""Below this nothing is lent, and nothing is known of the curve."""


def lower_hull(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The convex line below all points, from the origin; x ascending. Andrew's monotone chain, its lower half."""
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
    """(utilisation, borrow rate) of the market's interest rate model, from what was seen of it; ascending from 0 to 1.

    A straight line through the origin where nothing usable was seen: then the supply rate falls with the square of
    supplied over supplied and ours.
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

    supplied: whole tokens, ours not among them; utilisation: None where it is not known. Of a market that pays nothing
    the curve is 0 everywhere.
    """
    use = GUESSED_USE if utilisation is None else min(1.0, max(LEAST_USE, utilisation))
    line = points if utilisation is not None else ((0.0, 0.0), (1.0, 1.0))
    plain = KinkedCurve(supplied, use * supplied, line, keep).apr(0.0, 1.0)
    level = rate / plain if plain > 0.0 else 0.0
    return KinkedCurve(supplied, use * supplied, tuple((u, b * level) for u, b in line), keep)
