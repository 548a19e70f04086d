"""Which errors an interval is made of, how much each counts, and that intervals that were given are judged again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.forecast import markets
from yieldbot.forecast import conformal
from yieldbot.forecast.model import HORIZONS
from yieldbot.forecast.series import Series


@pytest.mark.parametrize("seed", range(5))
def test_pooled_errors_by_hand(seed: int) -> None:
    random = np.random.default_rng(seed)
    errors = random.normal(size=(3, 40))
    errors[random.uniform(size=errors.shape) < 0.2] = np.nan
    counts = 0.5 ** (np.arange(40)[::-1] / 10)
    found, days = conformal._pooled(errors, counts, 1.0)
    pairs = sorted((e, c) for row in errors for e, c in zip(row, counts, strict=True) if np.isfinite(e))
    most = 0.9 * (sum(count for _, count in pairs) + 1.0)
    held = next(pairs[i][0] for i in range(len(pairs)) if sum(count for _, count in pairs[: i + 1]) >= most)
    assert found == pytest.approx(held) and days == pytest.approx(counts[np.isfinite(errors).any(axis=0)].sum())


def _calming() -> Series:
    """Rates whose swings shrink for more than a year."""
    random = np.random.default_rng(9)
    swings = 0.15 * np.exp(-np.arange(400) / 250.0)[:, None] * random.standard_t(3, (400, 12))
    quotes, now = np.empty((400, 12)), np.zeros(12)
    for row in range(400):
        now = 0.9 * now + swings[row]
        quotes[row] = 0.05 * np.exp(np.clip(now, -2, 2))
    return Series(markets.panel(quotes))


@pytest.mark.parametrize("place", range(4))
def test_intervals_that_were_too_wide_are_narrowed(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rates calm down the errors that are known are greater than those to come; judging the intervals that were
    given takes some of it away."""
    series = _calming()
    means = np.repeat(series.quote[:, :, None], len(HORIZONS), axis=2)
    known = np.isfinite(series.futures[200:, :, place])

    def covered() -> float:
        low, high = (one[200:, :, place] for one in conformal.intervals(series, means))
        came = series.futures[200:, :, place]
        return float(((came >= low) & (came <= high))[known].mean())

    again = covered()
    monkeypatch.setattr(conformal, "AGAIN_DAYS", 1e12)
    once = covered()
    assert 0.75 < again < once - 0.005
