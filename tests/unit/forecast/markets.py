"""Made-up histories of markets, by a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey

DAY = 86_400
START = 1_700_006_400


def keys(number: int, asset: str = "USDC", protocol: str = "aave_v3") -> tuple[MarketKey, ...]:
    return tuple(
        MarketKey(chain=f"eip155:{i + 1}", market=f"{protocol}/{i + 1}/{asset.lower()}", protocol=protocol, asset=asset)
        for i in range(number)
    )


def panel(quoted: Any, names: tuple[MarketKey, ...] | None = None, *, step: int = DAY, realised: Any = None) -> Panel:
    """A panel of these quotes; what was paid is the mean of two quotes."""
    quotes = np.asarray(quoted, dtype=np.float64)
    rows, columns = quotes.shape
    nothing = np.full_like(quotes, np.nan)
    paid = nothing.copy()
    paid[1:] = (quotes[1:] + quotes[:-1]) / 2.0
    return Panel(
        keys=names or keys(columns),
        times=START + step * np.arange(rows, dtype=np.int64),
        step_seconds=step,
        quoted=quotes,
        realised=paid if realised is None else np.asarray(realised, dtype=np.float64),
        utilisation=np.clip(quotes * 10, 0, 1),
        supplied=nothing,
        cash=nothing,
        borrow_rate=nothing,
        reserve_factor=nothing,
        blocked=np.zeros(quotes.shape, dtype=bool),
    )


def rates(rows: int, columns: int, seed: int, *, spikes: float = 0.05, noise: float = 0.04) -> NDArray[np.float64]:
    """A slow wandering level of about 4 %, noise of a day, and spikes that are gone in two days."""
    random = np.random.default_rng(seed)
    level = 0.04 * np.exp(np.cumsum(random.normal(0, 0.015, (rows, columns)), axis=0))
    jumps = (random.random((rows, columns)) < spikes) * random.exponential(0.06, (rows, columns))
    jumps[1:] += 0.3 * jumps[:-1]
    return level * np.exp(random.normal(0, noise, (rows, columns))) + jumps


def rough(rows: int, columns: int, seed: int) -> NDArray[np.float64]:
    """The same with gaps, a market that dies, one that is born late, one at 300 %, one below nothing."""
    random = np.random.default_rng(seed)
    made = rates(rows, columns, seed)
    made[random.random(made.shape) < 0.05] = np.nan
    made[rows // 2 :, 0] = np.nan
    made[: 2 * rows // 3, 1] = np.nan
    made[rows // 3 :, 2] = 3.0
    made[:, 3] = -0.01 + 0.002 * random.normal(size=rows)
    made[rows // 2, 4] = np.inf
    return made
