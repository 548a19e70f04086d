"""What the assistant used, summed up by version of the prompts; and what counts as a spike."""

from __future__ import annotations

from yieldbot.assistant.budget import Row
from yieldbot.assistant.usage import document, spike


def _row(
    at: int = 0, outcome: str = "done", cost: int = 100, milliseconds: int = 1000, prompt: str = "answer-1"
) -> Row:
    return Row(at, prompt, "m", outcome, 30, 20, 5, 10, cost, milliseconds)


def test_rows_are_summed_up_by_version_and_model() -> None:
    rows = [_row(milliseconds=one * 100) for one in range(1, 101)]
    found = document([*rows, _row(outcome="overloaded", cost=0), _row(prompt="answer-2", outcome="open")], 7)
    first, second = found.prompts
    assert (first.prompt, first.requests, first.failures) == ("answer-1", 101, {"overloaded": 1})
    assert (first.median_milliseconds, first.p95_milliseconds, first.nanodollars) == (5100, 9600, 10_000)
    assert (first.input_tokens, first.cached_tokens, first.output_tokens) == (2020, 505, 1010)
    assert (second.prompt, second.median_milliseconds, second.failures) == ("answer-2", None, {})


def test_a_spike_is_an_hour_far_above_the_usual_ones() -> None:
    now = 100 * 3600
    usual = [_row(at=now - hour * 3600 - 10, cost=100) for hour in range(1, 20)]
    assert spike([*usual, _row(at=now - 5, cost=501)], now, 5000) == (501, 100)
    assert spike([*usual, _row(at=now - 5, cost=500)], now, 5000) is None
    assert spike([*usual, _row(at=now - 5, cost=501)], now, 5020) is None, "little of the budget"
    assert spike([_row(at=now - 5, cost=501)], now, 1) is None, "nothing is usual yet"
    assert spike([], now, 1) is None
