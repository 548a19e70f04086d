"""The table that compares forecast and realised rates, for every position ever held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from yieldbot.app.results import day
from yieldbot.cli.tables import TextTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yieldbot.app.learned_documents import EverHeld, ForecastThen

NOTE = (
    "Rates are simple, % a year. Predicted and forecast: from the journal, as written down at the time; realised: what "
    "our money earned, fees deducted; market paid: growth of its index over the horizon, by memory. Off by: realised "
    "less predicted, or paid less forecast."
)


def table(found: Sequence[EverHeld]) -> RenderableType:
    """A row for each position, the newest last."""
    sheet = TextTable(
        "Predicted against realised, every position ever held",
        "Market",
        ">From",
        ">Until",
        ">Predicted",
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
            _percent(one.predicted),
            _percent(one.realised),
            "-" if then is None else _said(then),
            "-" if then is None else _percent(then.paid),
            f"{one.forecasts_over} of {one.forecasts}",
            "-" if one.forecasts_off is None else f"{one.forecasts_off * 1e4:+z.1f} bp",
            "-" if one.forecasts_inside is None else f"{one.forecasts_inside:z.0%}",
        )
    return Group(sheet, Text(NOTE))


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate * 100:z.3f} %"


def _said(then: ForecastThen) -> str:
    return f"{then.mean * 100:z.3f} % ({then.low * 100:z.1f}-{then.high * 100:z.1f}) over {then.days:g} d by {then.by}"
