"""The documents of ``risk --calibration`` and ``risk --signals``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class LetterRecord(Part):
    """What followed the grades of one letter."""

    letter: str = Field(description="the letter, the safest first; `all`: all letters together")
    days: int = Field(description="graded days of markets that are scored")
    windows: int = Field(description="number of their windows that do not overlap: at most so many are independent")
    locks: int = Field(
        description="days that a lock followed: utilisation of 0.99, or cash below 1 % of what is supplied"
    )
    losses: int = Field(description="days that a fall of the index or share price by more than 0.1 % followed")
    depegs: int = Field(description="days after which the asset, a dollar, was 1 % away from one")
    harmed: int = Field(description="days that any of these followed")
    stated: float = Field(description="mean probability of harm that the grades stated")
    years: float = Field(description="market-years for which these grades stood")
    locked_hours_a_year: float | None = Field(description="hours locked in a market-year")
    loss_bps_a_year: float | None = Field(description="realised loss, in bp a year")
    expected_loss_bps: float | None = Field(description="expected loss, in bp a year")
    expected_low_bps: float | None = Field(description="lower end of its 80 % interval")
    expected_high_bps: float | None = Field(description="upper end of its 80 % interval")


class CalibrationDocument(Document):
    """Stored grades compared with what then happened."""

    SCHEMA: ClassVar[str] = "risk-calibration"

    history: str = Field(description="memory's folder")
    window_days: float = Field(description="days after a grade in which harm counts")
    graded: int = Field(description="graded days of markets")
    unfinished: int = Field(description="of these, those whose window is not over")
    unseen: int = Field(description="of these, those whose market was read on less than half of the window's days")
    rows: tuple[LetterRecord, ...] = Field(description="by letter; empty: nothing can be scored yet")
    brier: float | None = Field(description="mean squared error of the stated probabilities; 0 is perfect")
    brier_constant: float | None = Field(description="Brier score of stating the observed rate for every market")
    notes: tuple[str, ...] = Field(description="notes on odd or missing data, a line each")


class SignalRecord(Part):
    """What followed one signal within one horizon. Rates are simple annual fractions."""

    market_class: str = Field(description="`dollar`: markets of dollars; `other`")
    signal: str = Field(description="`enter`, `hold` or `leave`")
    horizon_days: int = Field(description="days after it")
    signals: int = Field(description="market-days with this signal whose later rates are known")
    markets: int = Field(description="number of markets")
    windows: int = Field(
        description="number of horizons in that time that do not overlap: at most so many are independent"
    )
    mean: float = Field(description="mean of the rates that were then paid")
    median: float = Field(description="mean of the medians of the markets of their assets over the same days")
    above: float = Field(description="fraction that paid more than the median")
    hits: float | None = Field(
        description="fraction of right signals (enter: it paid more than the median; leave: less); null: `hold`"
    )
    low: float | None = Field(description="lower end of its 90 % interval, by blocks of days")
    high: float | None = Field(description="upper end of its 90 % interval")
    plain: float | None = Field(
        description="that fraction by the plain rule that a market stays on the side of the median where its quote is"
    )


class SignalsDocument(Document):
    """What followed signals."""

    SCHEMA: ClassVar[str] = "risk-signals"

    history: str = Field(description="a folder of memory, or a file")
    source: str = Field(description="`ledger`: stored signals; `replay`: computed again, day by day")
    first: int | None = Field(description="the first signal's day, unix seconds; null: there is none")
    last: int | None = Field(description="the last signal's")
    rows: tuple[SignalRecord, ...] = Field(description="by horizon, class and signal; empty: too little is known")
    notes: tuple[str, ...] = Field(description="notes on odd or missing data, a line each")
