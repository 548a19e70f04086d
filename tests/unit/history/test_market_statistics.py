"""What grades know of a market's past: its age, its worst day of cash, and how its rate varied."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from yieldbot.history.market_statistics import KEPT, summaries, summaries_today
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store

CHAIN, DAY = "eip155:1", 86_400
T0 = 20_000 * DAY
KEY = MarketKey(chain=CHAIN, market="m", protocol="p", asset="USDC", asset_address="0xa")


def remembered(folder: Path, cash: list[float | None], rates: list[float]) -> Store:
    store = Store(folder)
    rows = [
        Reading(key=KEY, time=T0 + day * DAY + 600, supply_rate=rate, cash=money, utilisation=0.5 + day / 1000)
        for day, (money, rate) in enumerate(zip(cash, rates, strict=True))
    ]
    assert not store.append(rows).failure
    return store


def test_the_worst_day_and_the_means_are_those_of_daily_figures(tmp_path: Path) -> None:
    cash: list[float | None] = [100.0] * 40
    cash[20], cash[21] = 40.0, 90.0
    rates = [0.03 + (day % 7) / 1000 for day in range(40)]
    store = remembered(tmp_path, cash, rates)
    found = summaries(store, CHAIN, T0 + 39 * DAY + 700)["m"]
    assert found["worst_day"] == pytest.approx(0.4) and found["days"] == pytest.approx(39 + 100 / DAY)
    assert found["week_mean"] == pytest.approx(statistics.mean(rates[-7:]))
    assert found["month_mean"] == pytest.approx(statistics.mean(rates[-30:]))
    assert found["month_deviation"] == pytest.approx(statistics.stdev(rates[-30:]))
    assert found["long_mean"] == pytest.approx(statistics.mean(rates))
    assert found["most_utilisation"] == pytest.approx(0.539)
    assert found["weeks"] == len({(T0 // DAY + day) // 7 for day in range(40)})


def test_nothing_is_known_of_the_future_of_others_or_before_it_began(tmp_path: Path) -> None:
    store = remembered(tmp_path, [100.0, 10.0] * 10, [0.01] * 19 + [0.9])
    later = replace(KEY, market="later")
    assert not store.append([Reading(key=later, time=T0 + 19 * DAY, supply_rate=0.01)]).failure
    assert set(summaries(store, CHAIN, T0 + 18 * DAY)) == {"m"}, "the other was first seen a day later"
    early = summaries(store, CHAIN, T0 + 4 * DAY)["m"]
    assert early["worst_day"] is None, "too few days for a worst one"
    assert summaries(store, CHAIN, T0 + 18 * DAY)["m"]["week_mean"] == pytest.approx(0.01)
    assert summaries(store, "eip155:8453", T0 + 18 * DAY) == {} == summaries(store, CHAIN, T0 - DAY)


def test_days_that_lack_are_no_fall(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cash = {0: 100.0, 1: 90.0, 2: 80.0, 3: 80.0, 4: 80.0, 9: 10.0, 10: 10.0, 11: None}
    rows = [Reading(key=KEY, time=T0 + day * DAY, supply_rate=0.01, cash=money) for day, money in cash.items()]
    assert not store.append(rows).failure
    found = summaries(store, CHAIN, T0 + 12 * DAY)["m"]
    assert found["worst_day"] == pytest.approx(80 / 90), "between day 4 and day 9 nothing was read"


def test_a_day_s_figures_are_asked_once_and_again_when_older_readings_come(tmp_path: Path) -> None:
    store = remembered(tmp_path, [100.0] * 20, [0.02] * 20)
    now = T0 + 19 * DAY + 3_600
    first = summaries_today(store, CHAIN, now)
    assert first == summaries(store, CHAIN, now)
    assert not store.append([Reading(key=KEY, time=now, supply_rate=5.0)]).failure
    assert summaries_today(store, CHAIN, now + 60) == first, "today's readings wait for tomorrow"
    assert summaries_today(store, CHAIN, now + DAY) != first
    assert not store.append([Reading(key=KEY, time=T0 - 5 * DAY, supply_rate=0.5)]).failure
    again = summaries_today(store, CHAIN, now + 60)
    assert again == summaries(store, CHAIN, now + 60) and again["m"]["days"] == pytest.approx(24 + 3_660 / DAY)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": 1}', '{"key": "K", "markets": [1]}'])
def test_figures_that_are_broken_are_made_anew(tmp_path: Path, content: str) -> None:
    store = remembered(tmp_path, [100.0] * 9, [0.02] * 9)
    now = T0 + 9 * DAY
    want = summaries_today(store, CHAIN, now)
    (kept,) = tmp_path.rglob(KEPT)
    kept.write_text(content)
    assert summaries_today(store, CHAIN, now) == want


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = remembered(tmp_path, [100.0] * 9, [0.02] * 9)

    def full(self: Path, text: str, encoding: str = "") -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert summaries_today(store, CHAIN, T0 + 9 * DAY)["m"]["days"] == pytest.approx(9 - 600 / DAY)
    assert not list(tmp_path.rglob(KEPT))


def test_a_supply_grows_from_its_first_to_its_last_reading_of_thirty_days(tmp_path: Path) -> None:
    store = Store(tmp_path)
    supplies: dict[int, float | None] = {0: 1.0, 15: 100.0, 20: None, 30: 0.0, 35: 150.0, 39: 120.0}
    rows = [
        Reading(key=KEY, time=T0 + day * DAY, supply_rate=0.01, token_supply=supplies.get(day)) for day in range(40)
    ]
    assert not store.append(rows).failure
    assert summaries(store, CHAIN, T0 + 39 * DAY + 1)["m"]["supply_growth"] == pytest.approx(0.2)
    assert summaries(store, CHAIN, T0 + 1)["m"]["supply_growth"] == pytest.approx(0.0)
    bare = remembered(tmp_path / "bare", [100.0] * 10, [0.01] * 10)
    assert summaries(bare, CHAIN, T0 + 9 * DAY + 700)["m"]["supply_growth"] is None
