"""The documents of ``forecast``."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Document, Part
from yieldbot.app.learned_documents import EverHeld


class HorizonForecast(Part):
    """What a market is expected to pay over one horizon. Rates are simple annual fractions."""

    horizon_days: int = Field(description="over how many days from the last reading on")
    mean: float = Field(description="the mean supply rate expected, before a deposit of ours")
    low: float = Field(description="lower end of the 80 % interval: one in ten realised rates is below")
    high: float = Field(description="upper end of the 80 % interval: one in ten realised rates is above")


class MarketForecast(Part):
    """What one market is expected to pay."""

    chain: str = Field(description="the chain's id")
    chain_name: str = Field(description="the chain's name; its id where it has none here")
    market: str = Field(description="the market's id")
    name: str = Field(description="the market's name as memory last read it; its id where it knows none")
    protocol: str = Field(description="its protocol; empty where the history does not say")
    asset: str = Field(description="the symbol of what is lent; empty where the history does not say")
    market_class: str = Field(description="`dollar` or `other`: within a class forecasters are weighed together")
    quoted: float | None = Field(description="the last rate that was read; null: none lately")
    days: float = Field(description="on how many days it was read")
    why: str = Field(description="why the forecast over 7 days differs from the quote; empty if it hardly does")
    horizons: tuple[HorizonForecast, ...] = Field(
        description="the combined forecast by horizon; empty where there is none"
    )
    decided_on: tuple[HorizonForecast, ...] = Field(
        description="by horizon, the forecast of the one forecaster that `decides` names; empty where there is none, "
        "and where plans are made on the combined forecast or on quotes"
    )


class ForecasterStanding(Part):
    """How much weight one forecaster has, for a class of markets and a horizon."""

    forecaster: str = Field(description="its name")
    says: str = Field(description="what it does, in one line")
    market_class: str = Field(description="`dollar` or `other`")
    horizon_days: int = Field(description="over how many days it is judged")
    weight: float = Field(description="its weight in the combined forecast")
    skill: float = Field(
        description="1 - its loss / persistence's, recent ones counting more, drawn towards what was known before"
    )
    days: float = Field(description="on how many days it was scored, recent ones counting more")
    why: str = Field(description="why it has this weight")


class ForecastDocument(Document):
    """What each market is expected to pay, and by which forecaster."""

    SCHEMA = "forecast"

    at: int = Field(description="the last moment that was known, unix seconds")
    history: str = Field(description="where the readings are from")
    since: int = Field(description="the first of the readings' days, unix seconds")
    decides: str = Field(
        description="the forecaster that plans are made on (`policy.forecaster`); `combined`: all of them, weighed; "
        "`quote`: none, plans take the quoted rate"
    )
    markets: tuple[MarketForecast, ...] = Field(description="the markets that were asked for")
    standings: tuple[ForecasterStanding, ...] = Field(description="every forecaster, by class and horizon")
    notes: tuple[str, ...] = Field(description="notes, a line each")


class ForecasterSkill(Part):
    """A forecaster's skill, for a class of markets and a horizon, on forecasts whose horizon is over."""

    forecaster: str = Field(description="its name; `combined`: all of them, weighed")
    market_class: str = Field(description="`dollar` or `other`")
    horizon_days: int = Field(description="over how many days")
    forecasts: int = Field(description="how many were scored: markets times days")
    mae: float | None = Field(description="mean absolute error, a simple annual fraction; null: none was scored")
    persistence_mae: float | None = Field(description="mean absolute error of persistence on the same forecasts")
    skill: float | None = Field(description="1 - mae / persistence_mae")
    skill_low: float | None = Field(
        description="lower end of the 90 % interval of `skill`, by block bootstrap over dates"
    )
    skill_high: float | None = Field(description="upper end of that interval")
    pinball: float | None = Field(description="mean pinball loss at 10, 50 and 90 %")
    persistence_pinball: float | None = Field(
        description="pinball loss of persistence with an interval made the same way"
    )
    bare_pinball: float | None = Field(description="pinball loss of persistence as a number without an interval")
    crps: float | None = Field(description="continuous ranked probability score of the three quantiles")
    coverage: float | None = Field(description="the share of realised rates inside the 80 % interval")


class SkillDocument(Document):
    """The skill of every forecaster, measured against persistence."""

    SCHEMA = "forecast-skill"

    history: str = Field(description="where the readings are from")
    since: int = Field(description="the first day whose forecasts are scored, unix seconds")
    until: int = Field(description="the last day of the history, unix seconds")
    markets: int = Field(description="how many markets there are")
    rows: tuple[ForecasterSkill, ...] = Field(description="by class, forecaster and horizon, the combined one first")
    positions: tuple[EverHeld, ...] = Field(
        default=(),
        description="predicted against realised, for every position ever held in these markets, as the journal has it; "
        "empty where the history is not the configured memory",
    )
    notes: tuple[str, ...] = Field(description="notes, a line each")


class RegisteredDocument(Document):
    """A file of forecasts that was registered before its horizons began."""

    SCHEMA = "forecast-registered"

    forecaster: str = Field(description="whose forecasts they are")
    time: int = Field(description="when their horizons begin, unix seconds")
    forecasts: int = Field(description="how many they are")
    ledger: str = Field(description="the file that they were written to")
    added: bool = Field(default=True, description="false: this very file was there already, and nothing was written")
    notes: tuple[str, ...] = Field(default=(), description="markets that memory does not know")
