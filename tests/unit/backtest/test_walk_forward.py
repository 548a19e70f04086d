"""Choices of a sweep: made of what was over, judged on what came next."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from yieldbot.backtest.study import DAY, Window
from yieldbot.backtest.walk_forward import LEAST_PAST, by_date, chosen, walk_forward


def windows(name: str, gains: Sequence[float], every: int = 30, universe: str = "u") -> list[Window]:
    """Of 30 days each, with these gains over static in percentage points."""
    return [
        Window(
            universe=universe,
            wealth=1e4,
            policy=name,
            first=at * every * DAY,
            days=30.0,
            apy=0.04 + gain / 100,
            static_apy=0.04,
            foresight_apy=0.06,
            bound_apy=0.06,
            rules={},
            plans=1,
            cost=0.0,
            drawdown=0.0,
            locked_days=0.0,
            used_share=0.0,
        )
        for at, gain in enumerate(gains)
    ]


def test_the_best_of_the_past_is_judged_on_the_next_window() -> None:
    made = {"a": windows("a", [1, 1, -5, -5, -5]), "b": windows("b", [0, 0, 2, 2, -1])}
    choices = walk_forward(made)
    assert [(one.date // DAY, one.variant, one.past) for one in choices] == [(60, "a", 2), (90, "b", 3), (120, "b", 4)]
    assert [one.policy for one in chosen(made, choices)] == ["a", "b", "b"]
    assert [round((one.apy - one.static_apy) * 100) for one in chosen(made, choices)] == [-5, 2, -1]


def test_no_window_is_judged_by_what_it_helped_to_choose() -> None:
    """Windows that overlap the judged one, or come later, change no choice."""
    early = {"a": windows("a", [1] * 8, every=10), "b": windows("b", [0] * 8, every=10)}
    late = {"a": early["a"], "b": windows("b", [0] * 5 + [99] * 3, every=10)}
    one, other = walk_forward(early), walk_forward(late)
    assert one == other and [choice.date // DAY for choice in one] == [40, 50, 60, 70]
    for choice in one:
        past = [date for date in by_date(early["a"]) if date + 30 * DAY <= choice.date]
        assert len(past) == choice.past >= LEAST_PAST


def test_all_universes_choose_together_and_are_judged_together() -> None:
    both = {
        name: windows(name, some) + windows(name, other, universe="v")
        for name, some, other in (("a", [3, 3, 0], [0, 0, 7]), ("b", [1, 1, 0], [1, 1, 0]))
    }
    (choice,) = walk_forward(both)
    assert choice.variant == "a" and len(chosen(both, [choice])) == 2


def test_a_choice_may_forget() -> None:
    made = {"a": windows("a", [9, 0, 0, 0, 0, 0]), "b": windows("b", [0, 1, 1, 1, 1, 1])}
    assert [one.variant for one in walk_forward(made)] == ["a"] * 4
    assert [one.variant for one in walk_forward(made, learn_days=60)] == ["a", "b", "b", "b"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_windows_choose_nothing(count: int) -> None:
    assert walk_forward({"a": windows("a", [1] * count)}) == []
    assert [one.variant for one in walk_forward({n: windows(n, [1] * 3) for n in "ab"})] == ["a"], "ties: the first"
