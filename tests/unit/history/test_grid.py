"""Readings on a grid: each cell the last reading before its time, nothing of later, and what was really paid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.history.grid import panel
from yieldbot.history.panel import Panel
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.model.units import SECONDS_PER_YEAR

DAY = 86_400
T0 = 1_700_006_400
KEYS = [MarketKey(chain="eip155:1", market=name, protocol="p", asset="USDC") for name in "abc"]


def at(seconds: int, rate: float | None = 0.05, key: MarketKey = KEYS[0], **more: object) -> Reading:
    return Reading(key=key, time=T0 + seconds, supply_rate=rate, **more)  # type: ignore[arg-type]


def daily(readings: Sequence[Reading], **more: object) -> Panel:
    return panel(readings, **({"phase_seconds": 0} | more))  # type: ignore[arg-type]


def test_a_cell_is_the_last_reading_at_or_before_its_time() -> None:
    found = daily([at(0, 0.01), at(10, 0.02), at(DAY - 1, 0.03), at(DAY, 0.04), at(DAY + 1, 0.05), at(4 * DAY, 0.06)])
    assert list((found.times - T0) // DAY) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found.quoted[:, 0], [0.01, 0.04, 0.05, np.nan, 0.06])


def test_the_growth_of_the_index_is_what_was_paid() -> None:
    grown = [at(0, 0.9, index=1.0), at(DAY // 2, 0.9, index=1.0002), at(DAY, 0.9, index=1.0003)]
    found = daily(grown)
    assert np.isnan(found.realised[0, 0])
    assert found.realised[1, 0] == pytest.approx(math.log(1.0003) / DAY * SECONDS_PER_YEAR)


def test_without_an_index_it_is_the_mean_of_the_quotes_by_time() -> None:
    found = daily([at(0, 0.02), at(DAY, 0.04), at(DAY + DAY // 4, 0.04), at(2 * DAY, 0.08)])
    assert found.realised[1, 0] == pytest.approx(0.03)
    assert found.realised[2, 0] == pytest.approx(0.25 * 0.04 + 0.75 * 0.06)


def test_the_mean_that_a_recording_names_counts_before_the_quotes() -> None:
    found = daily(
        [at(0, 0.02), at(DAY, 0.04, mean_rate=0.1, mean_since=T0), at(2 * DAY, 0.04, mean_rate=9, mean_since=T0)]
    )
    assert found.realised[1:, 0] == pytest.approx([0.1, 0.04])


def test_an_index_that_goes_back_tells_nothing() -> None:
    assert daily([at(0, 0.02, index=2.0), at(DAY, 0.04, index=1.0)]).realised[1, 0] == pytest.approx(0.03)


def test_over_a_long_gap_the_index_alone_tells() -> None:
    quotes = daily([at(0, 0.02), at(9 * DAY, 0.04)])
    assert np.isnan(quotes.realised).all()
    index = daily([at(0, 0.02, index=1.0), at(9 * DAY, 0.04, index=1.01)])
    assert index.realised[9, 0] == pytest.approx(math.log(1.01) / 9 / DAY * SECONDS_PER_YEAR)


def test_cash_and_utilisation_follow_from_what_is_known() -> None:
    one = daily([at(0, supplied=100.0, borrowed=80.0)])
    assert (one.utilisation[0, 0], one.cash[0, 0]) == (0.8, 20.0)
    assert daily([at(0, supplied=100.0, utilisation=0.9)]).cash[0, 0] == pytest.approx(10.0)
    assert daily([at(0, supplied=100.0, utilisation=0.9, cash=3.0)]).cash[0, 0] == 3.0
    assert np.isnan(daily([at(0)]).cash[0, 0])


def test_frozen_and_paused_are_blocked() -> None:
    found = daily([at(0, status="frozen"), at(DAY, status="paused"), at(2 * DAY)])
    assert list(found.blocked[:, 0]) == [True, True, False]


def test_the_grid_stands_where_readings_are_youngest() -> None:
    assert panel([at(DAY * n + 3600) for n in range(5)]).times[0] % DAY == 3600
    assert panel([at(DAY * n - 30) for n in range(5)]).times[0] % DAY == 0


def test_markets_and_times_can_be_chosen() -> None:
    rows = [at(DAY * n, 0.01 * n, key) for key in KEYS for n in range(6)]
    found = daily(rows, keys=[KEYS[2], KEYS[0]], start=T0 + 2 * DAY, end=T0 + 3 * DAY)
    assert found.keys == (KEYS[2], KEYS[0]) and found.quoted.shape == (2, 2)
    assert found.realised[0, 0] == pytest.approx(0.015)
    with pytest.raises(ValueError, match="no reading"):
        daily([])


@settings(max_examples=draws(30, 80), deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 20 * DAY), st.floats(0, 1), st.sampled_from(KEYS)),
        min_size=1,
        max_size=40,
        unique_by=lambda one: (one[0], one[2]),
    ),
    st.integers(0, 20),
)
def test_what_comes_later_changes_nothing_of_before(rows: list[tuple[int, float, MarketKey]], row: int) -> None:
    readings = [at(seconds, rate, key) for seconds, rate, key in rows]
    whole = daily(readings, keys=KEYS, start=T0, end=T0 + 20 * DAY)
    until = T0 + row * DAY
    early = [one for one in readings if one.time <= until]
    if not early:
        return
    known = daily(early, keys=KEYS, start=T0, end=until)
    np.testing.assert_array_equal(known.quoted, whole.until(row).quoted)
    np.testing.assert_array_equal(known.realised, whole.until(row).realised)


@given(st.lists(st.floats(0.0, 0.001), min_size=2, max_size=30))
def test_the_mean_over_any_cells_is_the_growth_between_them(steps: list[float]) -> None:
    rows, index = [at(0, index=1.0)], 1.0
    for n, step in enumerate(steps, start=1):
        index *= 1 + step
        rows.append(at(n * 7 * 3600, index=index))
    found = daily(rows)
    ends = [max(one.time for one in rows if one.time <= time) for time in found.times]
    widths = [late - early for early, late in pairwise(ends)]
    paid = found.realised[1:, 0]
    grown = sum(rate * width for rate, width in zip(paid, widths, strict=True) if width)
    assert grown / SECONDS_PER_YEAR == pytest.approx(math.log(index), abs=1e-12)
