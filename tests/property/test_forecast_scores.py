"""Scores against what they are by hand, intervals against planted truth, cold starts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.forecast import markets
from yieldbot.forecast.bias import bias, widened
from yieldbot.forecast.conformal import intervals, widening
from yieldbot.forecast.levels import rate_forecasts
from yieldbot.forecast.model import HORIZONS, Walk
from yieldbot.forecast.outlook import combined
from yieldbot.forecast.regression import Frozen, Regression, fit
from yieldbot.forecast.rules import rules
from yieldbot.forecast.score import crps, pinball, score, skill_interval
from yieldbot.forecast.series import Series
from yieldbot.forecast.tournament import Tournament

PLAIN = (*rules(), Frozen(), Regression())


def test_pinball_by_hand() -> None:
    came = np.array([1.0, 1.0])
    assert pinball(came, np.array([0.0, 2.0]), 0.1) == pytest.approx([0.1, 0.9])
    assert crps(came, came, came, came) == pytest.approx([0.0, 0.0])
    point = np.array([0.5, 2.0])  # of a point forecast the absolute error
    assert crps(came, point, point, point) == pytest.approx([0.5, 1.0])


def test_scores_by_hand() -> None:
    run = Tournament(markets.panel(markets.rates(60, 3, 1)), PLAIN)
    usual = run.of("persistence")
    for own in score(usual, usual, run.series.futures, draws=50):
        assert own.skill == 0.0 and (own.skill_low, own.skill_high) == (0.0, 0.0)
        assert own.mae == own.persistence_mae > 0 and own.pinball == own.persistence_pinball
    nothing = score(usual, usual, np.full_like(run.series.futures, np.nan))
    assert nothing[0].forecasts == 0 and np.isnan(nothing[0].skill)
    right = Walk(keys=usual.keys, times=usual.times, **{one: run.series.futures for one in ("mean", "low", "high")})
    perfect = score(right, usual, run.series.futures)[2]
    assert perfect.skill == 1.0 and perfect.coverage == 1.0 and perfect.crps == 0.0


def test_the_bootstrap_knows_chance_and_skill() -> None:
    random = np.random.default_rng(0)
    base = random.exponential(1.0, 300)
    low, high = skill_interval(base * random.lognormal(0, 0.3, 300) / np.exp(0.045), base, 10)
    assert low < 0 < high
    low, high = skill_interval(0.8 * base, base, 10)
    assert (low, high) == (pytest.approx(0.2), pytest.approx(0.2))
    assert np.isnan(skill_interval(np.zeros(0), np.zeros(0), 5)).all()


@pytest.mark.parametrize("seed", range(2))
def test_intervals_cover_what_they_say(seed: int) -> None:
    run = Tournament(markets.panel(markets.rates(395, 20, seed, spikes=0.03)), PLAIN)
    tested = np.zeros(run.series.quote.shape, dtype=bool)
    tested[150:] = True
    for own in score(run.walk, run.of("persistence"), run.series.futures, tested, draws=20):
        assert 0.7 < own.coverage < 0.9, own.horizon
        assert own.pinball < own.persistence_pinball * 1.01


def test_an_interval_learns_how_wide_it_must_be() -> None:
    random = np.random.default_rng(5)
    calm = 0.04 * np.exp(random.normal(0, 0.002, (200, 6)))
    series = Series(markets.panel(calm))
    low, high = intervals(series, np.repeat(series.quote[:, :, None], 5, axis=2))
    width = (high - low)[150:].mean()
    assert width < 0.004
    wild = Series(markets.panel(0.04 * np.exp(random.normal(0, 0.5, (200, 6)))))
    low, high = intervals(wild, np.repeat(wild.quote[:, :, None], 5, axis=2))
    assert (high - low)[150:].mean() > 10 * width


def test_young_markets_have_wide_intervals_and_lean_on_their_like() -> None:
    rates = 0.04 + 0.0 * markets.rates(160, 6, 2)
    rates += np.random.default_rng(1).normal(0, 0.0005, rates.shape)
    rates[:120, 0] = np.nan
    rates[120:, 0] = 0.08
    run = Tournament(markets.panel(rates), PLAIN)
    width = (run.walk.high - run.walk.low)[:, 0]
    assert (width[120] > width[130]).all() and (width[130] > width[159]).all()
    month = HORIZONS.index(30)
    assert 0.045 < run.walk.mean[120, 0, month] < 0.075 < run.walk.mean[159, 0, month] <= 0.08
    assert run.walk.mean[119, 0, month] == pytest.approx(0.04, rel=0.03)  # never read: its like's
    assert (width[119] > (run.walk.high - run.walk.low)[119, 1]).all()


def test_widening_shrinks_to_nothing() -> None:
    made = widening(np.array([0.0, 1.0, 4.0, 30.0, 90.0, 400.0]))
    assert (np.diff(made) <= 0).all() and made[0] == pytest.approx(2, abs=0.02) and made[-1] == 1.0


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_fit_is_the_linear_programme_s(quantile: float) -> None:
    """Koenker and Bassett: the least pinball loss is a linear programme's; HiGHS solves it exactly."""
    from scipy.optimize import linprog

    random = np.random.default_rng(2)
    inputs = random.normal(size=(300, 3))
    wanted = inputs @ [0.5, -0.2, 0.1] + random.standard_t(3, 300) * 0.1
    own = fit(inputs, wanted, np.ones(300), quantile, np.zeros(3), 0.0, 200)
    eye = np.eye(300)
    exact = linprog(
        np.concatenate([np.zeros(3), np.full(300, quantile), np.full(300, 1 - quantile)]),
        A_eq=np.hstack([inputs, eye, -eye]),
        b_eq=wanted,
        bounds=[(None, None)] * 3 + [(0, None)] * 600,
    )
    assert pinball(wanted, inputs @ own, quantile).sum() < 1.005 * exact.fun


def test_a_prior_holds_where_there_is_little() -> None:
    random = np.random.default_rng(3)
    inputs = random.normal(size=(200, 2))
    wanted = inputs @ [1.0, 0.0]
    prior = np.array([0.0, 1.0])
    assert fit(inputs, wanted, np.ones(200), 0.5, prior, 1e-6) == pytest.approx([1.0, 0.0], abs=0.02)
    assert fit(inputs, wanted, np.ones(200), 0.5, prior, 1e4) == pytest.approx([0.0, 1.0], abs=0.02)


def test_three_misses_in_a_row_on_one_side_widen_that_side() -> None:
    rows, week = 60, HORIZONS.index(7)
    panel = markets.panel(np.full((rows, 2), 0.04))
    mean = np.full((rows, 2, len(HORIZONS)), 0.04)
    low, high = mean - 0.01, mean + 0.01
    came = mean.copy()
    came[:, 0] = 0.06
    came[rows - 7 :, :, week] = np.nan
    sides = bias(panel, low, high, came)
    assert (sides[:21, 0, week] == 0).all() and (sides[21:, 0, week] == 1).all() and (sides[:, 1] == 0).all()
    came[30, 0, week] = 0.04  # one hit ends it, for three horizons
    assert bias(panel, low, high, came)[:, 0, week][[36, 37, 44, 51, 58, 59]].tolist() == [1, 0, 0, 0, 1, 1]
    wide_low, wide_high = widened(mean, low, high, sides)
    assert wide_high[40, 0, week] == pytest.approx(0.055) and wide_low[40, 0, week] == low[40, 0, week]
    assert (wide_high[:, 1] == high[:, 1]).all()


def test_a_bias_is_told() -> None:
    quiet = np.full((90, 2), 0.04)
    run = Tournament(markets.panel(quiet), PLAIN)
    run.bias[-1, 0, HORIZONS.index(7)] = -1
    found = rate_forecasts(combined(run), -1, 7)
    assert found[0] and "too high, so the interval is wider" in found[0].reason
    assert found[1] and not found[1].reason
