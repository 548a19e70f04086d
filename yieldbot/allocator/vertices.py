"""Piecewise-linear functions over one cell, by their vertices: sums, multiples, bounds of concave or convex ones."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

Vertices = list[tuple[float, float]]
"""(x, y) vertices of a piecewise-linear function, x ascending: a holding in whole tokens, and tokens a year."""
INSIDE = 1e-9
"""Distance inside a cell at which one-sided values at its ends are computed, as a fraction of its width."""


def times(factor: float, line: Vertices) -> Vertices:
    """A piecewise-linear function over one cell, multiplied by a factor >= 0."""
    return [(x, factor * y) for x, y in line]


def summed(lines: list[Vertices]) -> Vertices:
    """The sum of piecewise-linear functions over one cell; where one jumps at a vertex, the higher value counts."""
    return [(x, sum(value_at(line, x) for line in lines)) for x in sorted({x for line in lines for x, _ in line})]


def value_at(line: Vertices, x: float) -> float:
    """The value at x, which lies in the cell; at a jump the higher one."""
    found = [y for at, y in line if at == x]
    for (x0, y0), (x1, y1) in () if found else pairwise(line):
        if x0 < x < x1:
            found.append(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return max(found)


def by_shape(value: Callable[[float], float], slope: Callable[[float], float], a: float, b: float) -> Vertices:
    """Vertices of a bound of a function that is either concave on [a, b] (tangents at both ends) or convex (the
    chord)."""
    edge = (b - a) * INSIDE
    slope_a, slope_b = slope(a + edge), slope(b - edge)
    if slope_b >= slope_a:
        return [(a, value(a)), (b, value(b))]
    at_a, at_b = value(a + edge) - slope_a * edge, value(b - edge) + slope_b * edge
    meet = (at_b - at_a + slope_a * a - slope_b * b) / (slope_a - slope_b)
    if not a < meet < b:  # rounding: the slopes are all but equal
        return [(a, max(at_a, value(a))), (b, max(at_b, value(b)))]
    return [(a, at_a), (meet, at_a + slope_a * (meet - a)), (b, at_b)]
