"""A folder of memory to forecast from, and a file of forecasts as a third party registers it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.forecast import markets
from yieldbot.forecast.registered import SCHEMA
from yieldbot.history.reading import Reading
from yieldbot.history.store import Store

DAY = markets.DAY
END = markets.START + 119 * DAY
"""The last day in memory, in unix seconds."""


def memory(folder: Path) -> Path:
    """A folder of memory with 120 days of five markets."""
    panel = markets.panel(markets.rates(120, 5, 3))
    readings = [
        Reading(key=key, time=int(at), supply_rate=float(panel.quoted[row, column]), utilisation=0.5)
        for column, key in enumerate(panel.keys)
        for row, at in enumerate(panel.times)
    ]
    assert Store(folder).append(readings).rows == len(readings)
    return folder


def written(path: Path, name: str, time: int, market: str = "aave_v3/1/usdc", mean: float = 0.05) -> Path:
    """A file of one forecast over seven days."""
    row = {"chain": "eip155:1", "market": market, "horizon_days": 7, "mean": mean}
    path.write_text(json.dumps({"schema": SCHEMA, "forecaster": name, "time": time, "forecasts": [row]}))
    return path
