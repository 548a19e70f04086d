"""Statistics of each market of a chain over the last 90 days, from memory: days since its first reading, worst day
of its cash, mean and variation of its rate."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping

from yieldbot.history import files, query
from yieldbot.history.store import Store
from yieldbot.model.json_text import loads

LOOK_BACK_DAYS = 90
DAY, WEEK = 86_400, 7 * 86_400
KEPT, VERSION = "past.json", "2"
"""Name of the file in a chain's folder with a day's statistics, and the version of its content: raised when the
query changes."""
LEAST_DAYS = 7
"""Fewest days of cash from which a worst day is computed."""
_DAILY = """
WITH daily AS (
  SELECT market, time // 86400 AS day, min(time) AS first, avg(supply_rate) AS rate, max(utilisation) AS used,
    arg_max(cash, time) AS cash, arg_max(token_supply, time) FILTER (WHERE token_supply > 0) AS supply
  FROM readings WHERE chain = $chain AND time > $moment - 90 * 86400 AND time <= $moment GROUP BY market, day
), beside AS (
  SELECT *, lag(cash) OVER (PARTITION BY market ORDER BY day) AS cash_before,
    lag(day) OVER (PARTITION BY market ORDER BY day) AS day_before
  FROM daily
), weekly AS (
  SELECT market, day // 7 AS week, avg(rate) AS rate FROM daily GROUP BY market, week
), weeks AS (
  SELECT market, count(rate) AS weeks, stddev_samp(rate) AS deviation FROM weekly GROUP BY market
)
SELECT beside.market AS market, min(first) AS first, count(*) AS days,
  min(least(cash / cash_before, 1)) FILTER (WHERE cash_before > 0 AND day = day_before + 1) AS worst_day,
  avg(rate) FILTER (WHERE day > $today - 7) AS week_mean,
  avg(rate) FILTER (WHERE day > $today - 30) AS month_mean,
  stddev_samp(rate) FILTER (WHERE day > $today - 30) AS month_deviation,
  max(used) FILTER (WHERE day > $today - 30) AS most_utilisation,
  arg_max(supply, day) FILTER (WHERE supply > 0 AND day > $today - 30)
    / arg_min(supply, day) FILTER (WHERE supply > 0 AND day > $today - 30) - 1 AS supply_growth,
  avg(rate) AS long_mean, any_value(weeks.weeks) AS weeks, any_value(weeks.deviation) AS long_deviation
FROM beside JOIN weeks ON weeks.market = beside.market GROUP BY beside.market
"""


def summaries(store: Store, chain: str, moment: int) -> Mapping[str, Mapping[str, float | None]]:
    """By market, the statistics of its readings up to ``moment`` (unix seconds): the fields of
    ``risk.facts.MarketStatistics`` by name; None: too few readings. Raises as ``query.rows``."""
    asked = {"chain": chain, "moment": moment, "today": moment // DAY}
    found = query.rows(store, _DAILY, asked, chain=chain, start=moment - LOOK_BACK_DAYS * DAY, end=moment)
    return {str(row["market"]): _figures(row, moment) for row in found}


def summaries_today(store: Store, chain: str, moment: int) -> Mapping[str, Mapping[str, float | None]]:
    """``summaries``, computed once a day and cached beside memory: one more hour of 90 days changes little, and the
    query takes a second on millions of rows. Computed again if older readings were added or removed since."""
    place = files.folder_of(store.folder, chain, KEPT)
    key = _key(store, chain, moment)
    try:
        kept = loads(place.read_text(encoding="utf-8"))
        if kept["key"] == key and isinstance(kept["markets"], dict):
            return {str(market): dict(row) for market, row in kept["markets"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is computed again
    found = summaries(store, chain, moment)
    with contextlib.suppress(OSError):
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        part.write_text(json.dumps({"key": key, "markets": found}), encoding="utf-8")
        part.replace(place)
    return found


def _key(store: Store, chain: str, moment: int) -> str:
    """Cache key: the day, and the files of the days before."""
    today = moment - moment % DAY
    named = [
        f"{one.path.name} {one.path.stat().st_size}"
        for one in files.within(store.folder, chain, today - LOOK_BACK_DAYS * DAY, today - 1)
    ]
    return hashlib.sha256("\n".join([VERSION, str(today), *sorted(named)]).encode()).hexdigest()


def _figures(row: Mapping[str, object], moment: int) -> dict[str, float | None]:
    known = {str(name): _known(value) for name, value in row.items() if name != "market"}
    counted = known.pop("days") or 0.0
    first = known.pop("first")
    if counted < LEAST_DAYS:
        known["worst_day"] = None
    return known | {"days": 0.0 if first is None else (moment - first) / DAY}


def _known(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # DuckDB's threads add in any order, so the last digits of sums vary between queries
    return float(f"{value:.12g}") if math.isfinite(value) else None
