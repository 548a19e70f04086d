"""Grades of a snapshot are remembered, once a market and day, and nothing waits for that."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.market_builder import BLOCK, kinked, market, snapshot
from yieldbot.app.graded import _median_without, with_grades
from yieldbot.app.memory import FOLDER
from yieldbot.history.grades import read
from yieldbot.model.policy import Policy


def test_grades_are_remembered_once_a_day(tmp_path: Path) -> None:
    said: list[str] = []
    seen = snapshot(1_000.0, market("a", kinked(1e8, 5e7)), market("b", kinked(1e8, 8e7)))
    graded = with_grades(seen, tmp_path, Policy(), said.append)
    later = replace(BLOCK, timestamp=BLOCK.timestamp + 86_400)
    with_grades(replace(seen, fees=seen.fees), tmp_path, Policy(), said.append)
    with_grades(replace(seen, block=later), tmp_path, Policy(), said.append)
    rows = read(tmp_path / FOLDER)
    assert [(one.market, one.time) for one in rows] == [
        ("lend/1/a", BLOCK.timestamp), ("lend/1/b", BLOCK.timestamp),
        ("lend/1/a", later.timestamp), ("lend/1/b", later.timestamp),
    ]  # fmt: skip
    of_state = {key: state.grade for key, state in graded.states.items() if state.grade}
    for one in rows[:2]:
        grade = next(grade for key, grade in of_state.items() if key == one.market)
        assert (one.safety, one.letter, one.loss_bps) == (grade.safety, grade.letter, grade.loss_bps)
        assert (one.chain, one.protocol, one.asset, one.signal) == ("eip155:1", "lend", "USDC", "hold")
    assert said == []


def test_a_ledger_that_cannot_be_written_is_one_line_and_markets_are_graded(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    said: list[str] = []
    graded = with_grades(snapshot(1_000.0, market("a", kinked(1e8, 5e7))), tmp_path, Policy(), said.append)
    assert all(state.grade is not None for state in graded.markets)
    assert len(said) == 1 and "grades are not remembered" in said[0] and "\n" not in said[0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([0.01, 0.02, 0.03]) | st.floats(1e-9, 10.0), max_size=7), st.integers(-1, 6))
def test_the_median_of_the_others_is_theirs_to_the_last_bit(rates: list[float], own: int) -> None:
    others = [rate for place, rate in enumerate(rates) if place != own]
    expected = statistics.median(others) if others else None
    assert _median_without(sorted(rates), rates[own] if 0 <= own < len(rates) else None) == expected
