"""The documents of ``backtest``."""

from __future__ import annotations

from pydantic import Field

from yieldbot.app.document import Document, Part


class BacktestRow(Part):
    """One universe, wealth and policy over all windows. Rates are simple annual fractions, gains percentage points."""

    universe: str = Field(description="the markets that the wallet could be in; `all`: every universe together")
    wealth: float = Field(description="dollars at the start of each window")
    policy: str = Field(description="`default` for the shipped one, else the name of its file")
    windows: int = Field(description="how many windows were run, most of which overlap")
    window_days: float = Field(description="days of a window")
    apy: float = Field(description="mean of what the policy earned, net of gas and swaps")
    static_apy: float = Field(
        description="mean of what the market with the first day's best quote earned, never moved (static)"
    )
    gain_pp: float = Field(description="mean gain over static, percentage points a year")
    gain_pp_low: float = Field(description="lower end of its 90 % interval, by block bootstrap over start dates")
    gain_pp_high: float = Field(description="upper end of that interval")
    foresight_gain_pp: float = Field(
        description="gain over static with perfect foresight, by the best strategy that was found"
    )
    bound_gain_pp: float = Field(
        description="upper bound of any strategy's gain over static; perfect foresight lies between "
        "`foresight_gain_pp` and this"
    )
    share_of_foresight: float | None = Field(
        description="sum of gains / sum of foresight's gains; null: foresight gained nothing"
    )
    share_of_bound: float | None = Field(
        description="sum of gains / sum of the bounds; the true ratio to perfect foresight lies between this and "
        "`share_of_foresight`"
    )
    windows_lost_over_10bp: int = Field(description="windows that earned less than static by more than 0.1 points")
    worst_pp: float = Field(description="the worst window's gain over static")
    moves_per_year: float = Field(description="plans carried out a year, the first of each window left out")
    cost: float = Field(description="dollars of gas and swaps a year")
    drawdown: float = Field(description="the largest fall of wealth within a window, a fraction")
    locked_days: float = Field(
        description="the longest time, in days, in which a market could not have paid out all of our money"
    )
    used_share: float = Field(
        description="fraction of time, weighted by our money, in markets with a utilisation above 95 %"
    )
    rules_pp: dict[str, float] = Field(
        description="gains of the other simple rules over static, percentage points a year"
    )


class BacktestManifest(Part):
    """Everything that the figures were made from: the same inputs give the same figures."""

    command: str = Field(description="the command that reproduces the figures")
    version: str = Field(description="yieldbot's version")
    code: str = Field(description="SHA-256 of the code that decides")
    data: str = Field(description="SHA-256 of the readings that were used")
    gas: str = Field(description="SHA-256 of the file of gas prices; empty: a constant price, see notes")
    policies: dict[str, dict[str, object]] = Field(description="each policy's settings that differ from the defaults")
    forecasters: tuple[str, ...] = Field(description="the forecasters of the tournament")
    seed: int = Field(description="seed of failures and of the bootstrap")
    failures: float = Field(description="fraction of plans that were made to fail")
    first: int = Field(description="first day, unix seconds")
    last: int = Field(description="last day, unix seconds")
    window_days: int = Field(description="days of a window")
    every_days: int = Field(description="days from one window's start to the next")
    warm_days: int = Field(description="days of history before the first window")


class BacktestDocument(Document):
    """What the policy would have earned on recorded history, decided by the same code as live runs."""

    SCHEMA = "backtest"

    results: tuple[BacktestRow, ...] = Field(description="a row for each universe, wealth and policy")
    manifest: BacktestManifest = Field(description="what the figures were made from")
    notes: tuple[str, ...] = Field(description="notes, a line each")
