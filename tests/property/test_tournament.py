"""Who is weighed how: skill counts, noise and copies do not, persistence is always there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from tests.unit.forecast import markets
from yieldbot.forecast.model import DOLLAR, HORIZONS, OTHER, Forecasts, class_of
from yieldbot.forecast.regression import Frozen, Regression
from yieldbot.forecast.rules import ExponentialMean, Persistence, SpikeRule, rules
from yieldbot.forecast.series import Series
from yieldbot.forecast.third_party import fit_name, walk
from yieldbot.forecast.tournament import Standing, Tournament
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey

PLAIN = (*rules(), Frozen(), Regression())
PANEL = markets.panel(markets.rates(200, 8, 11))


@dataclass(frozen=True)
class Says:
    """Whatever a function of the running statistics says."""

    name: str
    what: Callable[[Series], np.ndarray]
    says: str = "a test's"

    def means(self, series: Series) -> np.ndarray:
        return np.asarray(self.what(series))


def standing(run: Tournament, name: str, horizon: int, row: int = -1) -> Standing:
    found = run.standings(row if row >= 0 else len(run.series.panel.times) - 1)
    return next(one for one in found if (one.name, one.horizon) == (name, horizon))


def test_a_copy_adds_nothing() -> None:
    alone = Tournament(PANEL, PLAIN)
    copied = Says("copy", SpikeRule().means)
    nearly = Says("nearly", lambda series: SpikeRule().means(series) * 1.0003)
    run = Tournament(PANEL, (*PLAIN, copied, nearly))
    for one in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(run.walk, one), getattr(alone.walk, one), rtol=1e-12)
    for horizon in HORIZONS:
        assert standing(run, "copy", horizon).weight == 0.0 and standing(run, "copy", horizon).copy_of == "spike"
        assert standing(run, "nearly", horizon).weight == 0.0


def test_who_repeats_persistence_adds_nothing() -> None:
    run = Tournament(PANEL, (Persistence(), Says("echo", Persistence().means)))
    assert standing(run, "echo", 7).copy_of == "persistence" and standing(run, "persistence", 7).weight == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_weight(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.normal(1.0, 0.2, (200, 8, len(HORIZONS)))
    run = Tournament(PANEL, (Persistence(), ExponentialMean(3), Says("noise", lambda s: s.quote[:, :, None] * noise)))
    for horizon in HORIZONS:
        assert standing(run, "noise", horizon).weight == 0.0
        assert standing(run, "noise", horizon, 3).weight == 0.0  # nor before it is scored


def test_a_third_party_earns_its_weight_when_horizons_are_over() -> None:
    futures = Series(PANEL).futures
    gifted = np.where(np.isnan(futures), np.nan, futures * 1.02)
    run = Tournament(PANEL, PLAIN, {"gifted": gifted})
    assert standing(run, "gifted", 7, 6).weight == 0.0 == standing(run, "gifted", 7, 6).days
    assert standing(run, "gifted", 7, 7).days == 1.0
    assert standing(run, "gifted", 7, 150).weight > 0.9


def test_who_has_earned_its_weight_cannot_say_anything() -> None:
    futures = Series(PANEL).futures
    turned = np.where(np.isnan(futures), np.nan, futures)
    turned[150:] = 9.0
    run = Tournament(PANEL, PLAIN, {"turned": turned})
    assert standing(run, "turned", 7, 150).weight > 0.9
    _, highest = run.series.range
    assert (run.walk.mean[150] <= highest[150][:, None] + 1e-12).all()


def test_where_nobody_has_skill_little_is_lost() -> None:
    random = np.random.default_rng(4)
    walk_of_chance = 0.04 * np.exp(np.cumsum(random.normal(0, 0.05, (400, 8)), axis=0))
    run = Tournament(markets.panel(walk_of_chance), PLAIN)
    for name in ("mean-3d", "mean-7d", "median-30d", "spike"):
        assert standing(run, name, 1).weight == 0.0
    error = np.nanmean(np.abs(run.walk.mean - run.series.futures), axis=(0, 1))
    usual = np.nanmean(np.abs(run.series.quote[:, :, None] - run.series.futures), axis=(0, 1))
    assert (error < 1.03 * usual).all()


def test_weights_are_shares() -> None:
    run = Tournament(markets.panel(markets.rough(120, 8, 6)), PLAIN)
    for row in (0, 50, 119):
        for horizon in HORIZONS:
            weights = [one.weight for one in run.standings(row) if one.horizon == horizon]
            assert sum(weights) == pytest.approx(1.0) and min(weights) >= 0.0


def test_where_markets_return_to_their_usual_the_forecast_is_better() -> None:
    run = Tournament(markets.panel(markets.rates(395, 20, 8)), PLAIN)
    error = np.nanmean(np.abs(run.walk.mean - run.series.futures), axis=(0, 1))
    usual = np.nanmean(np.abs(run.series.quote[:, :, None] - run.series.futures), axis=(0, 1))
    assert (error[1:] < 0.9 * usual[1:]).all()


def test_names_are_taken_once_and_persistence_comes_first() -> None:
    with pytest.raises(ValueError, match="persistence"):
        Tournament(PANEL, (SpikeRule(),))
    with pytest.raises(ValueError, match="once"):
        Tournament(PANEL, (Persistence(), SpikeRule(), SpikeRule()))


@dataclass(frozen=True)
class Stranger:
    """A forecaster as a third party would write one."""

    name: str
    what: Callable[[Panel], np.ndarray]

    def forecast(self, panel: Panel) -> Forecasts:
        mean = np.asarray(self.what(panel))
        return Forecasts(keys=panel.keys, time=int(panel.times[-1]), mean=mean, low=mean, high=mean)


def test_a_third_party_sees_its_past_alone() -> None:
    lengths: list[int] = []

    def last(panel: Panel) -> np.ndarray:
        lengths.append(len(panel.times))
        assert panel.quoted.base is None and panel.realised.base is None
        return np.repeat(panel.quoted[-1][:, None], len(HORIZONS), axis=1)

    found = walk(Stranger("mine", last), PANEL)
    assert lengths == list(range(1, 201)) and not found.fault
    assert np.array_equal(found.means[:, :, 0], PANEL.quoted)


def test_a_third_party_that_fails_costs_itself() -> None:
    def wild(panel: Panel) -> np.ndarray:
        if len(panel.times) % 2:
            raise RuntimeError("no\nidea")
        return np.full((len(panel.keys), len(HORIZONS)), np.inf)

    found = walk(Stranger("wild", wild), PANEL)
    assert "RuntimeError: no" in found.fault and "\n" not in found.fault and np.isnan(found.means).all()
    gone = walk(Stranger("gone", lambda panel: sys.exit(0)), PANEL, range(3))
    assert "SystemExit" in gone.fault
    wrong = walk(Stranger("wrong", lambda panel: np.zeros((2, 2))), PANEL, range(3))
    assert "shape" in wrong.fault
    assert Tournament(PANEL, PLAIN, {"wild": found.means}).walk.mean.shape == (200, 8, 5)


def test_names_of_third_parties() -> None:
    assert not fit_name("mine-2", ["spike"])
    assert "taken" in fit_name("spike", ["spike"]) and "1 to 40" in fit_name("a\x1b[0m", []) and fit_name(3, [])


def test_classes() -> None:
    for asset in ("USDC", "USD₮0", "USDC.e", "m.DAI", "GHO", "crvUSD"):
        assert class_of(MarketKey(chain="eip155:1", market="x", asset=asset)) == DOLLAR, asset
    for asset in ("WETH", "SOL", "wstETH", ""):
        assert class_of(MarketKey(chain="eip155:1", market="x", asset=asset)) == OTHER, asset
