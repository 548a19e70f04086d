"""What markets paid lately: memory's readings on one grid of times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.stored import KEYS, T0, reading
from yieldbot.app.trends import DAY, HOUR, MOST_STEPS, TrendsRequest, trends
from yieldbot.history.store import Store


@pytest.mark.parametrize(("every", "count", "step"), [(DAY, 90, DAY), (HOUR, 30, HOUR)])
def test_each_market_has_its_last_rates_in_days_or_while_history_is_short_in_hours(
    tmp_path: Path, every: int, count: int, step: int
) -> None:
    first, second = KEYS[0], KEYS[1]
    seen = [reading(every * at, first, supply_rate=0.01 + at / 10_000) for at in range(count)]
    seen.append(reading(every * (count - 2), second, supply_rate=0.05))
    Store(tmp_path).append(seen)
    found = trends(TrendsRequest(folder=tmp_path))
    assert found.step_seconds == step and found.until == T0 + every * (count - 1)
    rates = {(one.chain_id, one.id): one.rates for one in found.markets}
    own = rates[first.chain, first.market]
    known = [rate for rate in own if rate is not None]
    assert len(own) == MOST_STEPS and len(known) >= MOST_STEPS - 1 and known == sorted(known)
    assert own[-1] == pytest.approx(0.01 + (count - 1) / 10_000, abs=1e-4), "the newest comes last"
    assert sum(rate is not None for rate in rates[second.chain, second.market]) <= 1


def test_without_history_there_are_none(tmp_path: Path) -> None:
    assert trends(TrendsRequest(folder=tmp_path / "none")).markets == ()
    assert trends(TrendsRequest(folder=tmp_path)).markets == ()
