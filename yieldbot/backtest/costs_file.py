"""Gas prices by day from a file: a CSV with ``date``, ``avg_gas_price_wei`` and ``eth_usd``."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from yieldbot.backtest.costs import Costs
from yieldbot.errors import ConfigError

COLUMNS = ("date", "avg_gas_price_wei", "eth_usd")
DAY = 86_400
LONGEST_GAP_DAYS = 14
"""A day without a price takes the last earlier one, if that is at most this many days older."""


def gas_prices(path: Path) -> dict[int, tuple[float, float]]:
    """(wei for one gas, dollars for one ether) by day (unix seconds at 00:00 UTC).

    Raises ConfigError, which names the line.
    """
    found: dict[int, tuple[float, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if any(name not in (rows.fieldnames or ()) for name in COLUMNS):
                raise ConfigError(f"{path}: the columns of gas prices are {', '.join(COLUMNS)}")
            for row in rows:
                day = int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()) // DAY * DAY
                price, ether = float(row["avg_gas_price_wei"]), float(row["eth_usd"])
                if not (math.isfinite(price) and math.isfinite(ether) and 0.0 <= price < 1e15 and 0.0 < ether < 1e7):
                    raise ValueError("an impossible price")
                found[day] = price, ether
    except OSError as failure:
        raise ConfigError(f"{path} cannot be read: {failure.strerror}") from None
    except TypeError:
        raise ConfigError(f"{path}, line {rows.line_num}: has fewer cells than the first line names") from None
    except (ValueError, csv.Error) as failure:
        raise ConfigError(f"{path}, line {rows.line_num}: {failure}") from None
    return found


def ethereum_costs(prices: dict[int, tuple[float, float]], times: Sequence[int]) -> list[Costs]:
    """The costs on Ethereum at each of these times. Raises ConfigError for a time without a price near it."""
    found = []
    for time in times:
        day = int(time) // DAY * DAY
        near = next((day - k * DAY for k in range(LONGEST_GAP_DAYS + 1) if day - k * DAY in prices), None)
        if near is None:
            when = datetime.fromtimestamp(day, UTC).date()
            raise ConfigError(f"no gas price for {when}: name a file that has it by --gas, or leave --gas out")
        price, ether = prices[near]
        found.append(Costs(gas_price_wei=price, native_usd=ether))
    return found
