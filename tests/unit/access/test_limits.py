"""Limits: nobody gets more than the rate allows, and whoever waits as said is let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yieldbot.access.limits import MOST_KNOWN, Buckets, Rate

gaps = st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=80)


@given(gaps, st.integers(1, 10), st.sampled_from((0.1, 1.0, 7.0)))
def test_in_no_time_do_more_come_in_than_the_rate_allows(waits: list[float], at_once: int, a_second: float) -> None:
    buckets, now, let_in = Buckets(Rate(a_second, at_once)), 100.0, list[float]()
    for wait in waits:
        now += wait
        if not buckets.take("one", now).refused:
            let_in.append(now)
    for start in range(len(let_in)):
        for end in range(start, len(let_in)):
            assert end - start + 1 <= at_once + a_second * (let_in[end] - let_in[start]) + 1e-6


@given(gaps, st.integers(1, 5))
def test_whoever_waits_as_said_comes_in(waits: list[float], at_once: int) -> None:
    buckets, now = Buckets(Rate(0.5, at_once)), 100.0
    for wait in waits:
        now += wait
        left = buckets.take("one", now)
        assert left.limit == at_once and 0 <= left.remaining <= at_once and left.reset_seconds >= 0
        if left.refused:
            now += left.wait_seconds
            assert not buckets.take("one", now).refused


def test_callers_do_not_use_up_each_others() -> None:
    buckets = Buckets(Rate(1, 1))
    assert not buckets.take("one", 0).refused and buckets.take("one", 0).refused and not buckets.take("two", 0).refused


def test_memory_is_bounded() -> None:
    buckets = Buckets(Rate(1, 1))
    for number in range(MOST_KNOWN + 50):
        buckets.take(str(number), 0)
    assert len(buckets._known) == MOST_KNOWN


def test_a_clock_that_runs_back_gives_nothing() -> None:
    buckets = Buckets(Rate(1, 2))
    for _ in range(2):
        buckets.take("one", 100)
    assert buckets.take("one", 50).refused and not buckets.take("one", 51.5).refused
