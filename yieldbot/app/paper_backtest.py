"""A backtest over the days of a paper wallet, from memory's readings of its markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from yieldbot.app.expected import panel_of
from yieldbot.app.foretell import LEAST_DAYS
from yieldbot.app.paper_sides import Side
from yieldbot.app.paper_state import PaperState
from yieldbot.backtest.costs import TOUCH_GAS, Costs
from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.replay import Forecasts, Replayed, replay
from yieldbot.backtest.world import ONE, World
from yieldbot.errors import ConfigError
from yieldbot.forecast.levels import rate_forecasts
from yieldbot.forecast.outlook import QUOTE, outlook
from yieldbot.history.panel import Panel
from yieldbot.history.reading import Fault, MarketKey
from yieldbot.model.market import RateForecast
from yieldbot.model.names import POOLS
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 100
"""A market that accepts less than 1/FEW of the money counts as full, since recorded history has no caps."""
SLACK = 3600
"""Seconds by which a row of the grid may lie before the first step or after the last one."""


def backtest_side(steps: Sequence[PaperState], folder: Path, policy: Policy) -> Side | str:
    """The same policy with the same money over the same days, in daily steps; or why there is no such backtest.

    If these steps begin with the wallet's first one, the backtest starts with cash only, including the cost of
    entering; else with the wallet's holdings at the first of these steps.
    """
    begun, last = steps[0], steps[-1]
    faults: list[Fault] = []
    try:
        panel = panel_of(folder, False, faults)
        if int(panel.times[0]) > begun.time + SLACK:
            panel = panel_of(folder, True, faults)
    except ConfigError as nothing:
        return str(nothing)
    columns = _columns(panel, begun)
    times = panel.times.tolist()
    rows = [row for row, time in enumerate(times) if begun.time - SLACK <= time <= last.time + SLACK]
    if not columns or len(rows) < 2:
        return "memory has less than two days of its markets in this time"
    fresh = begun.time <= begun.began
    dollars = begun.idle + begun.invested + (begun.totals.swapped + begun.totals.entered if fresh else 0.0)
    chosen = panel.of(columns)
    chosen = replace(chosen, blocked=chosen.blocked | _full(chosen, folder, dollars / FEW))
    world = World(chosen, [_costs(steps)] * len(times))
    said = None if policy.forecaster == QUOTE else outlook(chosen, policy.forecaster)
    made: dict[int, Sequence[RateForecast | None]] = {}

    def expected(row: int) -> Sequence[RateForecast | None]:
        if row not in made:
            if said is None or row + 1 < LEAST_DAYS:
                made[row] = [None] * len(columns)
            else:
                made[row] = rate_forecasts(said, row, policy.mean_days)
        return made[row]

    ledger = None if fresh else _ledger(world, begun)
    found = replay(world, policy, expected, dollars, rows[0], rows[-1], begun=ledger)
    return _side(found, world, rows, expected)


def _ledger(world: World, state: PaperState) -> SimulatedLedger:
    """A step's money in markets and in the wallet; money in markets unknown to memory, or leaving, counts as cash."""
    columns = {key.market: at for at, key in enumerate(world.panel.keys)}
    coins = {key.asset_address.lower(): coin for key, coin in zip(world.panel.keys, world.token_of, strict=True)}
    made = SimulatedLedger.with_cash(world, 0.0)
    for token, raw in state.holdings.idle.items():
        made.idle[coins.get(token.address.lower(), 0)] += round(raw / token.one * state.prices[token.address] * ONE)
    for market_id, raw in state.in_markets.items():
        worth, column = round(state.worth(market_id, raw) * ONE), columns.get(market_id)
        if column is None or market_id in state.holdings.asked:
            made.idle[coins.get(state.asset_of[market_id].lower(), 0)] += worth
        else:
            made.held[column] += worth
    made.worth[:] = [made.wealth]
    return made


def _full(panel: Panel, folder: Path, least: float) -> NDArray[np.bool_]:
    """(times, markets): whether a market accepted less than ``least`` whole tokens at its last reading."""
    import numpy as np

    from yieldbot.history.query import frame
    from yieldbot.history.store import Store

    found = np.zeros((len(panel.times), len(panel.keys)), dtype=np.bool_)
    for column, key in enumerate(panel.keys if folder.is_dir() else ()):
        seen = frame(Store(folder), key, wanted=("time", "capacity"))
        rows = np.searchsorted(seen["time"].to_numpy(), panel.times, side="right") - 1
        known = rows >= 0
        with np.errstate(invalid="ignore"):  # no capacity means no limit
            found[known, column] = seen["capacity"].to_numpy()[rows[known]] < least
    return found


def _columns(panel: Panel, state: PaperState) -> list[int]:
    """Markets of the wallet's assets on its chain, those of its first coin first."""
    coin = next((token for token in state.tokens.values() if token.symbol == state.coin), None)
    ours = [at for at, key in enumerate(panel.keys) if key.chain == state.chain_id and _asset(key, state)]
    first = "" if coin is None else coin.address.lower()
    return sorted(ours, key=lambda at: panel.keys[at].asset_address.lower() != first)


def _asset(key: MarketKey, state: PaperState) -> bool:
    """Whether a backtest can hold money of the wallet there: recorded history has no ticks of pools."""
    return not key.protocol.endswith(POOLS) and key.asset_address.lower() in {
        address.lower() for address in state.tokens
    }


def _costs(steps: Sequence[PaperState]) -> Costs:
    """The cost of a deposit or withdrawal of the paper wallet, averaged over its steps."""
    touch = sum(one.touch for one in steps) / len(steps)
    native = max(1e-9, sum(one.native for one in steps) / len(steps))
    return Costs(gas_price_wei=touch / TOUCH_GAS / native * 1e18, native_usd=native)


def _side(found: Replayed, world: World, rows: Sequence[int], expected: Forecasts) -> Side:
    step = world.panel.step_seconds
    invested = [sum(held) / ONE for held in found.held]
    hoped = 0.0
    for row, held in zip(rows, found.held, strict=False):
        forecasts = expected(row)
        for column, raw in enumerate(held):
            cell, forecast = world.cells(row)[column], forecasts[column]
            if raw and cell is not None:
                curve = cell.curve(cell.rate if forecast is None else forecast.mean)
                hoped += raw / ONE * curve.apr(raw / ONE, 1.0) * step / SECONDS_PER_YEAR
    ledger = found.ledger
    costs = ledger.gas + ledger.swapped
    return Side(
        seconds=float(step * (len(rows) - 1)),
        wealth=sum(one * step for one in found.wealth[:-1]),
        invested=sum(one * step for one in invested),
        earned=found.wealth[-1] - found.wealth[0] + costs,
        expected=hoped,
        costs=costs,
        other=0.0,
        moves=ledger.plans - found.failed,
        failed=found.failed,
        where={
            key.market: sum(held[at] for held in found.held) / ONE * step for at, key in enumerate(world.panel.keys)
        },
    )
