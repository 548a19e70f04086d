"""Why a market gets its amount, in a few words for the reader of a plan. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import field, replace
from math import inf

from yieldbot.allocator.optimise import TOLERANCE_BPS
from yieldbot.allocator.problem import Problem, ProblemMarket
from yieldbot.model.dataclass import dataclass

NEAR_RATE = 1e-6
"""Rates that differ by less, as simple annual fractions, count as the same."""
POINTS = 8
"""Holdings at which the income of an interval of allowed holdings is compared."""
MEETS = "marginal yield meets the others'"
LESS = "earns less than the others"
ONE_OF_A_POOL = "of the markets of one pool a plan changes one"
KEPT = "kept: a change would not pay"


def marginal_apr(problem: Problem, index: int, x: float) -> float:
    """Income a year of one more token, less the haircut (and less the idle rate, where the problem has one)."""
    return problem.markets[index].marginal(x, problem.horizon_seconds)


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution, and how to speak of it.

    What binds is tried: a limit, a pool or a cost is named only if, without it, a change of this market that is made of
    money of the other ones would earn more.
    """

    problem: Problem
    """The problem."""
    x: Sequence[float]
    """Its holdings."""
    price: float
    """The multiplier of the first asset's budget: a rate between what the last token earns and what one more would."""
    open_by: float = 0.0
    """By how much its bound is above its objective, in the first asset a year."""
    names: Sequence[str] = ()
    """The markets' names; empty: they have none."""
    least: str = "min_position"
    """What the smallest holding is called."""
    passing: frozenset[int] = field(default_factory=frozenset)
    """Markets that money would enter only until later plans move it on."""

    def binding(self, index: int, limits: Sequence[tuple[str, float]] = ()) -> str:
        """The limit that binds the market's holding; if none does, what else keeps it from holding more.

        limits: (name, largest holding) of the limits on this market alone, in order of precedence.
        """
        problem, x = self.problem, self.x
        market, at = problem.markets[index], x[index]
        near, marginal = 2 * problem.unit, marginal_apr(problem, index, at)
        if 0.0 < market.low < market.held and at <= market.low + near:
            return "no more can be withdrawn now"
        if marginal > self.price - NEAR_RATE and (name := self._limit(index, limits)) is not None:
            return name
        if market.low > 0.0 and at <= market.low + near:
            return "nothing can be withdrawn now"
        if at > 0.0 and abs(at - market.held) > near:
            small = marginal < self.price - NEAR_RATE and at <= problem.min_position / market.price + near
            return f"{self.least} is the smallest holding" if small else MEETS
        if at <= 0.0 and marginal <= self.price:
            return LESS
        return self._unchanged(index)

    def one_more(self, limits: Sequence[Sequence[tuple[str, float]]], shut: Collection[int] = ()) -> float:
        """What one more token earns, a simple annual fraction: the highest marginal rate, less the haircut, of a market
        that has money and room; 0 if there is none. It is not the multiplier (``price``), which is any slope between
        those on both sides of the solution.

        limits: of each market, as of ``binding``. shut: markets that no new money may enter.
        """
        near, best = 2 * self.problem.unit, 0.0
        for index, at in enumerate(self.x[: len(self.problem.markets)]):
            if at <= near or index in shut:
                continue
            if self._limit(index, limits[index]) is None and self._room(index)[0] > near:
                best = max(best, marginal_apr(self.problem, index, at))
        return best

    def _limit(self, index: int, limits: Sequence[tuple[str, float]]) -> str | None:
        """The name of the limit that the market's holding is at; None: it is at none."""
        problem, x, near = self.problem, self.x, 2 * self.problem.unit
        for name, most in limits:
            if x[index] >= most - near and (x[index] > 0.0 or most <= 0.0):
                return name
        for group in problem.groups:
            total = sum(x[m] * part * problem.markets[m].price for m, part in group.uses())
            if index in group.members and x[index] > 0.0 and total >= group.most - len(x) * near:
                return group.name
        return None

    def _unchanged(self, index: int) -> str:
        """Why the market's holding stays as it is although one more token there would earn more than elsewhere, or one
        less would."""
        problem, market = self.problem, self.problem.markets[index]
        if self._pays(problem, index):
            room, group = self._room(index)
            found = [] if self._pays(problem, index, room) else [group]
            if (rival := self._rival(index)) is not None:
                found.append(f"{ONE_OF_A_POOL}: {self.names[rival]}" if self.names else ONE_OF_A_POOL)
            if found:
                return "; ".join(found)
            if self.open_by > self._tolerance:
                return f"not known: the search ended early, up to {self.open_by:z,.2f} a year more may be found"
            return LESS if market.held <= 0.0 else KEPT
        if index in self.passing and marginal_apr(problem, index, market.held) > self.price:
            return f"{'kept: more is ' if market.held > 0.0 else ''}not worth its gas, in and out, until later plans"
        if market.held > 0.0:
            return KEPT
        free = replace(market, enter_cost=0.0)
        small = replace(problem, min_position=0.0, min_move=0.0)
        if self._rival(index) is None:
            room, _ = self._room(index)
            if self._pays(_with(problem, index, free), index, room):
                return "its gas would not pay"
            if self._pays(small, index, room):
                return f"only less than {self.least} would pay"
            if self._pays(_with(small, index, free), index, room):
                return f"its gas would not pay, nor would {self.least} without it"
        return LESS

    @property
    def _tolerance(self) -> float:
        """What the search does not look for, in the first asset a year."""
        return max(1e-9, self.problem.wealth * TOLERANCE_BPS / 10_000)

    def _room(self, index: int) -> tuple[float, str]:
        """(how much more the market may hold by the limits on several, the name of the one that leaves least)."""
        problem, rooms = self.problem, [(inf, "")]
        for group in problem.groups:
            total = sum(self.x[m] * part * problem.markets[m].price for m, part in group.uses())
            rooms += [
                (max(0.0, group.most - total) / (part * problem.markets[m].price), group.name)
                for m, part in group.uses()
                if m == index and part > 0.0
            ]
        return min(rooms)

    def _rival(self, index: int) -> int | None:
        """A market of the same pool that the solution changes."""
        markets = self.problem.markets
        changed = (
            i
            for i, one in enumerate(markets)
            if i != index and one.pools & markets[index].pools and abs(self.x[i] - one.held) >= self.problem.unit / 2
        )
        return next(changed, None)

    def _pays(self, problem: Problem, index: int, room: float = inf) -> bool:
        """Whether some change of this market alone, with money from the others, earns more. room: how much more it may
        hold."""
        market = problem.markets[index]
        kept = problem.value(index, self.x[index])
        for low, high in problem.spans(index):
            for y in _points(low, min(high, market.held + room)):
                more = y - self.x[index]
                gain = problem.value(index, y) - kept
                if (
                    gain > self._tolerance
                    and gain - (self._freed(more, index) if more > 0.0 else 0.0) > self._tolerance
                ):
                    return True
        return False

    def _freed(self, amount: float, index: int) -> float:
        """The income a year that is lost where an amount of the market's asset is taken from idle money first, then
        from the other markets whose money earns least; infinite where that is not enough."""
        problem, asset = self.problem, self.problem.markets[index].asset
        left = amount - max(0.0, problem.budgets[asset].spendable - problem.spent(self.x)[asset])
        if left <= 0.0:
            return 0.0
        whole = list[tuple[float, float, int]]()
        least = inf
        for m, one in enumerate(problem.markets):
            if m == index or one.asset != asset or (self.x[m] <= one.held and (one.pools or one.held <= 0.0)):
                continue
            back = one.held if self.x[m] > one.held else max(one.low, 0.0)
            most, value = self.x[m] - back, problem.value(m, self.x[m])
            if most <= 0.0 or not problem.allowed(m, back):
                continue
            if most >= left:
                part = self.x[m] - left
                least = min(least, value - problem.value(m, part if problem.allowed(m, part) else back))
            whole.append(((value - problem.value(m, back)) / most, most, m))
        lost = 0.0
        for each, most, m in sorted(whole):
            part = self.x[m] - left
            if most > left and problem.allowed(m, part):
                return min(least, lost + problem.value(m, self.x[m]) - problem.value(m, part))
            lost, left = lost + each * most, left - most
            if left <= 0.0:
                return min(least, lost)
        return least


def _with(problem: Problem, index: int, market: ProblemMarket) -> Problem:
    return replace(problem, markets=(*problem.markets[:index], market, *problem.markets[index + 1 :]))


def _points(low: float, high: float) -> Iterator[float]:
    """Holdings from low to high, closer to each other at the lower end."""
    for k in range(POINTS + 1 if high >= low else 0):
        yield low + (high - low) * (k / POINTS) ** 2
