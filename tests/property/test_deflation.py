"""The luck of the best of many: without skill the interval covers zero as often as it says, and skill is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from yieldbot.backtest import deflation
from yieldbot.backtest.deflation import deflated, overlap, student_95

ROUNDS = 240


def gains(draw: np.random.Generator, variants: int, dates: int, every: int, window: int, alike: float = 0.3) -> Any:
    """Of variants whose days are noise around nothing, of which ``alike`` is common to all: (variants, dates)."""
    days = (dates - 1) * every + window
    noise = np.sqrt(1 - alike) * draw.standard_t(5, (variants, days)) + np.sqrt(alike) * draw.normal(size=days)
    summed = np.concatenate([np.zeros((variants, 1)), noise.cumsum(axis=1)], axis=1)
    starts = np.arange(dates) * every
    return (summed[:, starts + window] - summed[:, starts]) / window


@pytest.mark.parametrize(
    ("variants", "dates", "every", "most"),
    [(1, 60, 15, 0.96), (20, 60, 15, 0.97), (20, 40, 60, 0.98), (60, 100, 20, 0.97)],
)
def test_of_worthless_variants_the_interval_covers_nothing_at_its_rate(
    monkeypatch: pytest.MonkeyPatch, variants: int, dates: int, every: int, most: float
) -> None:
    """90 %, within three errors of so many rounds (and a little more often where dates are few); while the best as it
    is seen looks like skill nearly always, and the p-value is below 5 % no more often than it may."""
    monkeypatch.setattr(deflation, "DRAWS", 400)
    draw = np.random.default_rng(variants + dates)
    covered = found = positive = 0
    for at in range(ROUNDS):
        made = deflated(gains(draw, variants, dates, every, 60), [every * k for k in range(dates)], 60, at)
        assert made is not None
        covered += made.low_pp <= 0.0 <= made.high_pp
        found += made.p_value <= 0.05
        positive += made.gain_pp > 0.0
    assert 0.84 <= covered / ROUNDS <= most
    assert found / ROUNDS <= 0.09
    assert variants == 1 or positive / ROUNDS > 0.95


def test_true_skill_is_seen_through_the_luck() -> None:
    draw = np.random.default_rng(3)
    seen = gains(draw, 30, 60, 15, 60)
    seen[17] += 1.0
    made = deflated(seen, [15 * k for k in range(60)], 60, 0)
    assert made is not None and made.best == 17 and made.low_pp > 0.5 and made.p_value == 0.0
    assert made.gain_pp - made.deflated_pp == pytest.approx(made.luck_pp) and made.luck_pp > 0.0
    assert made.low_pp < made.deflated_pp < made.high_pp < made.gain_pp + 1.0


def test_variants_that_do_the_same_count_once_and_more_of_them_are_more_luck() -> None:
    draw = np.random.default_rng(5)
    starts = [15 * k for k in range(60)]
    seen = gains(draw, 40, 60, 15, 60, alike=0.0)
    one, same, many = (deflated(some, starts, 60, 0) for some in (seen[:1], np.repeat(seen[:1], 40, axis=0), seen))
    assert one is not None and same is not None and many is not None
    assert same.luck_pp == pytest.approx(one.luck_pp) and many.luck_pp > one.luck_pp + 0.05


def test_a_noisy_loser_hides_nobody() -> None:
    """Its loss is beyond its errors: the luck of the others is what it would be without it."""
    draw = np.random.default_rng(6)
    starts = [15 * k for k in range(60)]
    seen = gains(draw, 6, 60, 15, 60)
    loser = 10 * gains(draw, 1, 60, 15, 60) - 30.0
    alone, beside = deflated(seen, starts, 60, 0), deflated(np.concatenate([seen, loser]), starts, 60, 0)
    assert alone is not None and beside is not None and beside.luck_pp == pytest.approx(alone.luck_pp, abs=0.01)
    lost = deflated(loser, starts, 60, 0)
    assert lost is not None and lost.high_pp < 0.0, "but by itself it is as bad as it is"


def test_few_windows_that_share_no_day_say_nothing() -> None:
    assert deflated([[1.0] * 5], [0, 15, 30, 45, 60], 60, 0) is None
    assert deflated([], [0, 60, 120, 180], 60, 0) is None and deflated([[]], [], 60, 0) is None
    nothing = deflated([[0.0] * 8], [60 * k for k in range(8)], 60, 0)
    assert nothing is not None and (nothing.low_pp, nothing.high_pp, nothing.p_value) == (0.0, 0.0, 1.0)
    assert overlap([0, 15, 60], 60)[0].tolist() == [1.0, 0.75, 0.0]


@pytest.mark.parametrize(("freedom", "point"), [(3, 2.353), (5, 2.015), (10, 1.812), (30, 1.697), (1e9, 1.645)])
def test_students_t(freedom: float, point: float) -> None:
    """Of any table."""
    assert student_95(freedom) == pytest.approx(point, rel=0.006)
