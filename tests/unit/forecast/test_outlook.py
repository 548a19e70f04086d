"""What decisions are made on: one forecaster by name, from what was known alone, with an interval of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kit.policies import loose
from tests.unit.forecast import markets
from yieldbot.backtest.levels import levels_of
from yieldbot.forecast.outlook import names, outlook
from yieldbot.forecast.rules import PaidMean
from yieldbot.forecast.third_party import peeks
from yieldbot.forecast.tournament import COMBINED, Tournament, builtin


def test_the_default_is_a_known_one() -> None:
    assert loose().forecaster in names() and COMBINED in names() and len(set(names())) == len(names())


def test_the_paid_mean_is_of_what_was_paid_and_of_quotes_where_that_is_unknown() -> None:
    quotes = np.tile([[0.10, 0.10]], (4, 1))
    paid = np.full((4, 2), np.nan)
    paid[1:, 0] = [0.02, 0.04, 0.06]
    panel = replace(markets.panel(quotes), realised=paid)
    made = outlook(panel, "paid-3d").walk.mean[-1, :, 2]
    keep = 0.5 ** (1 / 3)
    weights = np.array([keep**3, keep**2, keep, 1.0])
    ours = weights @ np.array([0.10, 0.02, 0.04, 0.06]) / weights.sum()
    assert PaidMean(3).means(outlook(panel, "paid-3d").series)[-1, 0, 2] == pytest.approx(ours)
    assert abs(made[0] - ours) < abs(made[0] - 0.10)  # young: drawn a little towards the other market
    assert peeks(PaidMean(3), markets.panel(markets.rough(60, 6, 2)), range(0, 60, 11)) == ()


@pytest.mark.parametrize("name", ["paid-3d", "mean-3d", "persistence"])
def test_an_outlook_is_what_each_row_says_alone(name: str) -> None:
    panel = markets.panel(markets.rough(120, 6, 3))
    whole = outlook(panel, name)
    assert whole.name == name
    for row in (0, 3, 40, 119):
        known = outlook(panel.until(row), name)
        for one in ("mean", "low", "high"):
            np.testing.assert_array_equal(getattr(known.walk, one)[-1], getattr(whole.walk, one)[row])
        np.testing.assert_array_equal(known.bias[-1], whole.bias[row])
    walk, given = whole.walk, np.isfinite(whole.walk.mean)
    assert (walk.low <= walk.mean)[given].all() and (walk.mean <= walk.high)[given].all()


def test_the_combined_outlook_is_the_tournaments() -> None:
    panel = markets.panel(markets.rates(60, 4, 1))
    ours, run = builtin()[:4], Tournament(markets.panel(markets.rates(60, 4, 1)), builtin()[:4])
    np.testing.assert_array_equal(outlook(panel, COMBINED, ours).walk.mean, run.walk.mean)
    with pytest.raises(KeyError):
        outlook(panel, "nobody")


def test_a_backtest_asks_each_policys_forecaster_over_its_own_horizon() -> None:
    panel = markets.panel(markets.rates(60, 4, 1))
    policies = {
        "default": loose(),
        "slow": loose(move_horizon_days=14.0, forecaster="regression-frozen"),
        "same": loose(enter_horizon_days=30.0),
    }
    made = levels_of(panel, policies)
    assert made["default"] is made["same"] and (made["slow"].days, made["slow"].by) == (14.0, "regression-frozen")
    walk = outlook(panel, "regression-frozen").walk
    (one,) = made["slow"].of([2], 59)
    assert one is not None and one.mean == walk.mean[59, 2, 3] and one.by == "regression-frozen"
