"""Perfect foresight: the best of several strategies that know all rates in advance, and an upper bound for all
strategies.

Strategies are made in two ways. Dynamic programming over allocations of the whole wealth to one market, or to two in
steps of ``STEP``, with every cost. And the solution of the bound's linear program, over any number of markets, of which
only changes above a threshold are carried out. The ledger then carries out each strategy like any other rule, with its
costs and with exits limited by the cash there is; the best one is called foresight. No strategy earns more than the
bound (``bound.py``): the gap between the two is how much better a strategy that knew the future might still have been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from yieldbot.backtest.bound import bound
from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.rules import MOST_USED, Rule, Shares, follow
from yieldbot.backtest.world import ONE, World
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

STEP = 0.05
"""Step of a split between two markets, as a fraction of our wealth."""
MOST_MARKETS = 8
"""Only this many markets are considered for splits: those that paid most over the window."""
THRESHOLDS = (0.002, 0.02, 0.1)
"""Thresholds that are tried in turn: changes of a market by less than this fraction of our wealth are left out of the
program's solution."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """The best strategy found that knows the future."""

    gain: float
    """Dollars earned over the window, net of costs."""
    path: tuple[tuple[float, ...], ...]
    """Fractions of our wealth by market, after each row's changes."""
    wealth: tuple[float, ...]
    """Dollars at each row, the first being the initial wealth."""
    bound: float
    """No strategy earns more dollars than this over the window, net of costs."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A rule that follows the dynamic program: it moves when the program's fractions change."""

    shares: Sequence[Shares]
    """Fractions of the wealth in each market, for each row from ``first`` on."""
    first: int
    """Panel row of the first entry of ``shares``."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        at = row - self.first
        return self.shares[at] if at == 0 or self.shares[at] != self.shares[at - 1] else None


@dataclass(frozen=True, slots=True)
class Toward:
    """A rule that follows the linear program but skips small changes; the money they would have moved goes to the
    largest market."""

    amounts: Sequence[Shares]
    """Dollars by row and market for one dollar at the start."""
    first: int
    """Panel row of the first entry of ``amounts``."""
    dollars: float
    """Dollars at the start."""
    least: float
    """Smallest change of one market that is carried out, as a fraction of our wealth."""

    def __call__(self, world: World, row: int, dollars: float, held: Shares) -> Shares | None:
        wanted = [max(0.0, amount) * self.dollars / dollars for amount in self.amounts[row - self.first]]
        scale = 1.0 / max(1.0, sum(wanted))
        wanted = [one * scale for one in wanted]
        made = [
            one if abs(one - own) > self.least or (own > 0.0 and one < 1e-9) else own
            for one, own in zip(wanted, held, strict=True)
        ]
        if made == list(held):
            return None
        largest = max(range(len(wanted)), key=lambda column: wanted[column])
        made[largest] = max(0.0, made[largest] + sum(wanted) - sum(made))
        return made


def incomes(world: World, dollars: float, first: int, last: int) -> Grid:
    """(rows, markets, steps + 1): dollars earned from each row to the next by each fraction of ``dollars`` in each
    market.

    Whether money may come in or go out is not checked here but for each transition (``_barred``).
    """
    import numpy as np

    steps = round(1 / STEP)
    found = np.zeros((last - first, len(world.markets), steps + 1))
    for row in range(first, last):
        seconds = float(world.panel.times[row + 1] - world.panel.times[row])
        rates = world.rates_until_next(row)
        for column, cell in enumerate(world.cells(row)):
            if cell is None:
                continue
            curve = cell.curve(1.0)
            for k in range(1, steps + 1):
                x = dollars * k / steps
                found[row - first, column, k] = (
                    x * float(rates[column]) * curve.apr(x, 1.0) * seconds / SECONDS_PER_YEAR
                )
    return found


def foresee(world: World, dollars: float, first: int, last: int) -> Foresight:
    """The best of the strategies described above, and the bound for all strategies."""
    planned = _planned(world, dollars, first, last)
    likely = {column for shares in planned for column, share in enumerate(shares) if share > 0.0}
    above = bound(world, dollars, first, last, sorted(likely))
    rules: list[Rule] = [Planned(planned, first)]
    rules += [Toward(above.shares, first, dollars, least) for least in THRESHOLDS]
    best = max((follow(world, rule, dollars, first, last) for rule in rules), key=lambda ledger: ledger.wealth)
    gain = best.wealth - dollars
    return Foresight(gain, _shares(best), tuple(best.worth), max(gain, above.gain))


def _shares(ledger: SimulatedLedger) -> tuple[tuple[float, ...], ...]:
    wealth = zip(ledger.holdings, ledger.worth, strict=False)
    return tuple(tuple(raw / max(sum(held), dollars * ONE) for raw in held) for held, dollars in wealth)


def _planned(world: World, dollars: float, first: int, last: int) -> list[tuple[float, ...]]:
    """Fractions by market at each row, by dynamic programming. What a pool pays after our deposit is computed for
    ``dollars`` throughout; earnings are reinvested."""
    import numpy as np

    earned = incomes(world, dollars, first, last)
    steps = earned.shape[2] - 1
    states = _states(world, earned, steps)
    weights = np.array([[state.get(column, 0) for column in range(len(world.markets))] for state in states])
    touched, swapped, swaps = _transitions(world, weights, steps)
    holders = [np.flatnonzero(weights[:, column]) for column in range(len(world.markets))]
    reached, everywhere = np.empty_like(touched), np.arange(len(states))
    value = np.full(len(states), -math.inf)
    value[0] = dollars  # all in cash
    came = np.zeros((last - first, len(states)), dtype=np.int32)
    picked = np.arange(len(world.markets))
    for row in range(first, last):
        costs = world.costs[row]
        if row == first or costs != world.costs[row - 1]:
            cost = touched * costs.touch + swaps * costs.swap + swapped * (dollars * costs.swap_bps / BPS)
        np.subtract(value[None, :], cost, out=reached)
        if (barred := _barred(world, row, weights, holders, steps, dollars)) is not None:
            reached[barred] = -math.inf
        came[row - first] = best = reached.argmax(axis=1)
        value = reached[everywhere, best] * (1.0 + earned[row - first][picked, weights].sum(axis=1) / dollars)
    at = int(value.argmax())
    path = []
    for row in range(last - first - 1, -1, -1):
        path.append(tuple(float(w) / steps for w in weights[at]))
        at = int(came[row, at])
    return path[::-1]


def _states(world: World, earned: Grid, steps: int) -> list[dict[int, int]]:
    """All states of the dynamic program: all in cash; all in one market; two of the best markets in steps."""
    whole = earned[:, :, steps].sum(axis=0)
    best = sorted(range(len(world.markets)), key=lambda column: -whole[column])
    chosen = sorted(best[:MOST_MARKETS])
    found: list[dict[int, int]] = [{}, *({column: steps} for column in range(len(world.markets)))]
    for at, one in enumerate(chosen):
        for other in chosen[at + 1 :]:
            found += [{one: k, other: steps - k} for k in range(1, steps)]
    return found


def _transitions(world: World, weights: NDArray[np.int64], steps: int) -> tuple[Grid, Grid, Grid]:
    """Three (to, from) matrices: markets touched; fraction of our wealth swapped; number of swaps."""
    import numpy as np

    count = len(weights)
    touched = np.zeros((count, count))
    for column in range(weights.shape[1]):
        own = weights[:, column]
        touched += own[:, None] != own[None, :]
    coins = len(world.tokens)
    by_coin = np.zeros((count, coins))
    for column, coin in enumerate(world.token_of):
        by_coin[:, coin] += weights[:, column]
    by_coin[0, 0] = steps  # the cash that all begins with
    swapped, swaps = np.zeros((count, count)), np.zeros((count, count))
    for coin in range(coins):
        more = by_coin[:, None, coin] - by_coin[None, :, coin]
        swapped += np.maximum(more, 0.0) / steps
        swaps += more > 0
    return touched, swapped, swaps


def _barred(
    world: World,
    row: int,
    weights: NDArray[np.int64],
    holders: Sequence[NDArray[np.intp]],
    steps: int,
    dollars: float,
) -> NDArray[np.bool_] | None:
    """(to, from): whether a transition is forbidden at this row, because money would enter a market that takes none, or
    leave one that cannot pay it; None: all are allowed. holders: by market, the states that hold it."""
    import numpy as np

    count, found = len(weights), None
    shares = np.arange(steps + 1)
    more = (shares[:, None] - shares[None, :]) / steps * dollars
    for column, cell in enumerate(world.cells(row)):
        barred = np.zeros(more.shape, dtype=bool)
        if cell is None or cell.blocked or (cell.utilisation or 0.0) > MOST_USED:
            barred |= more > 0.0
        if cell is None or cell.cash < dollars or world.waits[column]:
            cash = 0.0 if cell is None else cell.cash
            barred |= (-more > (0.0 if world.waits[column] else cash)) | (more > cash)
        if not barred.any():
            continue
        if found is None:
            found = np.zeros((count, count), dtype=bool)
        own, held = weights[:, column], holders[column]
        if barred[0, 0]:  # cash below nothing: not even staying away is possible
            found[:] = True
        found[held] |= barred[own[held]][:, own]
        found[:, held] |= barred[:, own[held]][own]
    return found
