"""Alarms on a synthetic hourly recording that is made from measured hazards (tests/kit/risk/hourly.py), held to what is
promised; and the scorer on small recordings whose score is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.risk.hourly import HOUR, START, recording
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.risk.alarm_scores import Score, score

KEY = MarketKey(chain="eip155:1", market="usdc", protocol="aave_v3", asset="USDC")


@pytest.fixture(scope="module")
def whole() -> Score:
    return score(recording(years=8.0, seed=1).readings)


def test_the_recording_has_what_it_was_made_from() -> None:
    made = recording(years=1.0, seed=5)
    assert made == recording(years=1.0, seed=5) != recording(years=1.0, seed=6)
    assert {one.key.asset for one in made.readings} == {"USDC", "USDT", "DAI", "WETH"}
    assert len(made.readings) == 4 * 8760
    assert all(one.utilisation is not None and 0.0 <= one.utilisation <= 1.0 for one in made.readings)


def test_most_locks_are_preceded_and_money_is_out_in_time(whole: Score) -> None:
    hourly, six, day = whole.polled
    assert whole.locks >= 30 and whole.market_years > 23.9
    assert hourly.hours == 1 and hourly.preceded >= 0.60 * whole.locks
    assert hourly.in_time >= 0.50 * whole.locks
    assert hourly.in_time >= six.in_time >= day.in_time, "who looks more often is out more often"


def test_false_alarms_are_few_and_leaving_at_them_is_cheap(whole: Score) -> None:
    assert whole.false > 0 and whole.false_per_year <= 5.0
    assert 0.0 < whole.calm_cost_pp <= 0.4


def test_a_locked_collateral_is_seen_the_same_day(whole: Score) -> None:
    assert whole.collateral_locks >= 2 and whole.collateral_same_day == whole.collateral_locks
    assert 0 < whole.collateral_per_year <= 0.5


def test_a_fall_as_in_march_2023_is_seen_six_hours_before_its_trough(whole: Score) -> None:
    assert whole.depegs >= 3 and len(whole.peg_leads) == whole.depegs and min(whole.peg_leads) >= 6.0
    assert whole.pegs_per_year <= 0.75


def rows(uses: list[float], supplied: float | None = 1e8, rate: float = 0.1) -> list[Reading]:
    return [
        Reading(
            key=KEY, time=START + hour * HOUR, supply_rate=rate, utilisation=use, supplied=supplied,
            borrowed=None if supplied is None else supplied * use,
        )
        for hour, use in enumerate(uses)
    ]  # fmt: skip


def test_a_lock_an_hour_after_its_alarm_is_preceded_and_a_sudden_one_is_not() -> None:
    calm = [0.8] * 240
    made = score(rows([*calm, 0.96, 0.995, *calm, 1.0, *calm]))
    assert made.locks == 2 and made.polled[0].preceded == 1 and made.polled[0].in_time == 1
    assert made.lead_hours == 1.0 and made.false == 0
    assert made.episodes == 2, "the sudden lock raises an alarm too, in the lock: it is neither a warning nor false"


def test_an_alarm_without_a_lock_is_false_and_costs_what_the_market_paid_meanwhile() -> None:
    made = score(rows([0.8] * 200 + [0.96] + [0.8] * 300))
    assert made.locks == 0 and made.false == 1
    years = 500 / 8760
    assert made.false_per_year == pytest.approx(1 / years)
    assert made.calm_cost_pp == pytest.approx(100 * 0.1 * 24 / 8760 / years), "24 hours of cooldown at 10 %"


def test_money_is_not_out_where_there_was_no_cash_left() -> None:
    made = score(rows([0.8] * 200 + [0.985, 0.995] + [0.8] * 200, supplied=5e7))
    assert made.polled[0].preceded == 1 and made.polled[0].in_time == 0


def test_use_and_cash_follow_from_what_a_recording_has() -> None:
    """A recording of rates alone, and one of supplied and borrowed alone."""
    rates = [
        replace(one, utilisation=None, supplied=None, borrowed=None, borrow_rate=0.1 / (use * 0.9), reserve_factor=0.1)
        for one, use in zip(rows([0.8] * 200 + [0.96, 1.0]), [0.8] * 200 + [0.96, 1.0], strict=True)
    ]
    sizes = [replace(one, utilisation=None) for one in rows([0.8] * 200 + [0.96, 1.0])]
    for made in (score(rates), score(sizes)):
        assert made.locks == 1 and made.polled[0].preceded == 1 and made.polled[0].in_time == 1


def test_venues_of_a_price_are_sources() -> None:
    """Two recordings of a price say together what one alone would be too little for."""
    low = [1.0] * 100 + [0.985, 0.98, 0.97, 0.96, 0.95, 0.97, 0.99] + [1.0] * 100

    def venue(name: str, prices: list[float]) -> list[Reading]:
        key = MarketKey(chain="eip155:1", market=name, asset="USDC")
        return [Reading(key=key, time=START + h * HOUR, price_usd=price) for h, price in enumerate(prices)]

    both = score([*venue("a", low), *venue("b", low)])
    assert both.sources == 2 and both.peg_episodes == both.depegs == 1 and both.peg_leads == (3.0,)
    apart = score([*venue("a", low), *venue("b", [1.0] * len(low))])
    assert apart.sources == 2 and apart.peg_episodes == 0
    alone = score(venue("a", low))
    assert alone.sources == 1 and alone.peg_leads == (3.0,), "where a recording has one source, one is enough"
