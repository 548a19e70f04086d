"""A market whose forecasts missed on one side three horizons in a row: ``plan`` says so and its interval is wider, by
what memory holds and all the way to what is printed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.app.watched import printed, watched
from tests.kit.market_builder import BLOCK, CHAIN, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.unit.app.test_overview import Quiet, context
from yieldbot.app.foretell import with_forecasts
from yieldbot.app.market_documents import JobMarkets, Market, YieldsDocument
from yieldbot.app.markets import MarketsRequest, markets
from yieldbot.app.memory import FOLDER
from yieldbot.cli import view
from yieldbot.forecast import bias
from yieldbot.history.once import forget
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.model.amounts import Apr
from yieldbot.model.market import RateForecast
from yieldbot.model.units import DAY_SECONDS

__all__ = ["context"]  # a fixture
NOW, DAY = BLOCK.timestamp, 86_400
DAYS = 200
A = replace(market("a", kinked(1e6, 8e5, low=0.03), borrowed=8e5), index=2.0)
LOW = "the last three forecasts were too low, so the interval is wider"
HIGH = LOW.replace("low", "high")


def readings(market_id: str, since: int, growth: float, quote: float = 0.03) -> list[Reading]:
    """Quotes of about 3 % each day; what was paid is that too, until ``since`` days ago, and then ``growth`` more each
    day: neither who believes the quotes nor who believes what was paid lately keeps up with it."""
    key = MarketKey(chain=CHAIN, market=market_id, protocol="lend", asset="USDC", asset_address=USDC.address.lower())
    index, rows = 1.0, []
    for ago in range(DAYS, -1, -1):
        index *= math.exp(quote * (1.0 + growth) ** max(0, since - ago) / 365)
        seen = quote * (1.0 + 0.02 * (ago * 7 % 5 - 2))
        rows.append(Reading(key=key, time=NOW - 60 - ago * DAY, supply_rate=seen, index=index))
    return rows


def remembered(folder: Path, since: int, growth: float) -> Path:
    others = [row for other in range(3) for row in readings(f"lend/1/other{other}", 0, 0.0)]
    assert not Store(folder / FOLDER).append([*readings(A.market.id, since, growth), *others]).failure
    return folder


def forecast(folder: Path, by: str = loose().forecaster) -> RateForecast:
    found = with_forecasts(snapshot(50_000, A), folder, loose(forecaster=by), pytest.fail)
    said = found.of(A.market.id).forecast
    assert said is not None and said.by == by and found.contradicted == ()
    return said


@pytest.mark.parametrize("by", [loose().forecaster, "combined", "persistence"])
@pytest.mark.parametrize(("growth", "words"), [(0.03, LOW), (-0.03, HIGH)])
def test_three_misses_on_one_side_widen_that_side_of_what_is_decided_with(
    tmp_path: Path, growth: float, words: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = remembered(tmp_path, 28, growth)
    said = forecast(folder, by)
    assert said.reason.endswith(words)
    monkeypatch.setattr(bias, "WIDER", 1.0)
    forget()
    usual = forecast(folder, by)
    side, other = ("high", "low") if words == LOW else ("low", "high")
    further, before = (abs(getattr(one, side) - one.mean) for one in (said, usual))
    assert further == pytest.approx(1.5 * before, rel=0.01), "half as wide again"
    assert getattr(said, other) == getattr(usual, other) and said.mean == usual.mean


def test_two_horizons_are_not_enough(tmp_path: Path) -> None:
    """Of a bias that began ten days ago only forecasts of the last horizons can have missed."""
    assert "three" not in forecast(remembered(tmp_path, 10, 0.03)).reason


def test_none_is_told_where_forecasts_were_right(tmp_path: Path) -> None:
    assert forecast(remembered(tmp_path, 0, 0.0)).reason == ""


def test_a_plan_says_so(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(context.settings.data_dir, 60, 0.03)  # the configured horizon is 14 days
    watched(monkeypatch, snapshot(50_000, A))
    text, document = printed(context, monkeypatch, view.plan)
    (used,) = document["jobs"][0]["forecasts"]
    assert used["days"] == 14.0 and used["why"].endswith(LOW)
    assert used["high"] - used["mean"] > used["mean"] - used["low"]
    row = next(line for line in text.splitlines() if LOW in line)
    mean, low, high = (Apr(used[one]).compounded(14 * DAY_SECONDS).value * 100 for one in ("mean", "low", "high"))
    assert f"{mean:.3f} % ({low:.1f}-{high:.1f})" in row, "as APY"


def test_another_horizon_is_forecast_over_that_horizon(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered(context.settings.data_dir, 0, 0.0)
    watched(monkeypatch, snapshot(50_000, A))
    _, document = printed(context, monkeypatch, view.plan, "--horizon", "30")
    (used,) = document["jobs"][0]["forecasts"]
    assert used["days"] == 30.0 and used["forecaster"] == context.settings.policy.forecaster


def test_a_plan_says_what_it_stands_on(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, snapshot(50_000, A))
    young, _ = printed(context, monkeypatch, view.plan)
    assert "Decided on today's rates: memory spans less than three days" in young
    assert "if markets go on paying as now" in young
    remembered(context.settings.data_dir, 0, 0.0)
    known, _ = printed(context, monkeypatch, view.plan)
    assert "Decided on forecasts by paid-3d" in known and "if markets pay what is forecast" in known


@pytest.mark.parametrize("learned", [False, True])
def test_a_plan_and_positions_show_the_yield_that_markets_shows(
    learned: bool, context: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the same amount, beyond the kink too, with a forecast and without one."""
    if learned:
        remembered(context.settings.data_dir, 0, 0.0)
    spike = market("spike", kinked(1e5, 9.5e4), borrowed=9.5e4)

    def listed() -> list[Market]:
        found = markets(MarketsRequest(), context).document
        assert isinstance(found, YieldsDocument)
        return [one for job in found.jobs if isinstance(job, JobMarkets) for one in job.markets]

    watched(monkeypatch, snapshot(50_000, A, spike))
    text, _ = printed(context, monkeypatch, view.plan)
    table = text[text.index("\nWhy") :].splitlines()
    for one in listed():
        rows = [line for line in table if line.startswith(f" {one.name} ")]  # one for each job
        assert rows and one.apy_after_deposit is not None
        assert all(f" {one.apy_after_deposit * 100:.3f} % " in row for row in rows)
    watched(monkeypatch, snapshot(0, replace(spike, held=usdc(20_000), shares=usdc(20_000).raw)))
    _, document = printed(context, monkeypatch, view.positions)
    (position,), own = document["jobs"][0]["positions"], listed()[0]
    assert own.after_deposit_of.raw == position["held"]["raw"], "the same amount"
    assert position["apy_now"] == own.apy_after_deposit
