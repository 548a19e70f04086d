"""The best holdings and their bound, with markets that share a pool never counted as independent.

Two markets that lend to the same borrowers (a vault and the market below it) have curves that hold only while the other
does not change. So at most one of them may receive new money: every maximal set of markets without a shared pool is a
problem of its own, where the markets outside it cannot grow. The best of their solutions is ours; the largest of their
bounds is a bound of the whole. Beyond ``MOST_CHOICES`` sets the remaining conflicts are dropped from the bound, which
keeps it rigorous (a shared pool only lowers incomes) but looser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

from yieldbot.allocator.bound import upper_bound
from yieldbot.allocator.problem import Problem
from yieldbot.allocator.solve import Holdings, solve

MOST_CHOICES = 64


@dataclass(frozen=True, slots=True)
class Optimum:
    """Holdings in whole tokens, their objective, the bound on any allocation's, the marginal value of the budget."""

    holdings: Holdings
    objective: float
    upper_bound: float
    price: float


def optimise(problem: Problem) -> Optimum:
    """Solve each choice, most promising bound first; a choice whose bound is already beaten is not solved."""
    choices = list(islice(_choices(problem), MOST_CHOICES + 1))
    bounded = [(*upper_bound(choice), choice) for choice in choices[:MOST_CHOICES]]
    bound = max(value for value, _, _ in bounded)
    if len(choices) > MOST_CHOICES:
        bound = upper_bound(problem)[0]
    held = tuple(place.held for place in problem.places)
    best = Optimum(held, problem.objective(held), bound, bounded[0][1])
    for value, price, choice in sorted(bounded, key=lambda row: -row[0]):
        if value <= best.objective:
            break
        found = solve(choice, price)
        objective = problem.objective(found)
        if objective > best.objective:
            best = Optimum(found, objective, bound, price)
    return best


def _choices(problem: Problem) -> Iterator[Problem]:
    """The problem once for each way to say which of the conflicting markets may grow."""
    open_ = [i for i, place in enumerate(problem.places) if place.high > place.held + problem.unit / 2]
    conflicts = {i: {j for j in open_ if j != i and problem.places[i].pools & problem.places[j].pools} for i in open_}
    components = _components(conflicts)
    for chosen in product(*(list(_independent(component, conflicts)) for component in components)):
        may_grow = frozenset().union(*chosen) if chosen else frozenset()
        yield replace(
            problem,
            places=tuple(
                place if i in may_grow or not conflicts.get(i) else replace(place, high=place.held)
                for i, place in enumerate(problem.places)
            ),
        )


def _components(conflicts: dict[int, set[int]]) -> list[list[int]]:
    """Connected groups of two or more conflicting markets, in a fixed order."""
    left, found = {i for i, others in conflicts.items() if others}, []
    while left:
        group, border = set(), {min(left)}
        while border:
            group |= border
            border = set().union(*(conflicts[i] for i in border)) - group
        left -= group
        found.append(sorted(group))
    return found


def _independent(component: list[int], conflicts: dict[int, set[int]]) -> Iterator[frozenset[int]]:
    """All maximal sets of a component without a conflict inside (Bron and Kerbosch on the complement)."""

    def extend(chosen: frozenset[int], able: list[int], past: set[int]) -> Iterator[frozenset[int]]:
        if not able and not past:
            yield chosen
        for place, market in enumerate(able):
            later = [j for j in able[place + 1 :] if j not in conflicts[market]]
            before = {j for j in past | set(able[:place]) if j not in conflicts[market]}
            yield from extend(chosen | {market}, later, before)

    yield from extend(frozenset(), component, set())
