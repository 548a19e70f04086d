"""``yieldbot forecast`` on a folder of memory, in an empty folder: what it shows, who is weighed, who is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.app.forecasts import DAY, END, memory, written
from tests.unit.forecast import markets
from yieldbot.app import forecast_ledger
from yieldbot.app.context import Context
from yieldbot.app.expected import expected
from yieldbot.app.forecast import ForecastRequest, forecast
from yieldbot.app.forecast_documents import ForecastDocument, RegisteredDocument, SkillDocument
from yieldbot.errors import ConfigError
from yieldbot.forecast.model import HORIZONS, Forecasts
from yieldbot.forecast.registered import SCHEMA, read
from yieldbot.history.market_names import FILE, called, names
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.model.policy import FORECASTER


class Quiet(Context):
    def say(self, line: str) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = memory(tmp_path_factory.mktemp("memory") / "history")
    (found / FILE).write_text(json.dumps({"eip155:2": {"aave_v3/2/usdc": "Mega\x1b Vault"}}))
    return found


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_ledger, "entry_points", lambda group: ())


def ask(folder: Path, **more: Any) -> Any:
    request = ForecastRequest(history=folder, **({"extras": False, "now": END} | more))
    return forecast(request, Quiet(Path("nowhere.toml")))


def test_what_each_market_will_pay_and_who_says_so(folder: Path) -> None:
    found = ask(folder)
    assert isinstance(found, ForecastDocument) and found.at == END and len(found.markets) == 5
    for market in found.markets:
        assert [one.horizon_days for one in market.horizons] == list(HORIZONS)
        assert all(one.low <= one.mean <= one.high for one in market.horizons) and market.days == 120
    for horizon in HORIZONS:
        weights = [one.weight for one in found.standings if one.horizon_days == horizon]
        assert sum(weights) == pytest.approx(1.0)
    assert all(one.why and one.says for one in found.standings)
    (named,) = ask(folder, market="mega").markets
    assert (named.market, named.name) == ("aave_v3/2/usdc", "Mega\N{REPLACEMENT CHARACTER} Vault")
    assert found.markets[0].name == found.markets[0].market and found.markets[0].chain_name == "ethereum"
    assert found.decides == FORECASTER and f"plans are made on {FORECASTER}'s forecast" in found.notes[0]
    means = expected(folder, 7.0, END, FORECASTER)
    assert means[named.chain, named.market].mean in [one.mean for one in named.decided_on if one.horizon_days == 7]
    assert len(ask(folder, market="usdc").markets) == 5


def test_markets_of_one_name_are_told_apart_and_a_damaged_file_of_names_says_nothing(tmp_path: Path) -> None:
    twins = [MarketKey(chain="eip155:1", market=f"lend/1/{one}", asset="USDC") for one in "ab"]
    known = {(one.chain, one.market): "Lend" for one in twins}
    assert list(called(twins, known).values()) == ["Lend (lend/1/a)", "Lend (lend/1/b)"]
    assert list(called(twins[:1], known).values()) == ["Lend"]
    assert list(called(twins[:1], {}).values()) == ["lend/1/a"]
    (tmp_path / FILE).write_text("[")
    assert names(tmp_path) == names(tmp_path / "none") == {}


def test_readings_from_after_this_machine_s_time_are_named(folder: Path) -> None:
    words = "readings are from after this machine's time"
    assert not any(words in note for note in ask(folder).notes)
    assert any(words in note for note in ask(folder, now=END - 3 * DAY).notes)


def test_skill_is_shown_of_everybody(folder: Path) -> None:
    found = ask(folder, skill=True)
    assert isinstance(found, SkillDocument) and found.since == markets.START + 30 * DAY
    there = {one.forecaster for one in found.rows}
    assert {"combined", "persistence", "spike", "regression", FORECASTER} <= there
    week = next(one for one in found.rows if (one.forecaster, one.horizon_days) == ("combined", 7))
    assert week.skill and week.skill > 0 and week.skill_low is not None and 0.6 < (week.coverage or 0) < 0.95
    later = ask(folder, skill=True, since="2024-02-01")
    assert later.rows[0].forecasts < found.rows[0].forecasts


def test_mistakes_are_one_line_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    for wrong, more in (
        ("holds no readings", {"history": tmp_path / "nothing"}),
        ("no market 'dai'", {"market": "dai"}),
        ("--since yesterday: write a day as 2026-01-31", {"skill": True, "since": "yesterday"}),
    ):
        with pytest.raises(ConfigError, match=wrong):
            ask(**({"folder": folder} | {("folder" if k == "history" else k): v for k, v in more.items()}))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="--history FOLDER"):
        forecast(ForecastRequest(), Quiet(tmp_path / "yieldbot.toml"))


def test_two_days_are_enough(tmp_path: Path) -> None:
    panel = markets.panel(markets.rates(2, 3, 3))
    readings = [Reading(key=key, time=int(at), supply_rate=0.04) for key in panel.keys for at in panel.times]
    Store(tmp_path / "young").append(readings)
    found = ask(tmp_path / "young")
    assert all(len(one.horizons) == 5 for one in found.markets) and any(
        " days of history" in one for one in found.notes
    ), found.notes


def test_a_file_is_registered_before_its_horizon_and_then_counts(folder: Path, tmp_path: Path) -> None:
    row = {"chain": "eip155:1", "market": "aave_v3/1/usdc", "horizon_days": 7, "mean": 0.05}
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"schema": SCHEMA, "forecaster": "mine", "time": END, "forecasts": [row]}))
    with pytest.raises(ConfigError, match="before its horizon begins"):
        ask(folder, register=file, now=END + 1)
    found = ask(folder, register=file, now=END - 60)
    assert isinstance(found, RegisteredDocument) and found.forecasts == 1
    standings = {one.forecaster: one for one in ask(folder).standings if one.horizon_days == 7}
    assert standings["mine"].weight == 0.0 and "no skill" in standings["mine"].why
    ledger = folder / forecast_ledger.LEDGER
    ledger.write_text(ledger.read_text().replace("0.05", "0.04"))
    assert any("was changed" in one for one in ask(folder).notes)
    with pytest.raises(ConfigError, match="was changed"):
        ask(folder, register=file, now=END - 30)
    ledger.unlink()


def test_what_a_run_expects_is_what_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(group: str) -> Iterator[EntryPoint]:
        raise AssertionError("a run loads no third party")

    monkeypatch.setattr(forecast_ledger, "entry_points", never)
    found = expected(folder, 7, END)
    shown = {(one.chain, one.market): one for one in ask(folder, third_parties=False).markets}
    assert found.keys() == shown.keys()
    for key, one in found.items():
        week = next(each for each in shown[key].horizons if each.horizon_days == 7)
        assert (one.mean, one.low, one.high) == pytest.approx((week.mean, week.low, week.high))
        assert one.reason == shown[key].why and one.days == 7
    assert expected(folder, 7, END + 10 * DAY) == {} == expected(folder / "nothing", 7, END)


class Seven:
    """A third party's forecaster."""

    name = "seven"

    def forecast(self, panel: Panel) -> Forecasts:
        assert panel.quoted.base is None
        mean = np.full((len(panel.keys), len(HORIZONS)), 0.07)
        return Forecasts(keys=panel.keys, time=int(panel.times[-1]), mean=mean, low=mean, high=mean)


class Thief(Seven):
    """Takes another's name."""

    name = "persistence"


class Broken(Seven):
    """Raises."""

    name = "broken"

    def forecast(self, panel: Panel) -> Forecasts:
        raise RuntimeError("no idea\x1b[2J")


class Leaver(Seven):
    """Asks the program to end."""

    name = "leaver"

    def forecast(self, panel: Panel) -> Forecasts:
        raise SystemExit(0)


def test_installed_forecasters_are_asked_registered_and_have_no_weight_yet(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def points(group: str) -> Iterator[EntryPoint]:
        assert group == "yieldbot.forecasters"
        for name in ("Seven", "Thief", "Broken", "Leaver", "Absent"):
            yield EntryPoint(name=name, value=f"tests.unit.app.test_forecast:{name}", group=group)

    monkeypatch.setattr(forecast_ledger, "entry_points", points)
    found = ask(folder)
    standings = [one for one in found.standings if one.forecaster == "seven"]
    assert len(standings) == len(HORIZONS) and all(one.weight == 0.0 for one in standings)
    for one in ("persistence is taken", "no idea", "SystemExit", "Absent"):
        assert any(one in note and "\x1b" not in note for note in found.notes), one
    registered, fault = read(forecast_ledger.lines(folder))
    assert not fault and [(one.forecaster, one.time, len(one.said)) for one in registered] == [("seven", END, 25)]
    assert not any(one.forecaster == "seven" for one in ask(folder, third_parties=False).standings)
    (folder / forecast_ledger.LEDGER).unlink()


@pytest.mark.parametrize("name", ["persistence", "boosted", "combined", "quote", "regression-frozen", "Persistence"])
def test_no_third_party_bears_a_name_of_ours(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is a name of yieldbot's own"):
        ask(folder, register=written(tmp_path / "a.json", name, END), now=END)
    assert not (folder / forecast_ledger.LEDGER).exists()


def test_a_ledger_s_forecaster_of_a_name_of_ours_is_left_out(folder: Path, tmp_path: Path) -> None:
    forecast_ledger.append(folder, written(tmp_path / "a.json", "boosted", END).read_text(), END)
    found = ask(folder)
    (folder / forecast_ledger.LEDGER).unlink()
    assert not any(one.forecaster == "boosted" for one in found.standings)
    assert any("the name boosted is taken" in one for one in found.notes)


def test_a_file_is_registered_once(folder: Path, tmp_path: Path) -> None:
    ledger = folder / forecast_ledger.LEDGER
    first, second = written(tmp_path / "a.json", "mine", END), written(tmp_path / "b.json", "mine", END, mean=0.06)
    known = [ask(folder, register=one, now=END - 60).added for one in (first, first, second, first)]
    lines = ledger.read_text().splitlines()
    ledger.unlink()
    assert known == [True, False, True, True] and len(lines) == 3  # the last that came counts: the first again
