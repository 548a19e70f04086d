"""Signals replayed day by day, and what followed them, with figures made by hand."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from yieldbot.backtest.levels import Levels, levels_of
from yieldbot.backtest.yield_signals import (
    DatedSignal,
    by_asset,
    hit_rates,
    paid_after,
    past_of,
    remembered,
    replayed,
    said_at,
)
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey
from yieldbot.model.policy import alone
from yieldbot.risk.loss import base_rate
from yieldbot.risk.scales import scales
from yieldbot.risk.yields import Signal

DAY = 86_400
START = 1_767_225_600
GRIDS = ("quoted", "realised", "utilisation", "supplied", "cash", "borrow_rate", "reserve_factor")


def panel(rates: NDArray[np.float64], assets: tuple[str, ...] = (), chains: tuple[str, ...] = ()) -> Panel:
    """Quotes that were paid the day after."""
    days, markets = rates.shape
    keys = tuple(
        MarketKey(
            chain=(chains or ("eip155:1",) * markets)[n], market=f"m{n}", asset=(assets or ("USDC",) * markets)[n]
        )
        for n in range(markets)
    )
    rest = {name: np.full(rates.shape, 0.5) for name in GRIDS[2:]}
    return Panel(
        keys=keys, times=START + DAY * np.arange(days), step_seconds=DAY, quoted=rates.copy(), realised=rates.copy(),
        blocked=np.zeros(rates.shape, dtype=bool), **rest,
    )  # fmt: skip


def noisy(days: int = 80, markets: int = 6, seed: int = 1) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    level = np.linspace(0.01, 0.09, markets)
    return np.asarray(np.abs(level + 0.004 * random.standard_normal((days, markets))))


def levels(of: Panel) -> Levels:
    return levels_of(of, {"": alone()})[""]


def test_no_day_sees_what_came_later() -> None:
    """A future that is planted changes no signal of the days before it, and some of those after."""
    calm = panel(noisy())
    planted = panel(noisy())
    cut = 50
    for name in GRIDS:
        getattr(planted, name)[cut + 1 :] = np.random.default_rng(7).random((80 - cut - 1, 6))
    table, loss = scales(), base_rate("lending").bps
    said = {name: replayed(one, levels(one), by_asset(one), table, loss) for name, one in (("a", calm), ("b", planted))}
    before = {name: [one for one in found if one.row <= cut] for name, found in said.items()}
    assert before["a"] == before["b"] and {one.row for one in before["a"]} == set(range(cut + 1))
    assert {one.signal for one in before["a"]} == set(Signal)
    assert said["a"] != said["b"]


def test_a_day_is_given_a_panel_that_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the signal of a day is made of, no array that it could reach goes on."""
    whole = panel(noisy(days=20))
    seen: list[int] = []

    def looks(known: Panel, *rest: object) -> dict[int, Signal]:
        seen.append(len(known.times))
        for name in ("times", *GRIDS):
            array = getattr(known, name)
            assert len(array) == len(seen) and array.base is None
        return {}

    monkeypatch.setattr("yieldbot.backtest.yield_signals.said_at", looks)
    replayed(whole, levels(whole), by_asset(whole), scales(), 25.0)
    assert seen == list(range(1, 21))


def test_the_best_is_entered_and_the_worst_is_left() -> None:
    calm = panel(np.tile([0.01, 0.04, 0.04, 0.04, 0.09], (40, 1)))
    said = said_at(calm, levels(calm).of(range(5), 39), by_asset(calm), scales(), 25.0)
    assert [said[n] for n in range(5)] == [Signal.LEAVE, *[Signal.HOLD] * 3, Signal.ENTER]
    young = calm.until(4)
    assert set(said_at(young, levels(young).of(range(5), 4), by_asset(young), scales(), 25.0).values()) == {Signal.HOLD}
    two = calm.of([0, 4])
    assert said_at(two, levels(two).of(range(2), 39), by_asset(two), scales(), 25.0) == {}


def test_the_past_is_that_of_memorys_summaries() -> None:
    rates = noisy(days=120, markets=3)
    rates[100:, 2] = np.nan
    known = panel(rates)
    past = past_of(known)
    recent, weeks = rates[30:, 0], (known.times[30:] // DAY) // 7
    weekly = [float(recent[weeks == one].mean()) for one in np.unique(weeks)]
    assert past[0].long_mean == pytest.approx(recent.mean()) and past[0].weeks == len(weekly)
    assert past[0].long_deviation == pytest.approx(statistics.stdev(weekly)) and past[0].days == pytest.approx(89)
    assert past[2].long_mean == pytest.approx(np.nanmean(rates[30:, 2]))
    rates[:, 1] = np.nan
    assert past_of(panel(rates))[1].long_mean is None


def test_what_is_paid_after_a_day_begins_the_day_after() -> None:
    rates = np.full((20, 3), 0.02)
    rates[5], rates[13] = 9.0, 9.0
    paid = paid_after(panel(rates), 7)
    assert paid[5, 0] == pytest.approx(0.02), "neither the day itself nor the eighth after it"
    assert paid[12, 0] == pytest.approx((6 * 0.02 + 9.0) / 7)
    assert np.isfinite(paid[12]).all() and np.isnan(paid[13:]).all(), "the panel ends before"
    rates[6:8] = np.nan
    assert np.isnan(paid_after(panel(rates), 7)[5]).all(), "five of seven days are too few"
    rates[7] = 0.02
    assert paid_after(panel(rates), 7)[5, 0] == pytest.approx(0.02)


def test_hits_are_counted_against_the_median_of_the_asset() -> None:
    """Three markets of one coin pay 1, 2 and 3 %: of two enters one is a hit, of two leaves one, the hold is above."""
    calm = panel(np.tile([0.01, 0.02, 0.03], (20, 1)))
    said = [
        DatedSignal(row=1, column=2, signal=Signal.ENTER), DatedSignal(row=2, column=0, signal=Signal.ENTER),
        DatedSignal(row=3, column=0, signal=Signal.LEAVE), DatedSignal(row=4, column=1, signal=Signal.LEAVE),
        DatedSignal(row=5, column=2, signal=Signal.HOLD), DatedSignal(row=15, column=2, signal=Signal.ENTER),
    ]  # fmt: skip
    enter, hold, leave = hit_rates(said, calm, by_asset(calm))
    assert (enter.signal, enter.signals, enter.markets, enter.windows, enter.hits) == ("enter", 2, 2, 1, 0.5)
    assert (enter.mean, enter.median, enter.horizon_days) == (pytest.approx(0.02), pytest.approx(0.02), 7)
    assert (leave.signals, leave.hits, leave.above) == (2, 0.5, 0.0), "the median itself is no hit"
    assert (hold.hits, hold.above, hold.low) == (None, 1.0, None)
    assert enter.market_class == "dollar" and enter.plain == 1.0 and leave.plain == 1.0 and hold.plain is None
    assert enter.low is not None and enter.high is not None and 0.0 <= enter.low <= 0.5 <= enter.high <= 1.0


def test_groups_are_by_asset_and_by_chain_where_live_ones_are() -> None:
    mixed = panel(noisy(markets=6), ("USDC",) * 5 + ("WETH",), ("eip155:1",) * 3 + ("eip155:10",) * 3)
    assert by_asset(mixed) == [[0, 1, 2, 3, 4]] and by_asset(mixed, chains=True) == [[0, 1, 2]]


def test_a_remembered_signal_is_followed_by_what_came_after_it() -> None:
    calm = panel(noisy(days=10))
    rows = [("eip155:1", "m0", START + DAY, "enter"), ("eip155:1", "m1", START + DAY + 1, "leave"),
            ("eip155:1", "gone", START, "hold"), ("eip155:1", "m0", START + 99 * DAY, "hold")]  # fmt: skip
    assert remembered(rows, calm) == [
        DatedSignal(row=1, column=0, signal=Signal.ENTER), DatedSignal(row=2, column=1, signal=Signal.LEAVE)
    ]  # fmt: skip


def test_intervals_are_the_same_each_time() -> None:
    one = panel(noisy())
    said = replayed(one, levels(one), by_asset(one), scales(), 25.0)
    assert hit_rates(said, one, by_asset(one)) == hit_rates(said, one, by_asset(one))
