"""Perfect foresight against every path of small worlds, and the shapes that recorded markets get."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from tests.kit.draws import draws
from tests.unit.backtest.recorded import world
from yieldbot.backtest.foresight import foresee
from yieldbot.backtest.rules import RULES, follow
from yieldbot.backtest.shape import curve_at, lower_hull, shape_of
from yieldbot.backtest.world import ONE


@pytest.mark.parametrize("seed", range(draws(3, 6)))
def test_no_path_through_whole_markets_beats_foresight(seed: int) -> None:
    draw = np.random.default_rng(seed)
    days, dollars = 6, 5_000.0
    rates = {name: draw.uniform(0.0, 2.0, days).tolist() for name in ("USDC", "USDT", "USDC/two")}
    seen = world(rates, touch=0.4)
    best = foresee(seen, dollars, 0, days - 1)
    found = []
    for path in product(range(3), repeat=days - 1):
        ledger = type(follow(seen, RULES["static"](), dollars, 0, 0)).with_cash(seen, dollars)
        for row, column in enumerate(path):
            if ledger.held[column] == 0:
                whole = sum(ledger.held) + sum(ledger.idle)
                ledger.rebalance(row, [whole if at == column else 0 for at in range(3)])
            ledger.earn(row)
        found.append(ledger.wealth - dollars)
    assert best.gain >= max(found) - 0.05
    assert best.gain <= max(found) + 0.6, "splitting adds nothing where pools are large"
    assert len(best.path) == days - 1


def test_foresight_splits_where_our_own_deposit_lowers_the_rate() -> None:
    seen = world({"USDC": [0.05] * 12, "USDC/two": [0.05] * 12}, supplied=1e6)
    best = foresee(seen, 1e6, 0, 11)
    assert best.path[-1] == pytest.approx((0.5, 0.5))
    alone = follow(seen, RULES["static"](), 1e6, 0, 11)
    assert best.gain > alone.wealth - 1e6


def test_the_rules_do_what_they_are_called() -> None:
    seen = world({"USDC": [0.03] * 20, "USDC/two": [0.02] * 10 + [0.09] * 10}, supplied=[[1e8, 9e8]] * 20)
    ends = {name: follow(seen, rule(), 10_000.0, 0, 19) for name, rule in RULES.items()}
    assert ends["static"].held[1] == 0 and ends["largest"].held[0] == 0
    assert ends["equal"].held[0] and ends["equal"].held[1]
    assert ends["greedy"].held[0] == 0 and ends["greedy"].plans == 2
    assert ends["zyfai-like"].plans == 2 and ends["zyfai-like"].held[0] == 0


def test_a_static_wallet_puts_in_no_more_than_the_market_could_pay_out() -> None:
    seen = world({"USDC": [0.05] * 5, "USDC/two": [0.01] * 5}, supplied=2_000.0, utilisation=0.5)
    made = follow(seen, RULES["static"](), 10_000.0, 0, 4)
    assert made.held[0] == pytest.approx(1_000 * ONE, rel=1e-3) and made.idle[0] == pytest.approx(9_000 * ONE, rel=1e-3)


def test_a_shape_is_the_convex_line_below_what_was_seen() -> None:
    seen = [(0.4, 0.02), (0.8, 0.04), (0.9, 0.045), (0.95, 0.3), (0.5, 0.05)]
    hull = lower_hull(seen)
    assert hull[0] == (0.0, 0.0) and (0.5, 0.05) not in hull and hull[-1] == (0.95, 0.3)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(hull)]
    assert slopes == sorted(slopes)
    assert shape_of([]) == ((0.0, 0.0), (1.0, 1.0)) == shape_of([(2.0, 0.1), (0.5, -1.0)])
    assert shape_of(seen)[-1][0] == 1.0


@pytest.mark.parametrize(("use", "falls"), [(0.8, 1 / 4), (None, 1 / 4)])
def test_a_deposit_as_large_as_the_pool_quarters_a_rate_below_the_kink(use: float | None, falls: float) -> None:
    """With a straight line through the origin the supply rate falls with the square of the pool's growth."""
    curve = curve_at(((0.0, 0.0), (1.0, 0.07)), 0.04, 1e6, use)
    assert curve.apr(0.0, 1.0) == pytest.approx(0.04)
    assert curve.apr(1e6, 1.0) == pytest.approx(0.04 * falls)
