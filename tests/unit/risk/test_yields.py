"""Grades of yield after risk, and the signals that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.market_builder import kinked, market
from yieldbot.model.market import MarketState, RateForecast
from yieldbot.model.risk import Act, Alarm, Grade
from yieldbot.risk.facts import MarketStatistics
from yieldbot.risk.scales import scales
from yieldbot.risk.yields import Outlook, Signal, judged_yield, long_outlook, short_outlook, yield_grade

TABLE = scales()
STATE = market("a", kinked(1e6, 8e5, low=0.06))
SAID = RateForecast(mean=0.06, low=0.05, high=0.07, days=7.0)
GRADE = Grade(safety=70, letter="B", components=())
PAST = MarketStatistics(days=90, long_mean=0.06, long_deviation=0.01, weeks=12)


def judged(
    short: int, long: int, *, least: int | None = None, known: bool = True, **changes: object
) -> tuple[Signal, str]:
    state: MarketState = replace(STATE, grade=GRADE, **changes)  # type: ignore[arg-type]
    found = judged_yield(state, short, long, TABLE, least, known)
    return found.signal, found.reason


def test_a_yield_as_good_as_the_median_at_its_low_end_is_fifty() -> None:
    grades = [
        yield_grade(Outlook(mean=0.1, low=low, source=""), 0.04, TABLE) for low in (-1, 0.0, 0.02, 0.04, 0.06, 0.08, 1)
    ]
    assert grades == [0, 0, 25, 50, 75, 100, 100]
    assert yield_grade(Outlook(mean=0.0, low=0.001, source=""), 0.0, TABLE) == 55, (
        "of one per cent where all pay nothing"
    )


def test_short_and_long_are_after_risk_and_say_what_they_rest_on() -> None:
    told = short_outlook(replace(STATE, forecast=SAID), 100.0)
    assert (told.mean, told.low) == pytest.approx((0.05, 0.04)) and told.known and "7 days" in told.source
    quote = STATE.quoted.value
    bare = short_outlook(STATE, 100.0)
    assert (bare.mean, bare.low) == pytest.approx((quote - 0.01, quote / 2 - 0.01)) and not bare.known
    old = long_outlook(STATE, PAST, 100.0)
    assert old.mean == pytest.approx(0.05) and old.low == pytest.approx(
        0.05 - 1.2816 * 0.01 * (13 / 12) ** 0.5, rel=1e-4
    )
    for past in (None, replace(PAST, weeks=1), replace(PAST, long_mean=None)):
        assert not long_outlook(STATE, past, 0.0).known and long_outlook(STATE, past, 0.0).low == 0.0


def test_signals() -> None:
    assert judged(80, 70) == (Signal.ENTER, "its yield is good now (80) and over time (70)")
    assert judged(80, 40)[0] is Signal.HOLD and "over time (40" in judged(80, 40)[1]
    assert judged(10, 20)[0] is Signal.LEAVE
    assert judged(10, 20, known=False) == (Signal.HOLD, "history is too short to say")
    assert judged(80, 70, least=71)[0] is Signal.HOLD and "below min_safety 71" in judged(80, 70, least=71)[1]
    leave, stop = (Alarm(code="PEG", act=act, saw="0.97", since=1) for act in (Act.LEAVE, Act.STOP))
    assert judged(80, 70, alarms=(stop,)) == (Signal.HOLD, "alarm PEG: 0.97")
    assert judged(80, 70, alarms=(stop, leave))[0] is Signal.LEAVE
