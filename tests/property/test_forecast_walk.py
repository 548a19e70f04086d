"""All rows at once say what a row alone says, nothing looks ahead, and odd histories give numbers or none."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.kit.draws import draws
from tests.unit.forecast import markets
from yieldbot.forecast.boosting import Boosted
from yieldbot.forecast.levels import over, rate_forecasts
from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.outlook import combined
from yieldbot.forecast.regression import Frozen, Regression
from yieldbot.forecast.rules import ExponentialMean, Persistence, rules
from yieldbot.forecast.series import Series
from yieldbot.forecast.third_party import peeks
from yieldbot.forecast.tournament import Combined, Single, Tournament, builtin

PLAIN = (*rules(), Frozen(), Regression())


@pytest.fixture(scope="module")
def rough() -> Tournament:
    return Tournament(markets.panel(markets.rough(160, 8, 1)), PLAIN)


def test_all_rows_at_once_are_what_each_row_says_alone(rough: Tournament) -> None:
    panel = rough.series.panel
    for row in (0, 1, 2, 9, 35, 70, 107, 159):
        known = Tournament(panel.until(row), PLAIN)
        for one in ("mean", "low", "high"):
            np.testing.assert_array_equal(getattr(known.at(-1), one), getattr(rough.at(row), one), f"{one} at {row}")
        assert known.standings(row) == rough.standings(row)
    assert np.array_equal(Combined(PLAIN).forecast(panel.until(70)).mean, rough.at(70).mean, equal_nan=True)


def test_trees_are_what_each_row_says_alone() -> None:
    panel = markets.panel(markets.rates(150, 6, 3))
    assert peeks(Boosted(), panel, (60, 149)) == ()


@pytest.mark.parametrize("rule", PLAIN, ids=lambda one: str(one.name))
def test_nobody_of_ours_looks_ahead(rule: object) -> None:
    assert peeks(rule, markets.panel(markets.rough(90, 6, 2)), range(0, 90, 13)) == ()  # type: ignore[arg-type]


class Peeks:
    """Says what will come."""

    name, says = "peeks", "what will come"

    def means(self, series: Series) -> np.ndarray:
        return np.where(np.isnan(series.futures), series.quote[:, :, None], series.futures)


def test_one_that_looks_ahead_is_found() -> None:
    panel = markets.panel(markets.rates(80, 5, 2))
    assert peeks(Peeks(), panel, (10, 40)) == (10, 40)


def test_a_panel_that_ends_leads_to_nothing_later() -> None:
    panel = markets.panel(markets.rates(50, 3, 2))
    known = panel.until(20)
    for array in (known.quoted, known.realised, known.utilisation, known.times, known.blocked):
        assert array.base is None and len(array) == 21


def test_odd_histories_give_numbers_or_none(rough: Tournament) -> None:
    walk = rough.walk
    said = np.isfinite(walk.mean)
    assert (np.isfinite(walk.low) == said).all() and (np.isfinite(walk.high) == said).all()
    assert (walk.low[said] <= walk.mean[said]).all() and (walk.mean[said] <= walk.high[said]).all()
    assert not said[-1, 0].any() and walk.at(-1).none[0].all()  # dead
    assert said[50, 1].all()  # not born: from its like
    assert said[-1, 2].all() and abs(walk.mean[-1, 2, 0] - 3.0) < 0.2
    assert (walk.mean[said[:, 3, 0], 3] < 0).all()


@pytest.mark.parametrize("quotes", [[[0.04]], [[np.nan]], [[3.0], [np.nan]], [[-0.5], [-0.5]], [[0.0]] * 40])
def test_little_is_enough(quotes: list[list[float]]) -> None:
    said = Tournament(markets.panel(quotes), builtin()).at(-1)
    known = np.isfinite(np.array(quotes)).any()
    assert (~said.none == known).all()
    if known:
        assert (said.low <= said.mean).all() and (said.mean <= said.high).all()
        assert np.isfinite(said.high).all()


def test_steps_of_six_hours_and_of_a_week() -> None:
    rates = markets.rates(240, 4, 5)
    six = Tournament(markets.panel(rates, step=21_600), PLAIN)
    assert np.isfinite(six.at(-1).mean).all() and np.isfinite(six.series.realised(30)[0]).all()
    week = Tournament(markets.panel(rates[:40], step=7 * 86_400), PLAIN).at(-1)
    assert week.none[:, :2].all() and not week.none[:, 2:].any()


def test_a_mean_knows_gaps() -> None:
    series = Series(markets.panel([[0.04], [np.nan], [np.nan], [0.08]]))
    weights = np.array([0.5**3, 1.0])
    assert series.mean(1)[3, 0] == pytest.approx((weights * [0.04, 0.08]).sum() / weights.sum())
    assert series.quote[2, 0] == 0.04 and series.readings[3, 0] == 2


def test_what_came_is_the_mean_of_what_was_paid() -> None:
    paid = np.arange(10.0)[:, None] / 100
    series = Series(markets.panel(np.full((10, 1), 0.04), realised=paid))
    assert series.realised(3)[2, 0] == pytest.approx((3 + 4 + 5) / 300) and np.isnan(series.realised(3)[7, 0])
    paid[4] = np.nan
    assert np.isnan(Series(markets.panel(np.full((10, 1), 0.04), realised=paid)).realised(3)[2, 0])


def test_one_alone_is_a_forecaster() -> None:
    panel = markets.panel(markets.rates(60, 3, 5))
    assert np.array_equal(Single(Persistence()).forecast(panel).mean[:, 0], panel.quoted[-1])
    three = Single(ExponentialMean(3)).forecast(panel)
    assert three.mean.shape == (3, len(HORIZONS)) and (three.low < three.mean).all()


def test_a_year_of_thirty_markets_is_fast() -> None:
    panel = markets.panel(markets.rates(395, 30, 7))
    began = time.perf_counter()
    run = Tournament(panel, PLAIN)
    whole = run.walk
    prepared = time.perf_counter() - began
    began = time.perf_counter()
    for row in range(395):
        run.at(row)
    a_day = (time.perf_counter() - began) / 395
    assert whole.mean.shape == (395, 30, 5) and prepared < 10 and a_day < 1e-3


def test_without_lightgbm_all_else_works(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from yieldbot.errors import ConfigError

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "lightgbm" else found(name, *a))
    panel = markets.panel(markets.rates(40, 3, 5))
    assert "boosted" not in Tournament(panel).names and not Tournament(panel).at(-1).none.any()
    with pytest.raises(ConfigError, match=r"pip install 'yieldbot\[forecast\]'"):
        Boosted().means(Series(panel))


def test_any_number_of_days_lies_between_two_horizons() -> None:
    made = Tournament(markets.panel(markets.rates(90, 4, 5)), PLAIN).at(-1)
    for days, place in ((0.5, 0), (1, 0), (7, 2), (30, 4), (90, 4)):
        for one, grid in zip(over(made, days), (made.mean, made.low, made.high), strict=True):
            np.testing.assert_allclose(one, grid[:, place])
    mean, low, high = over(made, 10)
    assert (low < mean).all() and (mean < high).all()
    assert (np.minimum(made.mean[:, 2], made.mean[:, 3]) <= mean).all()


def test_a_spike_is_told() -> None:
    quiet = np.full((40, 2), 0.04)
    quiet[-1, 0] = 0.142
    found = rate_forecasts(combined(Tournament(markets.panel(quiet), PLAIN)), -1, 7)
    assert found[0] and found[0].reason.startswith("spike: 14.2 % now, ") and found[0].mean < 0.12
    assert found[1] and not found[1].reason and found[1].mean == pytest.approx(0.04)


@pytest.mark.parametrize("seed", range(draws(12, 24)))
@pytest.mark.filterwarnings("error")
def test_whatever_the_readings_are_there_are_numbers_or_none(seed: int) -> None:
    random = np.random.default_rng(seed)
    rates = markets.rates(int(random.integers(1, 120)), int(random.integers(1, 6)), seed)
    match seed % 6:
        case 0:
            rates[random.random(rates.shape) < random.random()] = np.nan
        case 1:
            rates *= 10.0 ** int(random.integers(-12, 8))
        case 2:
            rates *= -1.0
        case 3:
            rates[random.random(rates.shape) < 0.1] = random.choice([np.inf, -np.inf, 1e300, -1e300, 3.0, 0.0])
        case 4:
            rates[:, 0] = np.nan
        case 5:
            rates[random.random(len(rates)) < 0.5] = np.nan
    names = markets.keys(rates.shape[1], asset=str(random.choice(["USDC", "WETH", ""])))
    run = Tournament(markets.panel(rates, names, step=int(random.choice([3600, 86_400, 172_800]))), PLAIN)
    walk = run.walk
    said = np.isfinite(walk.mean)
    assert (np.isfinite(walk.low) == said).all() and (np.isfinite(walk.high) == said).all()
    assert (walk.low[said] <= walk.mean[said]).all() and (walk.mean[said] <= walk.high[said]).all()
    assert said[np.isfinite(run.series.quote)].any(axis=1).all()  # what is quoted is forecast
