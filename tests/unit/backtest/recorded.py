"""Small panels that are made up, for the tests of backtests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yieldbot.backtest.costs import Costs
from yieldbot.backtest.world import World
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey
from yieldbot.model.market import RateForecast

DAY = 86_400
NONE = np.nan


def panel(rates: Mapping[str, Sequence[float]], **grids: Any) -> Panel:
    """Markets by symbol (``USDC`` or ``USDC/two`` for a second protocol) with a quoted rate a day; what is paid is what
    was quoted the day before. Other grids are numbers, or arrays (days, markets)."""
    keys = tuple(
        MarketKey(chain="eip155:8453", market=name, protocol=name.partition("/")[2] or "lend", asset=name.split("/")[0])
        for name in rates
    )
    quoted = np.array(list(rates.values()), dtype=float).T
    shape = quoted.shape
    paid = np.vstack([np.full((1, shape[1]), NONE), quoted[:-1]])
    filled = {name: np.broadcast_to(np.asarray(value, dtype=float), shape).copy() for name, value in grids.items()}
    blocked = filled.pop("blocked", np.zeros(shape)) > 0
    empty = {
        name: np.full(shape, NONE) for name in ("utilisation", "supplied", "cash", "borrow_rate", "reserve_factor")
    }
    return Panel(
        keys=keys,
        times=np.arange(shape[0], dtype=np.int64) * DAY + 1_700_006_400,
        step_seconds=DAY,
        quoted=quoted,
        blocked=blocked,
        **({"realised": paid} | empty | filled),
    )


def world(rates: Mapping[str, Sequence[float]], touch: float = 0.05, **grids: Any) -> World:
    grids.setdefault("supplied", 1e9)
    made = panel(rates, **grids)
    return World(made, [Costs.of_rollup(touch)] * len(made.times))


def says(*means: float | None) -> list[RateForecast | None]:
    return [None if one is None else RateForecast(mean=one, low=one, high=one, days=7.0) for one in means]
