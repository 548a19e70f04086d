"""The table that compares forecast and realised rates, for every position ever held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app.results import day
from yieldbot.cli.render import compounded
from yieldbot.cli.tables import TextTable
from yieldbot.model.amounts import Apr
from yieldbot.model.units import DAY_SECONDS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.learned_documents import EverHeld, ForecastThen

NOTE = (
    "Rates are APY. Predicted at entry and forecast: from the journal, as written down at the time; realised: what "
    "our money earned, fees deducted; market paid: growth of its index over the horizon, by memory. Off by: realised "
    "less predicted, or paid less forecast."
)


def table(found: Sequence[EverHeld], horizon_days: float, now: int) -> RenderableType:
    """A row for each position, the newest last. horizon_days: over which predictions compound; now: unix seconds."""
    sheet = TextTable(
        "Predicted at entry against realised APY, every position ever held",
        "Market",
        ">From",
        ">Until",
        ">Predicted at entry",
        ">Realised",
        ">Market forecast then (80 %)",
        ">Market paid",
        ">Forecasts over",
        ">Off by",
        ">Inside",
    )
    for one in found:
        then = one.forecast
        sheet.add_row(
            one.name,
            day(one.since),
            "held" if one.until is None else day(one.until),
            compounded(one.predicted, horizon_days),
            compounded(one.realised, max((one.until or now) - one.since, 1) / DAY_SECONDS),
            "-" if then is None else _said(then),
            "-" if then is None else compounded(then.paid, then.days),
            f"{one.forecasts_over} of {one.forecasts}",
            "-" if one.forecasts_off is None else f"{one.forecasts_off * 1e4:+z.1f} bp",
            "-" if one.forecasts_inside is None else f"{one.forecasts_inside:z.0%}",
        )
    return Group(sheet, Text(NOTE))


def _said(then: ForecastThen) -> str:
    low, high = (Apr(one).compounded(then.days * DAY_SECONDS).value * 100 for one in (then.low, then.high))
    return f"{compounded(then.mean, then.days)} ({low:z.1f}-{high:z.1f}) over {then.days:g} d by {then.by}"
