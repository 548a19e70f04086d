"""Quotes of swaps for the solver: lower quotes, from which answers are made, and upper quotes, from which bounds are
computed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from itertools import permutations

from yieldbot.allocator.convert import (
    SMALLEST,
    Conversion,
    QuotedRoute,
    convert,
    lower_quotes,
    swap_routes,
    upper_quotes,
)
from yieldbot.allocator.integers import ExactSwap
from yieldbot.allocator.portfolio import Portfolio
from yieldbot.allocator.problem import Problem
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Exchanged
from yieldbot.model.policy import Base


@dataclass(slots=True)
class SwapQuotes:
    """Swap quotes for the solver: a row for each route of each pair of assets, refined around solutions."""

    snapshot: Snapshot
    """The observed markets."""
    portfolio: Portfolio
    """Our money by asset."""
    base: Base | None
    """The unit that the assets are held for; None: the job has one asset."""
    rows: list[tuple[int, int, QuotedRoute]]
    """(asset given, asset wanted, route)."""
    near: list[set[int]]
    """Further amounts to quote for each row, in base units."""
    closed: dict[int, str]
    """Why an asset that we hold none of cannot be bought, by its index."""
    points: list[list[tuple[int, int]]] = field(default_factory=list)
    """(in, out) quotes of each row, from which ``quoted`` last made its answer."""
    made: dict[tuple[Amount, Token], Conversion | Declined] = field(default_factory=dict)
    """Swaps computed before: the solutions of two rounds often make the same swap."""

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        portfolio: Portfolio,
        base: Base | None,
        only: frozenset[tuple[Token, Token]] | None = None,
    ) -> SwapQuotes:
        """only: the pairs that may be swapped; None: every pair."""
        rows, closed = list[tuple[int, int, QuotedRoute]](), dict[int, str]()
        for source, target in permutations(range(len(portfolio.tokens)), 2):
            most, wanted = Amount(portfolio.tokens[source], portfolio.raws[source]), portfolio.tokens[target]
            if base is None or most.raw <= 0 or (only is not None and (most.token, wanted) not in only):
                continue
            found = [way for way in swap_routes(snapshot, most, wanted, base) if way.quotes()]
            rows += ((source, target, way) for way in found)
            if not found and not portfolio.raws[target]:
                refused = convert(snapshot, Amount(most.token, -(-most.raw // SMALLEST)), wanted, base)
                if isinstance(refused, Declined):
                    closed[target] = f"nothing is swapped for {wanted.symbol}: {refused.reason}"
        # the amount at which idle money is used up and invested money begins
        idle = [state.held.raw for state in snapshot.idle]
        return cls(snapshot, portfolio, base, rows, [{idle[s]} if idle[s] else set() for s, _, _ in rows], closed)

    def gas(self) -> list[int]:
        return [way.gas for _, _, way in self.rows]

    def quoted(self) -> list[ExactSwap]:
        """Quotes of each row; those of the default amounts where the amounts near a solution give none."""
        found = []
        self.points = []
        for (source, target, way), near in zip(self.rows, self.near, strict=True):
            points = way.points(near)
            if not (quotes := lower_quotes(points)):
                quotes = lower_quotes(points := way.points())
            self.points.append(points)
            found.append(ExactSwap(source, target, quotes))
        return found

    def widened(self, problem: Problem) -> Problem:
        """The same problem, with swaps that bring the most that is possible between two quotes: its bound therefore
        holds for every amount."""
        rates = [problem.budgets[s.source].price / problem.budgets[s.target].price for s in problem.swaps]
        found = []
        for raws, swap, rate in zip(self.points, problem.swaps, rates, strict=True):
            given, wanted = self.portfolio.ones[swap.source], self.portfolio.ones[swap.target]
            points = [(raw / given, got / wanted) for raw, got in raws]
            found.append(replace(swap, quotes=upper_quotes(points, rate, 1 / wanted)))
        return replace(problem, swaps=tuple(found))

    def exchanged(self, paid: Sequence[int]) -> tuple[Exchanged, ...] | None:
        """The swaps as they would be executed, one for each pair; None if one is refused, which is then no longer
        quoted.

        A whole swap, with the gas of all its parts, may be refused although each part by itself is accepted.
        """
        sums: dict[tuple[int, int], int] = {}
        for (source, target, _), raw in zip(self.rows, paid, strict=True):
            sums[source, target] = sums.get((source, target), 0) + raw
        found = []
        for pair, raw in sums.items():
            if not raw or self.base is None:
                continue
            given, wanted = Amount(self.portfolio.tokens[pair[0]], raw), self.portfolio.tokens[pair[1]]
            if (given, wanted) not in self.made:
                self.made[given, wanted] = convert(self.snapshot, given, wanted, self.base)
            made = self.made[given, wanted]
            if isinstance(made, Declined):
                kept = [k for k, (source, target, _) in enumerate(self.rows) if (source, target) != pair]
                self.rows, self.near = [self.rows[k] for k in kept], [self.near[k] for k in kept]
                return None
            parts = made.route.parts
            found.append(Exchanged(given, made.route.given, made.least, sum(p.gas for p in parts), len(parts)))
        return tuple(found)

    def requote(self, paid: Sequence[int], further: Sequence[float]) -> bool:
        """Add quotes for a solution's amounts (base units), for those of the wider problem (whole tokens), and for
        amounts around both. Returns whether any of them is new."""
        fresh = False
        for (source, _, _), near, raw, more in zip(self.rows, self.near, paid, further, strict=True):
            for amount in (raw, int(more * self.portfolio.ones[source])):
                around = {amount + amount * part // 10_000 for part in (-100, -10, -1, 0, 1, 10, 100)} - {0}
                fresh |= not around <= near
                near |= around
        return fresh


def most_added(lower: Problem, upper: Problem, prices: Sequence[float], limit: float) -> float:
    """The most by which wider quotes raise any bound of the search, in the first asset a year; infinite where that is
    more than ``limit``.

    A bound is a Lagrangian. Each swap adds to it the most that any amount earns at the multipliers: the amount's own
    value, and its output at the multiplier of the asset bought. Both problems' quotes are linear between their points,
    so the difference is largest at one of the points. prices: the highest multiplier of each resource over all bounds.
    """
    added, first = 0.0, len(lower.markets)
    for k, (less, more) in enumerate(zip(lower.swaps, upper.swaps, strict=True), first):
        price = prices[less.target]
        points = {x for x, _ in (*less.quotes, *more.quotes)} | {min(less.idle, less.quotes[-1][0])}
        added += max(
            upper.value(k, x) - lower.value(k, x) + price * (more.out(x) - less.out(x)) for x in (0.0, *points)
        )
        if added > limit:
            return float("inf")
    return added
