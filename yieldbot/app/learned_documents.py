"""Parts of documents: the forecast for each position that we ever held, and the realised rate."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Part


class ForecastThen(Part):
    """The forecast for a market when our money went in, from the journal. Rates are simple annual fractions."""

    at: int = Field(description="time of the block that was decided on, unix seconds; the horizon begins there")
    height: int = Field(description="its number, or the slot")
    by: str = Field(description="whose forecast it was (`policy.forecaster`)")
    days: float = Field(description="the horizon")
    quoted: float = Field(description="the quoted rate at that time")
    mean: float = Field(description="the mean rate expected, with no further money of ours")
    low: float = Field(description="lower end of the 80 % interval")
    high: float = Field(description="upper end of the 80 % interval")
    paid: float | None = Field(
        description="what the market then paid over the horizon, by memory (growth of its index); null: it is not "
        "over, or too little of it was seen"
    )
    inside: bool | None = Field(description="whether `paid` is within the interval; null: unknown")


class EverHeld(Part):
    """One position that we hold or held, from its entry to its end. Rates are simple annual fractions."""

    chain_id: str = Field(description="the chain's identifier")
    owner: str = Field(description="the account's address")
    id: str = Field(description="the market's identifier")
    name: str = Field(description="its name")
    since: int = Field(description="when money went in, or was first noted there, unix seconds")
    until: int | None = Field(description="when nothing was left, unix seconds; null: it is still held")
    predicted: float | None = Field(
        description="the rate that our money was expected to earn when it went in; null: none was recorded"
    )
    realised: float | None = Field(
        description="what it earned since, entry and exit fees deducted; null: not known, or it is in the first hour"
    )
    earned_raw: str | None = Field(
        description="what it earned, in base units of the asset, as decimal text; null: it ended without a "
        "transaction of ours, or changed after it was last read"
    )
    forecast: ForecastThen | None = Field(description="the market's forecast then; null: it was decided without one")
    forecasts: int = Field(description="how many forecasts of its market were recorded while it was held")
    forecasts_over: int = Field(description="how many of these have a horizon that is over, with a known realised rate")
    forecasts_off: float | None = Field(
        description="mean of the realised rates less the forecasts; null: no horizon is over"
    )
    forecasts_inside: float | None = Field(
        description="fraction of realised rates inside of the interval; null: no horizon is over"
    )
