"""A simulated wallet: carries out a plan's legs and adds what holdings earn. Integers, in base units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from yieldbot.backtest.carried import Asked, SimulatedHoldings, carry_out
from yieldbot.backtest.venue import FlatVenue
from yieldbot.backtest.world import ONE, World
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Plan
from yieldbot.model.units import SECONDS_PER_YEAR


@dataclass(slots=True)
class SimulatedLedger:
    """A simulated wallet in a window. Gas is not taken from its tokens but added up in dollars."""

    world: World
    """The markets and their rates."""
    held: list[int]
    """Base units in each market."""
    idle: list[int]
    """Base units of each coin in the wallet."""
    gas: float = 0.0
    """Dollars of gas so far."""
    swapped: float = 0.0
    """Dollars that swaps have lost so far."""
    touched: int = 0
    """Number of markets that plans have touched so far."""
    plans: int = 0
    """Number of plans carried out."""
    log: list[tuple[int, Plan]] = field(default_factory=list)
    """(row, plan) of each plan carried out."""
    paid: list[float] = field(default_factory=list)
    """Dollars of gas and swaps of each plan in ``log``."""
    failed: list[tuple[int, Plan, float]] = field(default_factory=list)
    """(row, plan, dollars of gas) of each plan that failed."""
    holdings: list[tuple[int, ...]] = field(default_factory=list)
    """For each row: base units in each market until the next row, before what they earn there."""
    asked: dict[int, Asked] = field(default_factory=dict)
    """By column: money that is leaving a market which pays after a wait; it earns nothing."""
    waiting: list[int] = field(default_factory=list)
    """For each row: base units that were leaving until the next row."""
    worth: list[float] = field(default_factory=list)
    """``wealth`` at each row, the first being the initial wealth."""

    @classmethod
    def with_cash(cls, world: World, dollars: float, coin: int = 0) -> SimulatedLedger:
        """A ledger with all money in the wallet, in one coin."""
        idle = [0] * len(world.tokens)
        idle[coin] = round(dollars * ONE)
        made = cls(world, [0] * len(world.markets), idle)
        made.worth.append(made.wealth)
        return made

    @property
    def wealth(self) -> float:
        """Wealth in dollars, net of the gas paid."""
        leaving = sum(one.raw for one in self.asked.values())
        return float((sum(self.held) + sum(self.idle) + leaving) / ONE - self.gas)

    def carry_out(self, row: int, plan: Plan, snapshot: Snapshot) -> None:
        """Carry out a plan that was made from this row's snapshot (``carried.carry_out``). Raises ValueError if a leg
        takes more than there is."""
        markets, tokens, paid = self.world.markets, self.world.tokens, self.gas + self.swapped
        before = SimulatedHoldings(
            idle=dict(zip(tokens, self.idle, strict=True)),
            held={market.id: raw for market, raw in zip(markets, self.held, strict=True)},
            asked={markets[column].id: one for column, one in self.asked.items()},
        )
        made = carry_out(snapshot, plan, before)
        self.held = [made.holdings.held.get(market.id, 0) for market in markets]
        self.idle = [made.holdings.idle.get(token, 0) for token in tokens]
        columns = {market.id: column for column, market in enumerate(markets)}
        self.asked = {columns[market_id]: one for market_id, one in made.holdings.asked.items()}
        self.gas += made.gas + made.swap_gas
        self.swapped += made.swapped
        self.touched += made.touched
        self.plans += 1
        self.log.append((row, plan))
        self.paid.append(self.gas + self.swapped - paid)

    def fail(self, row: int, plan: Plan) -> None:
        """Let a plan's first transaction fail: its gas is paid, and nothing moves."""
        self._touch(self.world.costs[row].touch)
        self.failed.append((row, plan, self.world.costs[row].touch))
        self.plans += 1

    def rebalance(self, row: int, targets: Sequence[int]) -> None:
        """Move each market to its target (base units) as far as its cash and our money allow: withdrawals, then one
        swap from each coin with too much to each coin with too little, then deposits. A market that pays after a wait
        gets a request instead of a withdrawal, unless money is already leaving it."""
        world, costs = self.world, self.world.costs[row]
        wanted = [0] * len(self.idle)
        for column, target in enumerate(targets):
            coin, cell = world.token_of[column], world.cells(row)[column]
            more = target - self.held[column]
            if more > 0:
                wanted[coin] += more
            elif more < 0 and world.waits[column]:
                self._ask(row, column, -more)
            elif more < 0 and cell is not None:
                raw = min(-more, int(cell.cash * ONE))
                self._take(self.held, column, raw)
                self.idle[coin] += raw
                self._touch(costs.touch if raw else 0.0, raw)
        for into in range(len(wanted)):
            for out in range(len(wanted)):
                raw = min(max(0, self.idle[out] - wanted[out]), max(0, wanted[into] - self.idle[into]))
                if out != into and raw:
                    self._take(self.idle, out, raw)
                    self._swap(row, raw, into)
        for column, target in enumerate(targets):
            coin = world.token_of[column]
            cell = world.cells(row)[column]
            raw = min(target - self.held[column], self.idle[coin], world.cash_raw(cell) if cell is not None else 0)
            if raw > 0:
                self._take(self.idle, coin, raw)
                self.held[column] += raw
                self._touch(costs.touch)
        self.plans += 1

    def collect(self, row: int) -> None:
        """Collect into the wallet what is ready, as far as there is cash."""
        world, time = self.world, int(self.world.panel.times[row])
        for column, one in list(self.asked.items()):
            cell = world.cells(row)[column]
            raw = min(one.raw, world.cash_raw(cell)) if cell is not None else 0
            if one.until is not None and time >= one.until and raw:
                self.idle[world.token_of[column]] += raw
                self.asked[column] = Asked(one.raw - raw, one.until)
                self._touch(world.costs[row].touch)
                if raw == one.raw:
                    del self.asked[column]

    def _ask(self, row: int, column: int, raw: int) -> None:
        if column not in self.asked:
            self._take(self.held, column, raw)
            self.asked[column] = Asked(raw, int(self.world.panel.times[row]) + self.world.waits[column])
            self._touch(self.world.costs[row].touch)

    def _swap(self, row: int, raw: int, into: int) -> None:
        costs = self.world.costs[row]
        got, _ = FlatVenue(costs.swap_bps).quote_exact_in(raw)
        self.idle[into] += got
        self.swapped += (raw - got) / ONE
        self.gas += costs.swap

    def _touch(self, dollars: float, raw: int = 1) -> None:
        self.gas += dollars
        self.touched += bool(raw)

    @staticmethod
    def _take(from_: list[int], at: int, raw: int) -> None:
        if not 0 <= raw <= from_[at]:
            raise ValueError(f"{raw} base units are taken where there are {from_[at]}")
        from_[at] -= raw

    def earn(self, row: int) -> None:
        """Add what all holdings earn from this row to the next: what the market paid, reduced by the effect of our own
        deposit."""
        world = self.world
        seconds = int(world.panel.times[row + 1] - world.panel.times[row])
        rates = world.rates_until_next(row)
        self.holdings.append(tuple(self.held))
        self.waiting.append(sum(one.raw for one in self.asked.values()))
        for column, raw in enumerate(self.held):
            cell = world.cells(row)[column]
            if raw and cell is not None and rates[column]:
                curve = cell.curve(1.0)
                rate = float(rates[column]) * curve.apr(raw / ONE, 1.0)
                self.held[column] = raw + int(raw * rate * seconds / SECONDS_PER_YEAR)
        self.worth.append(self.wealth)
