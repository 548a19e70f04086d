"""Alarms take part in a replay: by the same lookout as live, of what was known at each row, daily or hourly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.kit.policies import loose
from tests.unit.backtest.recorded import panel, world
from yieldbot.backtest.alarms import Watched, beside
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.replay import replay
from yieldbot.backtest.world import ONE, World
from yieldbot.history.panel import Panel
from yieldbot.model.alarm_limits import CODES, COLLATERALS, AlarmLimits
from yieldbot.model.plan import LegKind
from yieldbot.model.policy import Policy

HOURS = 1_700_006_400 + np.arange(30, dtype=np.int64) * 3600
OFF = AlarmLimits(off=CODES)
CALM = [0.05] * 30
TWO = {"USDC": CALM, "USDC/two": [0.04] * 30}
"""A better market and a worse one, whose rates never change: who moves, moves for an alarm."""
RISING = [[0.8, 0.5]] * 12 + [[0.96, 0.5]] * 2 + [[0.999, 0.5]] * 16


def quiet(row: int) -> list[None]:
    return [None, None]


def moved(made: Any) -> list[tuple[int, LegKind, str]]:
    return [(row, leg.kind, str(leg.market_id)) for row, plan in made.ledger.log for leg in plan.legs]


def test_money_leaves_at_the_alarm_and_is_not_locked() -> None:
    seen = world(TWO, utilisation=RISING, supplied=1e8)
    made = replay(seen, loose(), quiet, 50_000.0, 0, 28)
    assert made.ledger.held[0] == 0 and made.ledger.held[1] > 49_000 * ONE
    assert [row for row, kind, market in moved(made) if kind is LegKind.WITHDRAW] == [12], "at the first row at 0.96"
    late = replay(world(TWO, utilisation=RISING, supplied=1e8), loose(alarms=OFF), quiet, 50_000.0, 0, 28)
    assert late.ledger.held[0] > 49_000 * ONE, "without alarms it stays, and is locked"


def test_it_comes_back_after_the_cooldown_and_not_before() -> None:
    use = [[0.8, 0.5]] * 10 + [[0.96, 0.5]] + [[0.8, 0.5]] * 19
    made = replay(world(TWO, utilisation=use, supplied=1e8), loose(), quiet, 50_000.0, 0, 28)
    back = [row for row, kind, market in moved(made) if kind is LegKind.DEPOSIT and market.endswith("/0") and row > 10]
    assert back and back[0] == 11, "a day of looks does not show it"
    hourly = replace(panel(TWO, utilisation=use, supplied=1e8), times=HOURS, step_seconds=3600)
    made = replay(World(hourly, [Costs.of_rollup(0.05)] * 30), loose(), quiet, 50_000.0, 0, 28)
    back = [row for row, kind, market in moved(made) if kind is LegKind.DEPOSIT and market.endswith("/0") and row > 10]
    assert not back, "by the hour the cooldown is not over within so many rows"


def test_nothing_later_changes_an_alarm_and_the_days_before_are_known() -> None:
    """Cash halves between the last row before the first decision and that one."""
    use = [[0.85, 0.5]] * 5 + [[0.93, 0.5]] * 25
    made = replay(world(TWO, utilisation=use, supplied=1e8), loose(), quiet, 50_000.0, 5, 6)
    assert all(market.endswith("/1") for _, kind, market in moved(made) if kind is LegKind.DEPOSIT)
    other = [*use[:9], *([[0.999, 0.999]] * 21)]
    again = replay(world(TWO, utilisation=other, supplied=1e8), loose(), quiet, 50_000.0, 5, 8)
    same = replay(world(TWO, utilisation=use, supplied=1e8), loose(), quiet, 50_000.0, 5, 8)
    assert moved(again) == moved(same)


def test_an_hourly_history_is_replayed_by_the_hour() -> None:
    made = panel(TWO, utilisation=RISING, supplied=1e8)
    hourly = replace(made, times=HOURS, step_seconds=3600)
    seen = World(hourly, [Costs.of_rollup(0.05)] * 30)
    played = replay(seen, loose(), quiet, 50_000.0, 0, 28)
    assert played.ledger.held[0] == 0 and [r for r, kind, _ in moved(played) if kind is LegKind.WITHDRAW] == [12]


@pytest.mark.parametrize("locked", [False, True])
def test_the_collaterals_market_is_seen_though_nothing_goes_into_it(locked: bool) -> None:
    whole = panel({**TWO, "WETH": CALM}, utilisation=[[0.8, 0.5, 0.8]] * 10 + [[0.8, 0.5, 1.0 if locked else 0.9]] * 20)
    keys = tuple(replace(key, protocol="aave_v3" if at != 1 else "two") for at, key in enumerate(whole.keys))
    whole = replace(whole, keys=keys, supplied=np.full(whole.quoted.shape, 1e8))
    others = beside(whole, [0, 1], frozenset(COLLATERALS))
    assert isinstance(others, Panel) and [key.asset for key in others.keys] == ["WETH"]
    seen = World(whole.of([0, 1]), [Costs.of_rollup(0.05)] * 30, beside=others)
    made = replay(seen, loose(), quiet, 50_000.0, 0, 28)
    assert (made.ledger.held[0] == 0) is locked
    assert [row for row, kind, _ in moved(made) if kind is LegKind.WITHDRAW] == ([10] if locked else [])


def test_a_policy_without_alarms_is_judged_by_none() -> None:
    seen = world(TWO, utilisation=[[0.99, 0.5]] * 30, supplied=1e8)
    snapshot = seen.snapshot(3, [0, 0], [ONE])
    assert Watched(seen, Policy(alarms=OFF), 3).judged(3, snapshot) is snapshot
    judged = Watched(seen, Policy(), 3).judged(3, snapshot)
    assert [[one.code for one in state.alarms] for state in judged.markets] == [["UTILISATION"], []]
