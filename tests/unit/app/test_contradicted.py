"""Memory never decides alone: what history says of a market that the chain contradicts is told, and the chain wins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.kit.app.cycle import SessionDouble, wired
from tests.kit.app.watched import printed, watched
from tests.kit.market_builder import BLOCK, CHAIN, USDC, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from tests.kit.risk.protections import JOB
from tests.unit.app.test_overview import Quiet, context
from yieldbot.app import cycle
from yieldbot.app.foretell import with_forecasts
from yieldbot.app.job_reports import report
from yieldbot.app.memory import FOLDER, keep
from yieldbot.cli import render, view
from yieldbot.history.reading import MarketKey, Reading
from yieldbot.history.store import Store
from yieldbot.journal.store import Journal
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.plan import Declined

__all__ = ["context"]  # a fixture
NOW, DAY = BLOCK.timestamp, 86_400
PAID = market("a", kinked(1e6, 8e5, low=0.06), borrowed=8e5)
RATE = PAID.quoted.value
CALM = loose(idle_buffer="0", alarms=AlarmLimits(off=("SHARE_PRICE_UP", "SHARE_PRICE_DOWN")))
"""What memory's index says beside the chain's would raise an alarm too; here only its forecast is looked at."""


def remembered(folder: Path, days: int = 20, ahead: int = 0, **changes: Any) -> Path:
    """A data directory whose memory has the market at 30 % each day up to an hour ago, and its index.
    ahead: seconds by which the last reading's clock is wrong."""
    key = MarketKey(
        chain=CHAIN, market=PAID.market.id, protocol="lend", asset="USDC", asset_address=USDC.address.lower()
    )
    key = replace(key, **{name: value for name, value in changes.items() if name == "asset_address"})
    rows = []
    for ago in range(days, -1, -1):
        time = NOW - 3600 - ago * DAY
        row = Reading(key=key, time=time, supply_rate=0.3, index=math.exp(0.3 * (days - ago) / 365))
        if not ago:
            row = replace(row, time=time + ahead, **{k: v for k, v in changes.items() if k != "asset_address"})
        rows.append(row)
    assert not Store(folder / FOLDER).append(rows).failure
    return folder


def seen(**changes: Any) -> Snapshot:
    return snapshot(50_000, replace(PAID, **{"index": 1.02} | changes))


def told(folder: Path, shown: Snapshot) -> tuple[MarketState, tuple[str, ...]]:
    found = with_forecasts(shown, folder, loose(), pytest.fail)
    return found.of(PAID.market.id), found.contradicted


def test_what_agrees_is_forecast_and_nothing_is_told(tmp_path: Path) -> None:
    state, lines = told(remembered(tmp_path), seen())
    assert state.forecast is not None and state.forecast.mean == pytest.approx(0.3, rel=0.01) and lines == ()


def test_an_index_that_fell(tmp_path: Path) -> None:
    """Suppliers have lost a part, or memory is of another deployment: what it paid before is not believed."""
    state, (line,) = told(remembered(tmp_path), seen(index=0.9))
    assert state.forecast is None and "memory saw its index at 1.0165742" in line and "the chain says 0.9" in line
    assert line.startswith("a: ") and PAID.market.id not in line and "the chain counts" in line
    same, none = told(tmp_path, seen(index=math.exp(0.3 * 20 / 365) * (1 - 1e-9)))
    assert same.forecast is not None and none == (), "rounding is no fall"


def test_an_asset_that_is_another(tmp_path: Path) -> None:
    state, (line,) = told(remembered(tmp_path, asset_address="0x" + "de" * 20), seen())
    assert state.forecast is None and f"the chain of {USDC.address.lower()} (USDC)" in line
    other, none = told(remembered(tmp_path / "b", asset_address=""), seen())
    assert other.forecast is not None and none == (), "a recording need not say which"


def test_readings_from_after_the_chain_s_own_time(tmp_path: Path) -> None:
    """They must not hide what is known of the others either."""
    folder = remembered(tmp_path, ahead=40 * DAY)
    other = replace(PAID, market=replace(PAID.market, id="lend/1/b", name="b"))
    keep(folder / FOLDER, [replace(snapshot(0, other), block=replace(BLOCK, timestamp=NOW - day * DAY))
                           for day in range(9, -1, -1)], pytest.fail)  # fmt: skip
    found = with_forecasts(snapshot(0, PAID, other), folder, loose(), pytest.fail)
    assert found.of(PAID.market.id).forecast is None and found.of(other.market.id).forecast is not None
    (line,) = found.contradicted
    assert "has readings of 2023-12-24 21:13 UTC, the chain's block is of 2023-11-14 22:13 UTC" in line


def test_another_rate_at_the_time_of_this_very_block(tmp_path: Path) -> None:
    state, (line,) = told(remembered(tmp_path, ahead=3600), seen())
    assert state.forecast is None and f"a rate of 30.0000% at the time of this block, the chain says {RATE:.4%}" in line


def test_another_block_of_the_same_second_is_no_contradiction(tmp_path: Path) -> None:
    """A chain of four blocks a second: our own deposit between two of them changed what is quoted."""
    same = told(remembered(tmp_path / "same", ahead=3600, height=BLOCK.height), seen())
    assert same[0].forecast is None and "at the time of this block" in same[1][0]
    before, lines = told(remembered(tmp_path / "before", ahead=3600, height=BLOCK.height - 1), seen())
    assert before.forecast is not None and lines == ()


def test_a_market_that_is_frozen_gets_nothing_whatever_history_says(tmp_path: Path) -> None:
    for status in (Status.FROZEN, Status.PAUSED):
        memory = remembered(tmp_path / status.value)
        assert told(memory, seen(status=status))[1] == (), "no money of ours is there and none may go in"
        assert told(memory, seen(status=status, index=0.9)) == (seen(status=status, index=0.9).of(PAID.market.id), ())
        state, (line,) = told(memory, seen(status=status, held=usdc(1_000)))
        assert state.forecast is not None and state.status is status
        assert "memory forecasts 34.87% APY over 7 days" in line and f"the chain says that it is {status.value}" in line


def test_a_market_that_is_nowhere_on_the_chain_is_not_asked_about(tmp_path: Path) -> None:
    away = with_forecasts(snapshot(50_000), remembered(tmp_path), loose(), pytest.fail)
    assert away.contradicted == () and away.markets == ()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.sqlite", clock=lambda: NOW) as opened:
        yield opened


async def test_a_run_tells_it_and_decides_by_the_chain(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory's 30 % would bring all of the money; the chain's index says that it is of another world."""
    better = market("b", kinked(1e6, 8e5, low=0.09), borrowed=8e5)
    both = snapshot(50_000, PAID, better)
    for folder, index in ((tmp_path / "agrees", 1.02), (tmp_path / "not", 0.5)):
        live = SessionDouble([replace(both, states=both.states | {PAID.market.id: replace(PAID, index=index)})])
        live.rehearsals = [Declined("NO_FORK", "nothing is sent here")]
        world = wired(monkeypatch, journal, live)
        world.settings = replace(world.settings, data_dir=remembered(folder), policy=CALM)
        monkeypatch.setattr(type(world), "now", lambda self: NOW)
        done = await cycle.run_job(world, JOB)
        assert done.decision is not None
        targets = done.decision.allocation.targets
        if index > 1.0:
            assert targets[PAID.market.id] > targets[better.market.id] and not report(done, loose()).contradicted
            continue
        assert targets[PAID.market.id] < targets[better.market.id], "by what the chain pays"
        (line,) = report(done, loose()).contradicted
        console = Console(width=400, file=None, force_terminal=False)
        with console.capture() as taken:
            console.print(*render.report(done))
        assert f"contradicted: {line}" in taken.get() and "saw its index" in line


def test_a_plan_tells_it(context: Quiet, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``--json`` and in words, from what a session reads to what is printed."""
    remembered(context.settings.data_dir)
    watched(monkeypatch, snapshot(5_000, replace(PAID, index=0.9)))
    text, document = printed(context, monkeypatch, view.plan)
    (line,) = document["jobs"][0]["contradicted"]
    assert "saw its index" in line and line.startswith("a: memory ") and f"contradicted: {line}" in text
