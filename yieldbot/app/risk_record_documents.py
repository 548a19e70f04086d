"""What ``risk --calibration`` and ``risk --signals`` answer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yieldbot.app.document import Document, Part


class LetterRecord(Part):
    """What followed the grades of one letter."""

    letter: str = Field(description="which, the safest first; `all`: of all together")
    days: int = Field(description="graded days of markets that are scored")
    windows: int = Field(description="how many of their windows do not overlap: so many are independent at most")
    locks: int = Field(
        description="days that a lock followed: utilisation of 0.99, or cash below 1 % of what is supplied"
    )
    losses: int = Field(description="days that a fall of the index or share price by more than 0.1 % followed")
    depegs: int = Field(description="days after which the asset, a dollar, was 1 % away from one")
    harmed: int = Field(description="days that any of these followed")
    stated: float = Field(description="mean probability of harm that was stated beforehand")
    years: float = Field(description="market-years for which these grades stood")
    locked_hours_a_year: float | None = Field(description="hours locked in a market-year")
    loss_bps_a_year: float | None = Field(description="what was lost, in bp a year")
    expected_loss_bps: float | None = Field(description="what was expected to be lost, in bp a year")
    expected_low_bps: float | None = Field(description="lower end of its 80 % interval")
    expected_high_bps: float | None = Field(description="upper end of its 80 % interval")


class CalibrationDocument(Document):
    """Remembered grades, held against what then happened."""

    SCHEMA: ClassVar[str] = "risk-calibration"

    history: str = Field(description="memory's folder")
    window_days: float = Field(description="days after a grade in which harm counts")
    graded: int = Field(description="graded days of markets")
    unfinished: int = Field(description="of these, those whose window is not over")
    unseen: int = Field(description="of these, those whose market was read on less than half of the window's days")
    rows: tuple[LetterRecord, ...] = Field(description="by letter; empty: nothing can be scored yet")
    brier: float | None = Field(description="mean squared error of the stated probabilities; 0 is perfect")
    brier_constant: float | None = Field(description="the same of whoever states the observed rate for all")
    notes: tuple[str, ...] = Field(description="what is odd or too little, each in a line")
