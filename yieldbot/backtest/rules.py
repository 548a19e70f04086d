"""Simple rules to compare policies with, on the same data and at the same costs. Each gives fractions of our wealth by
market.

A rule sees a row and those before it. No rule considers what a move costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.world import ONE, World
from yieldbot.model.dataclass import dataclass

MOST_USED = 0.98
"""Utilisation above which a market gets no new money."""

Shares = Sequence[float]
"""Fractions of our wealth by market; the rest, up to 1, is idle."""


def best_at(world: World, row: int, dollars: float) -> tuple[int, float] | None:
    """(market, fraction of our money): the market where all of it, or as much as the market could pay out again, earns
    most by the quote after our deposit."""
    found = []
    for column in open_columns(world, row):
        if (cell := world.cells(row)[column]) is not None:
            x = min(dollars, cell.cash)
            found.append((x * cell.curve(cell.rate).apr(x, 1.0), -column, x / dollars))
    return (-max(found)[1], max(found)[2]) if found else None


def _all_in(world: World, best: tuple[int, float] | None) -> list[float]:
    return [best[1] if best is not None and best[0] == at else 0.0 for at in range(len(world.markets))]


def open_columns(world: World, row: int) -> list[int]:
    """Markets that accept deposits."""
    return [
        column
        for column, cell in enumerate(world.cells(row))
        if cell is not None and not cell.blocked and (cell.utilisation or 0.0) <= MOST_USED
    ]


@dataclass(slots=True)
class Static:
    """All in the market with the best quote of the first day, never moved."""

    shares: Shares | None = None
    """Fractions of the money by market, once chosen."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        if self.shares is None:
            self.shares = _all_in(world, best_at(world, row, dollars))
            return self.shares
        return None


@dataclass(slots=True)
class Largest:
    """All in the market that was the largest on the first day, never moved."""

    shares: Shares | None = None
    """Fractions of the money by market, once chosen."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        if self.shares is not None:
            return None
        found = [(cell.supplied, -at) for at in open_columns(world, row) if (cell := world.cells(row)[at]) is not None]
        self.shares = _all_in(world, (-max(found)[1], 1.0) if found else None)
        return self.shares


@dataclass(slots=True)
class Equal:
    """Equal parts in each market that accepted deposits on the first day, never moved."""

    shares: Shares | None = None
    """Fractions of the money by market, once chosen."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        if self.shares is not None:
            return None
        columns = open_columns(world, row)
        self.shares = [1.0 / len(columns) if at in columns else 0.0 for at in range(len(world.markets))]
        return self.shares


@dataclass(slots=True)
class Greedy:
    """Every day all in the market with the best quote after our own deposit."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        best = best_at(world, row, dollars)
        return None if best is None or held[best[0]] > 0.999 * best[1] else _all_in(world, best)


@dataclass(slots=True)
class Band:
    """Modelled on ZyFAI's published rules: moves to a market whose rate over ``mean_rows`` exceeds ours by ``more``, at
    most once in ``rest_rows``, and never into more than ``most_share`` of a pool."""

    more: float = 0.01
    """By how much the other market's mean rate must be higher, a simple annual fraction."""
    rest_rows: int = 10
    """Least rows between two moves."""
    mean_rows: int = 7
    """Rows that rates are averaged over."""
    most_share: float = 0.15
    """Largest fraction of a pool that our deposit may be."""
    moved: int | None = None
    """Row of the last move; None before the first."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        if self.moved is not None and row - self.moved < self.rest_rows:
            return None
        found = []
        for column in open_columns(world, row):
            cell = world.cells(row)[column]
            if cell is not None and dollars <= self.most_share * cell.supplied and cell.cash >= dollars:
                found.append((self._mean(world, row, column), -column))
        if not found:
            return None
        rate, best = max(found)[0], -max(found)[1]
        ours = sum(share * self._mean(world, row, column) for column, share in enumerate(held) if share > 0.0)
        if self.moved is not None and rate < ours + self.more:
            return None
        self.moved = row
        return None if held[best] > 0.999 else _all_in(world, (best, 1.0))

    def _mean(self, world: World, row: int, column: int) -> float:
        seen = [
            cell.rate for at in range(max(0, row - self.mean_rows + 1), row + 1) if (cell := world.cells(at)[column])
        ]
        return sum(seen) / len(seen) if seen else 0.0


Rule = Callable[[World, int, float, Shares], "Shares | None"]
RULES: dict[str, Callable[[], Rule]] = {
    "static": Static,
    "largest": Largest,
    "equal": Equal,
    "greedy": Greedy,
    "zyfai-like": Band,
}
"""The rules, by the name that tables show."""


def follow(world: World, rule: Rule, dollars: float, first: int, last: int) -> SimulatedLedger:
    """The rule's wallet at row ``last``, starting with all money as cash in the first coin."""
    ledger = SimulatedLedger.with_cash(world, dollars)
    for row in range(first, last):
        ledger.collect(row)
        total = max(1, sum(ledger.held) + sum(ledger.idle))  # nothing where all is leaving
        own = [raw / total for raw in ledger.held]
        shares = rule(world, row, total / ONE, own)
        if shares is not None:
            wanted = zip(shares, own, ledger.held, strict=True)
            ledger.rebalance(row, [raw if share == now else math.floor(share * total) for share, now, raw in wanted])
        ledger.earn(row)
    return ledger
