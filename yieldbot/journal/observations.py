"""The contents of an ``Observed`` entry (holdings, prices and forecasts) and their JSON members on the disk.

Members that older rows lack have a default here. Unknown members are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from yieldbot.journal.codec import Doc, integer, part
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import MarketId


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedForecast:
    """The forecast for one market at the time of a decision. Rates are simple annual fractions."""

    mean: float
    """Mean supply rate over the horizon, with no further money of ours."""
    low: float
    """Lower end of the 80 % interval."""
    high: float
    """Upper end of the 80 % interval."""
    days: float
    """The horizon."""
    quoted: float
    """The quoted rate at that time."""
    expected: float
    """Rate that our holding was expected to earn, without our own impact and entry fees."""
    by: str = ""
    """Name of the forecaster (``policy.forecaster``); empty in older rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHolding:
    """A holding of ours at the end of a run, and what it was expected to earn."""

    held_raw: int
    """Its value in base units of the market's asset."""
    apr: float
    """Rate that it was expected to earn over the horizon, a simple annual fraction."""
    horizon_seconds: float
    """Seconds over which that rate is averaged."""
    name: str = ""
    """The market's name in tables; empty in older rows."""
    deployment: str = ""
    """The deployment's name in the chain's file; empty in older rows."""
    flavour: str = ""
    """The vault's flavour; empty where it has none, and in older rows."""
    forecast: RecordedForecast | None = None
    """The forecast for its market; None: the decision used no forecast, or the row is older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPrices:
    """Prices in US dollars for one whole token, for accounting."""

    asset: float | None = None
    """Price of the asset; None: not known."""
    native: float | None = None
    """Price of the chain's native token; None: not known."""


NO_PRICES = RecordedPrices()
"""No price is known."""


def holdings_to_doc(holdings: Mapping[MarketId, RecordedHolding]) -> Doc:
    """Holdings by market as a JSON document."""
    return {market_id: _holding_to_doc(one) for market_id, one in holdings.items()}


def holdings_from_doc(doc: Mapping[str, Any]) -> dict[MarketId, RecordedHolding]:
    """The holdings in a document. Raises ValueError when one cannot be read."""
    return {MarketId(market_id): _holding_from_doc(one) for market_id, one in doc.items()}


def forecasts_to_doc(forecasts: Mapping[MarketId, RecordedForecast]) -> Doc:
    """Forecasts by market as a JSON document."""
    return {market_id: _forecast_to_doc(one) for market_id, one in forecasts.items()}


def forecasts_from_doc(doc: Mapping[str, Any]) -> dict[MarketId, RecordedForecast]:
    """The forecasts in a document. Raises ValueError when one cannot be read."""
    return {MarketId(market_id): _forecast_from_doc(one) for market_id, one in doc.items()}


def prices_to_doc(prices: RecordedPrices) -> Doc:
    """Prices as a JSON document, as exact decimal text; empty where none is known."""
    found = {"asset": prices.asset, "native": prices.native}
    return {name: repr(usd) for name, usd in found.items() if usd is not None}


def prices_from_doc(doc: Any) -> RecordedPrices:
    """The prices in a document; an invalid one is left out, since accounting has other sources."""
    return RecordedPrices(asset=_price(doc, "asset"), native=_price(doc, "native"))


def _price(doc: Any, name: str) -> float | None:
    if not isinstance(doc, Mapping) or not isinstance(doc.get(name), str | float | int):
        return None
    try:
        found = float(doc[name])
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _holding_to_doc(one: RecordedHolding) -> Doc:
    return {
        "name": one.name,
        "deployment": one.deployment,
        "flavour": one.flavour,
        "held_raw": str(one.held_raw),
        "apr": one.apr,
        "horizon_seconds": one.horizon_seconds,
    } | ({} if one.forecast is None else {"forecast": _forecast_to_doc(one.forecast)})


def _holding_from_doc(doc: Any) -> RecordedHolding:
    return RecordedHolding(
        held_raw=integer(doc, "held_raw"),
        apr=_number(doc, "apr"),
        horizon_seconds=_number(doc, "horizon_seconds"),
        name=_text(doc, "name"),
        deployment=_text(doc, "deployment"),
        flavour=_text(doc, "flavour"),
        forecast=_forecast_from_doc(doc["forecast"]) if doc.get("forecast") else None,
    )


def _forecast_to_doc(one: RecordedForecast) -> Doc:
    return {
        "mean": one.mean,
        "low": one.low,
        "high": one.high,
        "days": one.days,
        "quoted": one.quoted,
        "expected": one.expected,
        "by": one.by,
    }


def _forecast_from_doc(doc: Any) -> RecordedForecast:
    return RecordedForecast(
        mean=_number(doc, "mean"),
        low=_number(doc, "low"),
        high=_number(doc, "high"),
        days=_number(doc, "days"),
        quoted=_number(doc, "quoted"),
        expected=_number(doc, "expected"),
        by=_text(doc, "by"),
    )


def _number(doc: Any, name: str) -> float:
    return float(part(doc, name, (int, float)))


def _text(doc: Any, name: str) -> str:
    """The member ``name``; empty in older rows. Raises ValueError if it is not text."""
    return str(part(doc, name, str)) if name in doc else ""
