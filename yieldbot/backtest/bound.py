"""An upper bound of what any strategy could have earned in a window, with a certificate.

Two things that make perfect foresight hard to compute are relaxed. A fixed cost (gas of a market touched, of a swap) is
spread over the largest amount that there could be, so that a small move pays only its part of it. The income of a
market is replaced by a concave, nondecreasing function above it. What remains is a linear program: money flows over
days through markets and coins. HiGHS solves it; the bound is not HiGHS's objective but the Lagrangian dual at its
multipliers, which is above every strategy whatever the solver's tolerances. Money moves by the rules that every
strategy here obeys: nothing goes into a market that is blocked or used above ``MOST_USED``, nothing goes in or out
beyond the cash recorded on a day, and nothing leaves at once a market that pays after a wait.

Markets that no strategy would use are left out of the program at first. Multipliers for them are derived from those of
the others, and markets that would still be entered at these prices are then added. The certificate covers all markets.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from yieldbot.backtest.rules import MOST_USED
from yieldbot.backtest.world import World
from yieldbot.model.dataclass import dataclass
from yieldbot.model.units import BPS, SECONDS_PER_YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grid = NDArray[np.float64]

FINE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, *(0.1 + 0.9 * k / 22 for k in range(23)))
"""Holdings at which tangents of an income are computed, as fractions of the largest amount that there can be."""
CLOSE = 5e-8
"""To have fewer pieces, a function above an income may rise by this fraction of the wealth a day."""
ENOUGH = 1e-6
"""Markets left out of the program may add at most this fraction of the wealth to the bound."""
MOST_ROUNDS = 6
"""Most linear programs that are solved."""
BEGIN_WITH = 4
"""Number of markets in the first program (those that paid most over the window), in addition to those named by
``likely``."""


@dataclass(frozen=True, slots=True)
class GainBound:
    """An upper bound on what any strategy earns in a window, with the linear program's own path."""

    gain: float
    """No strategy earns more dollars than this over the window, net of costs."""
    shares: tuple[tuple[float, ...], ...]
    """Holdings in the program's optimum: fractions of the initial wealth, by row and market. It would be a real
    strategy if there were no fixed costs."""


@dataclass(slots=True)
class _Columns:
    """The whole program: for each column its value, its upper bound and its one or two entries. Amounts are fractions
    of the wealth."""

    worth: list[float]
    """What one unit of each column adds to the objective."""
    most: list[float]
    """Upper bound of each column; the lower one is 0."""
    first: list[tuple[int, float]]
    """(row, coefficient) of each column's first non-zero entry."""
    second: list[tuple[int, float]]
    """(row, coefficient) of each column's second non-zero entry; row -1: there is none."""
    market: list[int]
    """Market that the column belongs to, or -1."""
    coin: list[int]
    """Coin that the column belongs to, or -1."""
    held: list[int]
    """For a holding: row of the window; else -1."""

    def add(
        self, worth: float, most: float, first: tuple[int, float], second: tuple[int, float] = (-1, 0.0), *,
        market: int = -1, coin: int = -1, held: int = -1,
    ) -> None:  # fmt: skip
        """Add a column."""
        self.worth.append(worth)
        self.most.append(most)
        self.first.append(first)
        self.second.append(second)
        self.market.append(market)
        self.coin.append(coin)
        self.held.append(held)


class _Program:
    """The linear program of one window. Rows: for each day a balance for each market, for each coin, and for the hub
    through which swaps go. Selling into the hub is free; buying from it costs one swap."""

    def __init__(self, world: World, dollars: float, first: int, last: int) -> None:
        import numpy as np

        self.days, self.markets, self.coins = last - first, len(world.markets), len(world.tokens)
        self.stride = self.markets + self.coins + 1
        self.world, self.dollars, self.start = world, dollars, first
        self.pieces: list[list[list[tuple[float, float]]]] = []
        """By day and market: (length, slope) of each piece of the function above the day's income, the steepest
        first."""
        self.tops: list[float] = []
        """The largest amount of money that there can be on each day."""
        top = 1.0
        for row in range(first, last):
            rates = np.maximum(world.rates_until_next(row), 0.0)
            years = float(world.panel.times[row + 1] - world.panel.times[row]) / SECONDS_PER_YEAR
            self.tops.append(top)
            self.pieces.append([self._above(row, i, top, float(rates[i]) * years) for i in range(self.markets)])
            top *= 1.0 + float(rates.max(initial=0.0)) * years
        columns = _Columns([], [], [], [], [], [], [])
        for day in range(self.days):
            self._day(columns, day)
        self.worth, self.most = np.array(columns.worth), np.array(columns.most)
        self.rows = np.array([[a, b] for (a, _), (b, _) in zip(columns.first, columns.second, strict=True)])
        self.values = np.array([[a, b] for (_, a), (_, b) in zip(columns.first, columns.second, strict=True)])
        self.market_of, self.coin_of = np.array(columns.market), np.array(columns.coin)
        self.held = np.array(columns.held)
        self.right = np.zeros(self.days * self.stride)
        self.right[self.coin_row(0, 0)] = 1.0  # all begins as cash in the first coin

    def market_row(self, day: int, market: int) -> int:
        return day * self.stride + market

    def coin_row(self, day: int, coin: int) -> int:
        return day * self.stride + self.markets + coin

    def hub_row(self, day: int) -> int:
        return day * self.stride + self.markets + self.coins

    def _above(self, row: int, market: int, top: float, growth: float) -> list[tuple[float, float]]:
        """(length, slope) of the pieces of the lowest line above the income's tangents. growth: what the first dollar
        earned until the next row.

        With u = B / (S + x) and b a straight line between two kinks, the income x b(u) u is concave for as long as it
        rises (the second derivative changes its sign at an S + x where income still rises): two tangents bound it.
        """
        import numpy as np

        cell = self.world.cells(row)[market]
        if cell is None or growth <= 0.0:
            return [(top, 0.0)]
        curve = cell.curve(1.0)
        kinks = [x / self.dollars for x in curve.breakpoints()]
        x = np.unique([*(share * top for share in FINE), *(kink for kink in kinks if kink < top)])
        supplied = curve.others + x * self.dollars
        use = np.minimum(1.0, curve.borrowed / np.maximum(supplied, 1e-9))
        points = np.array(curve.points)
        slopes = np.diff(points[:, 1]) / np.diff(points[:, 0])
        piece = np.clip(np.searchsorted(points[:, 0], (use[1:] + use[:-1]) / 2) - 1, 0, len(slopes) - 1)
        paid = np.interp(use, points[:, 0], points[:, 1])
        income = x * paid * use * curve.keep * growth
        left, right = (
            (paid[side] - x[side] * self.dollars / supplied[side] * (slopes[piece] * use[side] + paid[side]))
            * (use[side] * curve.keep * growth)
            for side in (slice(None, -1), slice(1, None))
        )  # of each interval: the income's derivative at its ends
        length = x[1:] - x[:-1]
        bends = np.where(left > right, left - right, 1.0)
        meet = np.clip((income[1:] - income[:-1] - right * length) / bends, 0.0, length)
        meet = np.where((right >= 0.0) & (left > right), meet, length)
        highest = income[:-1] + np.maximum(left, 0.0) * meet
        xs, ys = (np.stack(pair, axis=1).ravel() for pair in ((x[:-1] + meet, x[1:]), (highest, income[1:])))
        return _simpler(_hull(xs.tolist(), ys.tolist()))

    def _day(self, columns: _Columns, day: int) -> None:
        world, row, last = self.world, self.start + day, day + 1 == self.days
        costs, top, cells = world.costs[row], self.tops[day], world.cells(row)
        touch, swap = (dollars / self.dollars / top for dollars in (costs.touch, costs.swap))
        for i in range(self.markets):
            at, cell, coin = self.market_row(day, i), cells[i], self.coin_row(day, world.token_of[i])
            for length, slope in self.pieces[day][i]:
                grown = 1.0 + slope
                after = (-1, 0.0) if last else (self.market_row(day + 1, i), -grown)
                columns.add(grown if last else 0.0, length, (at, 1.0), after, market=i, held=day)
            cash = 0.0 if cell is None else min(top, cell.cash / self.dollars)
            if cell is not None and not cell.blocked and (cell.utilisation or 0.0) <= MOST_USED and cash > 0.0:
                columns.add(-touch, cash, (at, -1.0), (coin, 1.0), market=i)
            if world.waits[i]:  # requested money earns nothing and arrives when the wait is over, or after the end
                comes = self._comes(day, world.waits[i])
                after = (-1, 0.0) if comes is None else (self.coin_row(comes, world.token_of[i]), -1.0)
                columns.add((1.0 if comes is None else 0.0) - touch, top, (at, 1.0), after, market=i)
            elif cash > 0.0:
                columns.add(-touch, cash, (at, 1.0), (coin, -1.0), market=i)
        for k in range(self.coins):
            at, hub = self.coin_row(day, k), self.hub_row(day)
            columns.add(0.0, top, (at, 1.0), (hub, -1.0), coin=k)
            columns.add(-swap, top, (hub, 1.0), (at, costs.swap_bps / BPS - 1.0), coin=k)
            after = (-1, 0.0) if last else (self.coin_row(day + 1, k), -1.0)
            columns.add(1.0 if last else 0.0, top, (at, 1.0), after, coin=k)

    def _comes(self, day: int, wait: int) -> int | None:
        """First day of the window on which money requested on ``day`` can be collected; None: after the window."""
        times = self.world.panel.times[self.start : self.start + self.days].tolist()
        return next((at for at in range(day, self.days) if times[at] >= times[day] + wait), None)

    def solved(self, markets: Sequence[int]) -> tuple[Grid, Grid]:
        """(multipliers of all rows, values of all columns) of the program with these markets and their coins only."""
        import highspy  # type: ignore[import-untyped]
        import numpy as np

        coins = sorted({0, *(self.world.token_of[i] for i in markets)})
        chosen = np.flatnonzero(np.isin(self.market_of, markets) | np.isin(self.coin_of, coins))
        inside = [*markets, *(self.markets + k for k in coins), self.stride - 1]
        rows = (np.arange(self.days)[:, None] * self.stride + np.array(inside)[None, :]).ravel()
        place = np.full(self.days * self.stride, -1)
        place[rows] = np.arange(len(rows))
        entries, values = self.rows[chosen], self.values[chosen]
        there = entries >= 0
        program: Any = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(chosen), len(rows)
        program.col_cost_, program.col_lower_ = self.worth[chosen], np.zeros(len(chosen))
        program.col_upper_ = self.most[chosen]
        program.row_lower_ = program.row_upper_ = self.right[rows]
        program.sense_ = highspy.ObjSense.kMaximize
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
        matrix.index_ = place[entries[there]].astype(np.int32)
        matrix.value_ = values[there]
        solver: Any = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.passModel(program)
        solver.run()
        solution = solver.getSolution()
        prices, filled = np.zeros(len(self.right)), np.zeros(len(self.worth))
        if len(solution.row_dual) == len(rows):
            prices[rows] = solution.row_dual
            filled[chosen] = solution.col_value
        return self._extended(prices, markets, coins), filled

    def _extended(self, prices: Grid, markets: Sequence[int], coins: Sequence[int]) -> Grid:
        """Multipliers for the markets and coins that were left out: the lowest that holding and leaving them allow."""
        import numpy as np

        outside = [i for i in range(self.markets) if i not in set(markets)]
        if not outside:
            return prices
        after_market, after_coin = np.zeros(self.markets), np.zeros(self.coins)
        slopes = np.array([[pieces[0][1] for pieces in day] for day in self.pieces])
        for day in reversed(range(self.days)):
            costs, top = self.world.costs[self.start + day], self.tops[day]
            touch, swap = (dollars / self.dollars / top for dollars in (costs.touch, costs.swap))
            hub, end = prices[self.hub_row(day)], day + 1 == self.days
            cells = self.world.cells(self.start + day)
            low = {k: max(hub, 1.0 if end else after_coin[k]) for k in range(self.coins)}
            low |= {k: prices[self.coin_row(day, k)] for k in coins}
            wanted = dict.fromkeys(range(self.coins), 0.0)
            for i in outside:
                k, cell = self.world.token_of[i], cells[i]
                worth = (1.0 + slopes[day, i]) * (1.0 if end else after_market[i])
                if cell is not None and cell.cash > 0.0 and not self.world.waits[i]:
                    worth = max(worth, low[k] - touch)
                prices[self.market_row(day, i)] = after_market[i] = worth
                wanted[k] = max(wanted[k], worth - touch)
            for k in set(range(self.coins)) - set(coins):
                dear = (hub + swap) / (1.0 - costs.swap_bps / BPS)
                prices[self.coin_row(day, k)] = after_coin[k] = max(low[k], min(wanted[k], dear))
        return prices

    def dual(self, prices: Grid) -> tuple[float, Grid]:
        """(upper bound of the last day's wealth, what each market's columns add to it)."""
        import numpy as np

        there = self.rows >= 0
        paid = np.where(there, prices[self.rows] * self.values, 0.0).sum(axis=1)
        over = np.maximum(self.worth - paid, 0.0) * self.most
        own = np.zeros(self.markets)
        np.add.at(own, self.market_of[self.market_of >= 0], over[self.market_of >= 0])
        return float(prices @ self.right + over.sum()), own

    def shares(self, filled: Grid) -> tuple[tuple[float, ...], ...]:
        """Fractions of the initial wealth, by day and market."""
        import numpy as np

        found = np.zeros((self.days, self.markets))
        chosen = self.held >= 0
        np.add.at(found, (self.held[chosen], self.market_of[chosen]), filled[chosen])
        return tuple(tuple(float(share) for share in day) for day in found)


def bound(world: World, dollars: float, first: int, last: int, likely: Sequence[int] = ()) -> GainBound:
    """The bound for the window from row ``first`` to ``last``, starting with all money as cash in the first coin.
    likely: markets that the first program includes."""
    program = _Program(world, dollars, first, last)
    paid = [sum(day[i][0][1] for day in program.pieces) for i in range(program.markets)]
    best = sorted(range(program.markets), key=lambda i: -paid[i])[:BEGIN_WITH]
    chosen, found = sorted({*likely, *best}), None
    for _ in range(MOST_ROUNDS):
        prices, filled = program.solved(chosen)
        wealth, own = program.dual(prices)
        if found is None or wealth < found[0]:
            found = wealth, filled
        more = [i for i in range(program.markets) if i not in chosen and own[i] > ENOUGH / program.markets]
        if not more:
            break
        chosen = sorted({*chosen, *more})
    assert found is not None
    return GainBound((found[0] - 1.0) * dollars, program.shares(found[1]))


def _hull(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """The lowest concave, nondecreasing piecewise-linear function above all points and the origin; x ascending."""
    hull, most = [(0.0, 0.0)], 0.0
    for x, y in zip(xs, ys, strict=True):
        most = max(most, y)
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (y1 - y0) * (x - x1) > (most - y1) * (x1 - x0):
                break
            hull.pop()
        hull.append((x, most))
    return hull


def _simpler(hull: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """(length, slope) of a line with fewer pieces above a concave one: a piece is dropped if extending its neighbours
    until they meet raises the line by at most ``CLOSE``."""
    lines = [((y1 - y0) / (x1 - x0), x0, y0) for (x0, y0), (x1, y1) in pairwise(hull)]
    kept, skipped = [lines[0]], [0]
    for at in range(1, len(lines)):
        kept.append(lines[at])
        skipped.append(at)
        while len(kept) > 2:
            (a, xa, ya), (c, xc, yc) = kept[-3], kept[-1]
            x = (yc - c * xc - ya + a * xa) / (a - c) if a > c else xc
            top = ya + a * (x - xa)
            between = lines[skipped[-3] + 1 : skipped[-1]]
            if max(top - (y + slope * (x - start)) for slope, start, y in between) > CLOSE and a > c:
                break
            del kept[-2], skipped[-2]
    found, x = [], 0.0
    for at, (slope, start, y) in enumerate(kept):
        if at + 1 < len(kept):
            after, start1, y1 = kept[at + 1]
            end = (y1 - after * start1 - y + slope * start) / (slope - after) if slope > after else start1
        else:
            end = hull[-1][0]
        if end > x:
            found.append((end - x, slope))
            x = end
    return found or [(hull[-1][0], 0.0)]
