"""Grades held against what came, with figures made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldbot.history.grades import GradedDay
from yieldbot.risk.calibration import ALL, Moment, Track, calibrate, stated, tracked
from yieldbot.risk.scales import scales

DAY, HOUR = 86_400, 3600
START = 1_767_225_600
CHAIN = "eip155:1"
GRADE = GradedDay(
    chain=CHAIN, market="a", protocol="lend", asset="USDC", time=START, safety=70, letter="B",
    loss_bps=30.0, loss_low_bps=10.0, loss_high_bps=60.0, short=50, long=50, signal="hold",
)  # fmt: skip


def readings(days: int, every: int = DAY, **at: dict[int, float]) -> list[Moment]:
    """Readings from the start on; at: by field, by number of the reading."""
    calm = {"used": 0.8, "cash_share": 0.2, "index": 1.0, "lowest_usd": 1.0, "highest_usd": 1.0}

    def one(number: int) -> Moment:
        values = {name: at.get(name, {}).get(number, usual) for name, usual in calm.items()}
        return Moment(time=START + number * every, **values)

    return [one(number) for number in range(days * DAY // every + 1)]


def of(days: int, every: int = DAY, **at: dict[int, float]) -> Track:
    return tracked(readings(days, every, **at), "USDC")


def test_what_is_stated_beforehand_is_made_of_the_measured_locks() -> None:
    """1.84 locks a year at 70: 1 - exp(-1.84 * 30 / 365.25) = 14.0 %; half of the rate at 85, twice at 55."""
    table = scales()
    assert stated(70, table) == pytest.approx(1.0 - math.exp(-1.84 * 30 / 365.25)) == pytest.approx(0.1403, abs=1e-4)
    assert stated(85, table) == pytest.approx(1.0 - math.exp(-0.92 * 30 / 365.25))
    assert stated(55, table) == pytest.approx(1.0 - math.exp(-3.68 * 30 / 365.25))
    every = [stated(safety, table) for safety in range(101)]
    assert every == sorted(every, reverse=True) and 0.0 < every[100] < every[0] < 1.0


def test_a_lock_is_counted_with_its_hours() -> None:
    """Locked in the readings of days 3 and 4, each of which speaks for a day: 48 h of the 40 days of the grades."""
    grades = [GRADE, replace(GRADE, time=START + 10 * DAY)]
    found = calibrate(grades, {(CHAIN, "a"): of(41, used={3: 0.995, 4: 0.99})}, scales())
    (row, whole) = found.hits
    assert (row.letter, whole.letter) == ("B", ALL) and replace(row, letter=ALL) == whole
    assert (row.days, row.windows, row.locks, row.losses, row.depegs, row.harmed) == (2, 1, 1, 0, 0, 1)
    assert row.years == pytest.approx(40 / 365)
    assert row.locked_hours_a_year == pytest.approx(48 / row.years)
    assert row.loss_bps_a_year == 0.0
    assert (row.expected_loss_bps, row.expected_low_bps, row.expected_high_bps) == (
        pytest.approx(30.0), pytest.approx(10.0), pytest.approx(60.0),
    )  # fmt: skip
    p = stated(70, scales())
    assert found.brier == pytest.approx(((1 - p) ** 2 + p**2) / 2)
    assert found.brier_constant == pytest.approx(0.25)


def test_no_cash_is_a_lock_too_and_a_reading_speaks_for_a_day_at_most() -> None:
    track = of(40, cash_share={3: 0.009})
    assert track.locked == ((START + 3 * DAY, START + 4 * DAY),)
    far = tracked([Moment(time=START, used=1.0), Moment(time=START + 9 * DAY, used=0.5)], "USDC")
    assert far.locked == ((START, START + 26 * HOUR),)


def test_losses_are_falls_below_the_highest_index() -> None:
    """1.0 to 0.95 loses 500 bp, and 0.95 to 0.9405 100 bp more; 5 bp are rounding."""
    index = {n: 1.0 for n in range(6)} | {n: 0.95 for n in range(6, 20)} | {n: 0.9405 for n in range(20, 42)}
    track = of(41, index=index)
    assert [(time - START) // DAY for time, _ in track.losses] == [6, 20]
    assert [size for _, size in track.losses] == [pytest.approx(500.0), pytest.approx(100.0)]
    assert of(41, index={n: 0.9995 for n in range(5, 42)}).losses == ()
    late = replace(GRADE, time=START + 7 * DAY, letter="A", safety=85)
    found = calibrate([GRADE, late], {(CHAIN, "a"): track}, scales())
    a, b, whole = found.hits
    assert (a.letter, a.losses, b.letter, b.losses) == ("A", 1, "B", 1)
    assert b.loss_bps_a_year == pytest.approx(500 / b.years) and a.loss_bps_a_year == pytest.approx(100 / a.years)
    assert whole.loss_bps_a_year == pytest.approx(600 / whole.years)


def test_a_slow_bleed_is_a_loss() -> None:
    """A fall of 4 bp a day, none of which is one by itself, is lost all the same."""
    index = {n: 1.0 - 0.0004 * n for n in range(41)}
    sizes = [size for _, size in of(40, index=index).losses]
    assert len(sizes) == 13 and sum(sizes) == pytest.approx(13 * 12, rel=0.02)


def test_depegs_are_of_dollars_alone() -> None:
    off = readings(40, lowest_usd={5: 0.98})
    assert tracked(off, "USDC").depegged == (START + 5 * DAY,)
    assert tracked(readings(40, highest_usd={5: 1.011}), "USDT").depegged == (START + 5 * DAY,)
    assert tracked(readings(40, lowest_usd={5: 0.991}), "USDC").depegged == ()
    assert tracked(off, "WETH").depegged == ()


def test_what_is_not_over_or_was_not_seen_is_not_scored() -> None:
    other = replace(GRADE, market="b")
    tracks = {(CHAIN, "a"): of(35), (CHAIN, "b"): of(10)}
    late = replace(GRADE, time=START + 6 * DAY)
    found = calibrate([GRADE, other, late, replace(late, market="gone")], tracks, scales())
    assert (found.graded, found.unseen, found.unfinished) == (4, 1, 2)
    assert found.hits[-1].days == 1 and found.first_due == START + 30 * DAY
    nothing = calibrate([late], tracks, scales())
    assert nothing.hits == () and nothing.brier is None and nothing.brier_constant is None
    assert calibrate([], {}, scales()).first_due is None


def test_harm_before_a_grade_and_after_its_window_is_none_of_its_own() -> None:
    grade = replace(GRADE, time=START + 5 * DAY)
    found = calibrate([grade], {(CHAIN, "a"): of(60, used={5: 1.0, 36: 1.0}, lowest_usd={4: 0.9})}, scales())
    assert found.hits[-1].harmed == 0
    inside = calibrate([grade], {(CHAIN, "a"): of(60, used={35: 1.0})}, scales())
    assert inside.hits[-1].locks == 1


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=20))
def test_the_scores_are_those_of_the_formula(said: list[tuple[int, bool]]) -> None:
    table = scales()
    grades = [replace(GRADE, market=f"m{n:02}", safety=safety) for n, (safety, _) in enumerate(said)]
    tracks = {(CHAIN, f"m{n:02}"): of(31, used={7: 1.0} if harm else {}) for n, (_, harm) in enumerate(said)}
    found = calibrate(grades, tracks, table)
    rate = sum(harm for _, harm in said) / len(said)
    assert found.brier == pytest.approx(sum((stated(s, table) - harm) ** 2 for s, harm in said) / len(said))
    assert found.brier_constant == pytest.approx(sum((rate - harm) ** 2 for _, harm in said) / len(said))
