"""A feasible allocation: pairwise exchanges from several starts, each improving the true objective.

The price of the dual bound gives one start (each market alone at that price); staying as we are, and filling one market
at a time, give others. An exchange moves money between two places (or the idle wallet) to the best point of the line
between them, searched over the kinks, the bounds and a grid that zooms in; it is taken only if every constraint holds.
Nothing here is proven: how good the result is, the bound says.
"""

from __future__ import annotations

from collections.abc import Iterator

from yieldbot.allocator.problem import Problem

Holdings = tuple[float, ...]
GRID = 16
ZOOMS = 5
SWEEPS = 40
LEAST_GAIN = 1e-9
IDLE = -1


def solve(problem: Problem, price: float) -> Holdings:
    """The best holdings found; always feasible (staying as we are is). Deterministic."""
    starts = [tuple(p.held for p in problem.places), *_starts(problem, price)]
    best, best_value = starts[0], problem.objective(starts[0])
    for start in starts:
        if not problem.feasible(start):
            continue
        found = _improved(problem, start)
        value = problem.objective(found)
        if value > best_value + LEAST_GAIN:
            best, best_value = found, value
    return best


def _starts(problem: Problem, price: float) -> Iterator[Holdings]:
    """What could leave has left; then each market takes its best amount at the price, most profitable first."""
    emptied = tuple(p.low if problem.allowed(i, p.low) else p.held for i, p in enumerate(problem.places))
    yield emptied
    wishes = []
    for index, place in enumerate(problem.places):
        points = _points(problem, index)
        x = max(points, key=lambda at: (problem.value(index, at) - price * at, -at))
        wishes.append((problem.value(index, x) - price * x, x, index, place))
    filled = list(emptied)
    for _, x, index, _place in sorted(wishes, key=lambda wish: (-wish[0], wish[2])):
        before = filled[index]
        room = problem.budget - sum(filled) + before
        filled[index] = min(x, max(before, room))
        if not problem.feasible(tuple(filled)):
            filled[index] = before
    yield tuple(filled)


def _points(problem: Problem, index: int) -> list[float]:
    place = problem.places[index]
    high = min(place.high, problem.budget)
    grid = [place.low + (high - place.low) * k / 64 for k in range(65)]
    points = [place.held, *grid, *(b for b in place.curve.breakpoints() if place.low <= b <= high)]
    return [x for x in points if problem.allowed(index, x)]


def _improved(problem: Problem, start: Holdings) -> Holdings:
    """Exchanges until none gains, or ``SWEEPS`` sweeps are over."""
    x = start
    places = range(len(problem.places))
    pairs = [(i, j) for i in (IDLE, *places) for j in (IDLE, *places) if i != j]
    quiet = 0
    for _ in range(SWEEPS):
        for source, target in pairs:
            moved = _exchange(problem, x, source, target)
            quiet = 0 if moved != x else quiet + 1
            x = moved
            if quiet > len(pairs):
                return x
    return x


def _exchange(problem: Problem, x: Holdings, source: int, target: int) -> Holdings:
    """The best transfer from source to target; the same holdings when none gains."""
    most = (x[source] - problem.places[source].low) if source != IDLE else problem.budget - sum(x)
    if target != IDLE:
        most = min(most, problem.places[target].high - x[target])
    if most < problem.unit:
        return x
    base = _value(problem, x, source) + _value(problem, x, target)
    best_x, best_gain, best_at = x, LEAST_GAIN, 0.0
    low, high = 0.0, most
    special = list(_special(problem, x, source, target, most))
    for zoom in range(ZOOMS):
        step = (high - low) / GRID
        grid = [low + step * k for k in range(GRID + 1)]
        for transfer in special + grid if zoom == 0 else grid:
            if transfer < problem.unit or transfer > most:
                continue
            tried = _moved(x, source, target, transfer)
            gain = _value(problem, tried, source) + _value(problem, tried, target) - base
            if gain > best_gain and problem.feasible(tried):
                best_x, best_gain, best_at = tried, gain, transfer
        if best_x is x:
            return x
        low, high = max(0.0, best_at - step), min(most, best_at + step)
    return best_x


def _value(problem: Problem, x: Holdings, index: int) -> float:
    return 0.0 if index == IDLE else problem.value(index, x[index])


def _moved(x: Holdings, source: int, target: int, transfer: float) -> Holdings:
    out = list(x)
    if source != IDLE:
        out[source] -= transfer
    if target != IDLE:
        out[target] += transfer
    return tuple(out)


def _special(problem: Problem, x: Holdings, source: int, target: int, most: float) -> Iterator[float]:
    """Transfers that end exactly at a kink, a bound, a minimum, a group's limit or what was held before."""
    yield most
    if target != IDLE:
        place, at = problem.places[target], x[target]
        yield from (point - at for point in (*place.curve.breakpoints(), place.held, problem.min_position))
        yield place.held + problem.min_move - at
        for group in problem.groups:
            if target in group.members:
                yield group.most - sum(x[m] for m in group.members)
    if source != IDLE:
        place, at = problem.places[source], x[source]
        yield from (at - point for point in (*place.curve.breakpoints(), place.held, problem.min_position))
        yield at - (place.held - problem.min_move)
