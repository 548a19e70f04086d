"""The reason why a forecast differs from the quote, as text."""

from __future__ import annotations

import math

from yieldbot.forecast.rules import SPIKE
from yieldbot.forecast.series import Series

WORTH_SAYING = 0.1
"""Relative difference from the quote below which no reason is given."""


def why(series: Series, row: int, column: int, mean: float, horizon: int, side: int = 0) -> str:
    """The reason, as ``spike: 14.2 % now, 4.1 % over 7 days``; empty: the forecast is close to the quote. side: a
    standing bias (``bias``)."""
    said = _differs(series, row, column, mean, horizon)
    if not side or math.isnan(mean):
        return said
    biased = f"the last three forecasts were too {'low' if side > 0 else 'high'}, so the interval is wider"
    return f"{said}; {biased}" if said else biased


def _differs(series: Series, row: int, column: int, mean: float, horizon: int) -> str:
    quote, week = float(series.quote[row, column]), float(series.window("mean", 7)[row, column])
    if math.isnan(mean):
        last = series.last_read(row, column)
        return "no forecast: too little is known of it" if last is None else f"no forecast: not read since {last}"
    if math.isnan(quote):
        days = float(series.readings[row, column])
        return "never read: from similar markets" if not days else "not read lately"
    if abs(mean - quote) <= WORTH_SAYING * abs(quote):
        return ""
    both = f"{100 * quote:z.1f} % now, {100 * mean:z.1f} % over {horizon} days"
    if quote > SPIKE * week:
        return f"spike: {both}"
    if quote < week / SPIKE:
        return f"dip: {both}"
    return f"{'above' if mean < quote else 'below'} its usual: {both}"
