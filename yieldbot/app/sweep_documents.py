"""The document of ``backtest sweep``."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.backtest_documents import BacktestManifest, BacktestRow
from yieldbot.app.document import Document, Part


class SweepVariant(Part):
    """One way to decide that was tried."""

    name: str = Field(description="what it changes, as `move_horizon_days=14`; the first variant changes nothing")
    policy: dict[str, object] = Field(description="its policy's settings that differ from the defaults")
    forecaster: str = Field(description="the forecaster that it decides with; `quote`: none")


class SweepChoice(Part):
    """What was chosen from the past, at one date."""

    date: int = Field(description="when the judged windows begin, unix seconds")
    variant: str = Field(description="the variant that had gained most in the windows that were over by then")
    past: int = Field(description="start dates that it was chosen from")


class SweepWalkForward(Part):
    """Choices made from the past, judged on the windows that follow, at one wealth. Gains are over static, in
    percentage points a year."""

    wealth: float = Field(description="dollars at the start of each window")
    windows: int = Field(description="windows that were judged")
    gain_pp: float = Field(description="mean gain of what was chosen, out of sample")
    gain_pp_low: float | None = Field(
        description="lower end of its 90 % interval, by block bootstrap over dates; null: fewer than three judged "
        "windows share no day"
    )
    gain_pp_high: float | None = Field(description="upper end of that interval")
    unchanged_gain_pp: float = Field(description="mean gain of the first variant in the same windows")
    over_unchanged_pp: float = Field(description="what choosing gained over the first variant")
    over_unchanged_pp_low: float | None = Field(description="lower end of its 90 % interval")
    over_unchanged_pp_high: float | None = Field(description="upper end of that interval")
    hindsight: str = Field(description="the variant that was best in these windows, in hindsight")
    hindsight_gain_pp: float = Field(description="its gain, which could not have been chosen in advance")
    windows_lost_over_10bp: int = Field(description="windows in which the choice earned 0.1 points less than static")
    choices: tuple[SweepChoice, ...] = Field(description="the choice at each date")


class SweepDeflated(Part):
    """The best of all variants at one wealth, less what luck alone would show (White's reality check)."""

    wealth: float = Field(description="dollars at the start of each window")
    over: str = Field(description="what gains are counted over: `static`, or the name of the first variant")
    tried: int = Field(description="variants that it is the best of")
    best: str = Field(description="its name")
    gain_pp: float = Field(description="its mean gain as seen, percentage points a year")
    luck_pp: float = Field(description="what the best of as many worthless variants would show on average")
    deflated_gain_pp: float = Field(description="what remains")
    deflated_gain_pp_low: float = Field(description="lower end of the 90 % interval of what remains")
    deflated_gain_pp_high: float = Field(description="upper end of that interval")
    p_value: float = Field(description="probability that luck alone would show at least this gain")


class SweepDocument(Document):
    """What each variant of a grid would have earned, and what the best one is worth out of sample and without luck."""

    SCHEMA = "backtest-sweep"

    tried: int = Field(description="how many variants were tried, the unchanged one too")
    variants: tuple[SweepVariant, ...] = Field(description="what was tried, the unchanged one first")
    results: tuple[BacktestRow, ...] = Field(
        description="a row for each universe, wealth and variant over all windows: in sample, so the best is flattered"
    )
    walk_forward: tuple[SweepWalkForward, ...] = Field(
        description="for each wealth, what choosing on the past would have earned; empty: too few windows"
    )
    deflated: tuple[SweepDeflated, ...] = Field(
        description="for each wealth, the best over static, and over the unchanged one; empty: too few windows"
    )
    manifest: BacktestManifest = Field(description="what the figures were made from")
    notes: tuple[str, ...] = Field(description="notes, a line each")
