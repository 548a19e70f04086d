"""DefiLlama's charts of a pool (``/chart/POOL`` and ``/chartLendBorrow/POOL`` of its yields API), as saved.

The file names neither chain nor asset: who imports it says them. Rates come as effective yields in percent, compounded
as often as can be: ``ln(1 + apy)`` is the simple rate. ``tvlUsd`` is what could be taken out, and what the pool holds
at least, in dollars: whole tokens for what is worth a dollar, and nothing for what is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from yieldbot.errors import ConfigError
from yieldbot.history.importers.rows import ImportRow, amount, moment, number
from yieldbot.history.importers.table import Convert
from yieldbot.history.networks import is_dollar
from yieldbot.history.reading import MarketKey, Reading

GUESSED_BY_TVL = "supplied is a guess: the value locked, which is at least the cash"


def points(path: Path, content: Any) -> Iterator[ImportRow]:
    """The points of a chart. Raises ConfigError for another document."""
    data = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(data, list) or content.get("status", "success") != "success":
        raise ConfigError(f"{path} is no chart of DefiLlama (no list under `data`): save what /chart/POOL answers")
    for at, point in enumerate(data, start=1):
        yield ImportRow(at, point if isinstance(point, Mapping) else {"timestamp": None})


def chart(key: MarketKey) -> Convert:
    """How the points of one pool are read; key: the pool, as who imports it says."""
    dollars = is_dollar(key.asset)

    def convert(row: ImportRow, now: int) -> Reading:
        cells = row.cells
        whole, rewards = number(cells.get("apy"), "apy"), number(cells.get("apyReward"), "apyReward")
        base = number(cells.get("apyBase"), "apyBase")
        if base is None and whole is not None:
            base = whole - (rewards or 0.0)
        locked = amount(cells.get("tvlUsd"), "tvlUsd")
        supplied, borrowed = (amount(cells.get(name), name) for name in ("totalSupplyUsd", "totalBorrowUsd"))
        guessed = dollars and supplied is None and locked is not None
        return Reading(
            key=key,
            time=moment(cells.get("timestamp"), now),
            source="import:defillama",
            supply_rate=_simple(base, "apyBase"),
            borrow_rate=_simple(number(cells.get("apyBaseBorrow"), "apyBaseBorrow"), "apyBaseBorrow"),
            utilisation=borrowed / supplied if supplied and borrowed is not None else None,
            supplied=(locked if guessed else supplied) if dollars else None,
            borrowed=borrowed if dollars else None,
            cash=locked if dollars else None,
            rewards=({"token": "", "rate": rewards / 100.0, "ends_at": None},) if rewards else (),
            flags=(GUESSED_BY_TVL,) if guessed else (),
        )

    return convert


def _simple(percent: float | None, name: str) -> float | None:
    if percent is None:
        return None
    if percent <= -100.0:
        raise ValueError(f"{name} of {percent:g} % cannot be")
    return math.log1p(percent / 100.0)
