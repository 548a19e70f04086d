"""What memory says that markets will pay reaches the decision, and never stops a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.market_builder import BLOCK, CHAIN, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import moved
from tests.unit.history.test_mean_held import note
from yieldbot.allocator.allocate import allocate
from yieldbot.allocator.assess import assess
from yieldbot.app import expected, foretell
from yieldbot.app.foretell import with_forecasts
from yieldbot.app.memory import FOLDER
from yieldbot.history.files import spanned_days
from yieldbot.history.once import forget
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.model.market import RateForecast, Snapshot

NOW = BLOCK.timestamp
DAY = 86_400
SPIKED = market("spiked", kinked(1e6, 8e5, low=0.20), borrowed=8e5)
OTHER = "0x00000000000000000000000000000000000000A2"
CALM = market("calm", kinked(1e6, 8e5, low=0.14), borrowed=8e5)
SEEN = replace(snapshot(50_000, SPIKED, CALM), block=BLOCK)


def remembered(folder: Path, days: int, rate: float = 0.04, last: float = 0.16) -> Path:
    """A data directory whose memory has the spiked market at ``rate`` each day and at ``last`` today, a minute ago."""
    key = MarketKey(chain=CHAIN, market=SPIKED.market.id, protocol="lend", asset="USDC")
    for ago in range(days - 1, -1, -1):
        day, quote = NOW - 60 - ago * DAY, rate if ago else last
        row = Reading(key=key, time=day, supply_rate=quote, mean_rate=rate, mean_since=day - DAY)
        assert not Store(folder / FOLDER).append([row]).failure
    return folder


def test_a_spike_is_decided_on_at_its_forecast(tmp_path: Path) -> None:
    lines: list[str] = []
    told = with_forecasts(SEEN, remembered(tmp_path, 60), loose(), lines.append)
    forecast = told.of(SPIKED.market.id).forecast
    assert forecast is not None and not lines
    assert 0.03 < forecast.mean < 0.09 < SPIKED.quoted.value and forecast.low <= forecast.mean <= forecast.high
    assert forecast.days == 7.0 and forecast.reason
    assert told.of(CALM.market.id).forecast is None and told.idle == SEEN.idle
    before, after = (allocate(seen, assess(seen, loose()), loose()).targets for seen in (SEEN, told))
    assert before[SPIKED.market.id].raw > 0
    assert after[SPIKED.market.id] < before[SPIKED.market.id], "the quote is not what is expected"


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_young_memory_decides_nothing(tmp_path: Path, days: int) -> None:
    folder = remembered(tmp_path, days) if days else tmp_path
    assert spanned_days(folder / FOLDER, CHAIN) == days
    assert with_forecasts(SEEN, folder, loose(), pytest.fail) == SEEN


def test_memory_of_another_chain_decides_nothing(tmp_path: Path) -> None:
    folder = remembered(tmp_path, 30)
    far = replace(SEEN, block=replace(BLOCK, chain="eip155:10"))
    assert with_forecasts(far, folder, loose(), pytest.fail) == far


def test_memory_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    folder = remembered(tmp_path, 30)

    def broken(*_: object) -> None:
        raise OSError("the disk\nis gone")

    monkeypatch.setattr("yieldbot.app.expected.expected", broken)
    assert with_forecasts(SEEN, folder, loose(), lines.append) == SEEN
    (line,) = lines
    assert "nothing is forecast (the disk" in line and "\n" not in line
    assert foretell.LEAST_DAYS == 3


def test_a_forecast_knows_how_much_of_ours_was_there(tmp_path: Path) -> None:
    """700 came half of a week ago: the rates that are forecast from saw half of it."""
    folder, held = remembered(tmp_path, 60), replace(SPIKED, held=usdc(700))
    view = replace(SEEN, states=SEEN.states | {SPIKED.market.id: held})
    notes = (note(30), note(3.5, spiked=700))
    told = with_forecasts(view, folder, loose(), pytest.fail, notes).of(SPIKED.market.id).forecast
    assert told is not None and told.ours == pytest.approx(350)
    unknown = with_forecasts(view, folder, loose(), pytest.fail).of(SPIKED.market.id).forecast
    assert unknown is not None and unknown.ours is None
    young = remembered(tmp_path / "young", 4)  # the first of its four readings says what the day before it paid
    told = with_forecasts(view, young, loose(), pytest.fail, notes).of(SPIKED.market.id).forecast
    assert told is not None and told.ours == pytest.approx(700 * 3.5 / 4, rel=0.01), (
        "what it never saw is no part of it"
    )


@pytest.mark.parametrize(
    ("name", "ahead", "days"), [("paid-3d", 7.0, 7.0), ("mean-1d", 30.0, 2.885), ("spike", 30.0, 30.0)]
)
def test_a_forecast_has_seen_the_days_that_it_weighs(name: str, ahead: float, days: float) -> None:
    policy = loose(forecaster=name, horizon_days=ahead)
    assert foretell.seen_days(policy, NOW, None) == pytest.approx(days, rel=1e-3)
    assert foretell.seen_days(policy, NOW, NOW - 2 * DAY) == 2.0


def test_wallets_of_one_chain_share_what_memory_says_until_it_has_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wallets in one market: memory is read for the first alone, and the forecast of each still counts what the
    other moved. A later block with the same memory needs no reading of forecasts either; a new reading does."""
    folder = remembered(tmp_path, 10)
    read: list[str] = []
    notes = moved(1, SPIKED.market.id, 700, 0.0)
    mover = notes[0].entry.owner  # type: ignore[union-attr]
    mine, others = replace(SEEN, owner=mover), replace(SEEN, owner=OTHER)
    first_tables, first_panel = Store.tables, expected.panel_of

    def tables(self: Store, *asked: Any, **named: Any) -> Iterator[Any]:
        read.append("tables")
        return first_tables(self, *asked, **named)

    def panel(*asked: Any) -> Panel:
        read.append("panel")
        return first_panel(*asked)

    monkeypatch.setattr(Store, "tables", tables)
    monkeypatch.setattr(expected, "panel_of", panel)

    def forecast(seen: Snapshot) -> RateForecast:
        said = with_forecasts(seen, folder, loose(), pytest.fail, notes).of(SPIKED.market.id).forecast
        assert said is not None
        return said

    first = forecast(mine)
    once_read = list(read)
    second = forecast(others)
    assert once_read.count("panel") == 1 and read == once_read, "the second wallet reads nothing"
    assert (first.beside, second.beside) == (0.0, 700.0) and replace(second, ours=first.ours, beside=0.0) == first
    later = replace(BLOCK, timestamp=NOW + 12, height=BLOCK.height + 1)
    forecast(replace(mine, block=later))
    assert read.count("panel") == 1
    key = MarketKey(chain=CHAIN, market=SPIKED.market.id, protocol="lend", asset="USDC")
    row = Reading(key=key, time=NOW + 6, supply_rate=0.30, mean_rate=0.30, mean_since=NOW - 2 * DAY)
    assert Store(folder / FOLDER).append([row]).rows == 1
    again = forecast(replace(mine, block=later))
    assert read.count("panel") == 2 and again.mean > first.mean
    forget()
    assert forecast(replace(mine, block=later)) == again
