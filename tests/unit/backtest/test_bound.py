"""The bound of all strategies: above every one that is tried, close to the best, and valid whatever the solver says."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from tests.kit.draws import draws
from tests.unit.backtest.recorded import world
from yieldbot.backtest import bound as bounding
from yieldbot.backtest.bound import _hull, _Program, _simpler, bound
from yieldbot.backtest.foresight import foresee
from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.rules import RULES, follow
from yieldbot.backtest.world import ONE, World

NAMES = ("USDC", "USDT", "USDC/two", "DAI")


def drawn(seed: int, days: int = 12, names: tuple[str, ...] = NAMES, touch: float = 0.4) -> World:
    """Rates that jump, small pools, some days blocked, some locked."""
    draw = np.random.default_rng(seed)
    shape = days, len(names)
    use = draw.choice([0.5, 0.85, 0.97, 0.985, 0.999], shape, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    return world(
        {name: draw.uniform(0.0, 0.6, days).tolist() for name in names},
        touch=touch,
        utilisation=use,
        borrow_rate=draw.uniform(0.02, 0.9, shape),
        supplied=draw.uniform(2e4, 4e5, shape),
        blocked=draw.random(shape) < 0.1,
    )


def wandering(seen: World, dollars: float, rows: int, draw: random.Random) -> float:
    """What a strategy at random ends with: it moves on some days, to any shares, and stays on others."""
    ledger = SimulatedLedger.with_cash(seen, dollars)
    calm = draw.random()
    for row in range(rows):
        if draw.random() > calm:
            shares = [draw.random() ** 3 for _ in seen.markets]
            scale = draw.random() ** 0.2 / sum(shares)
            total = sum(ledger.held) + sum(ledger.idle)
            cells = seen.cells(row)
            ledger.rebalance(
                row,
                [
                    held
                    if cell is None or cell.blocked or (cell.utilisation or 0.0) > 0.98
                    else int(share * scale * total)
                    for share, cell, held in zip(shares, cells, ledger.held, strict=True)
                ],
            )
        ledger.earn(row)
    return ledger.wealth


@pytest.mark.parametrize("seed", range(draws(3, 5)))
def test_no_strategy_is_above_the_bound(seed: int) -> None:
    seen, dollars, draw = drawn(seed), 10.0 ** (3 + seed % 3), random.Random(seed)
    above = bound(seen, dollars, 0, 11).gain
    best = foresee(seen, dollars, 0, 11)
    ends = [wandering(seen, dollars, 11, draw) - dollars for _ in range(150)]
    ends += [follow(seen, rule(), dollars, 0, 11).wealth - dollars for rule in RULES.values()]
    assert max(ends) <= above and best.gain <= above <= best.bound + 1e-6
    assert best.gain >= max(ends) - 0.01 * dollars / 365, "foresight finds what chance finds"


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_close_where_nothing_is_relaxed_but_gas(seed: int) -> None:
    """One coin, large pools, no cost of moving: the best market of each day, and the bound says so to the cent."""
    draw = np.random.default_rng(seed)
    rates = {name: draw.uniform(0.0, 0.6, 10).tolist() for name in ("USDC", "USDC/two", "USDC/three")}
    seen = world(rates, touch=0.0, supplied=1e12)
    wealth = 1_000.0
    for day in range(9):
        wealth *= 1.0 + max(one[day] for one in rates.values()) / 365
    found = foresee(seen, 1_000.0, 0, 9)
    assert found.bound == pytest.approx(wealth - 1_000.0, abs=1e-4)
    assert found.gain == pytest.approx(found.bound, abs=1e-3)


def test_splits_over_many_markets_are_found_and_bounded() -> None:
    """Eight equal pools of one coin: an eighth in each, which no split in two comes near."""
    names = ["USDC", *(f"USDC/{k}" for k in range(7))]
    seen = world({name: [0.05] * 15 for name in names}, touch=0.0, supplied=1e6)
    found = foresee(seen, 1e6, 0, 14)
    best = SimulatedLedger.with_cash(seen, 1e6)
    best.rebalance(0, [int(1e6 / 8) * ONE] * 8)
    for row in range(14):
        best.earn(row)
    most = best.wealth - 1e6
    assert most * 0.99 <= found.gain <= found.bound <= most * 1.01
    assert max(found.path[-1]) < 0.2 and len(found.path) == 14


@pytest.mark.parametrize("seed", range(draws(2, 4)))
def test_the_certificate_is_valid_whatever_the_multipliers(seed: int) -> None:
    """Any prices at all give an upper bound: the solver need not be trusted."""
    seen, draw = drawn(seed, days=7), np.random.default_rng(seed)
    program = _Program(seen, 5_000.0, 0, 6)
    prices, _ = program.solved(range(4))
    least = foresee(seen, 5_000.0, 0, 6).gain / 5_000.0
    exact = program.dual(prices)[0] - 1.0
    assert exact >= least
    for spread in (1e-4, 0.01, 1.0):
        for _ in range(20):
            assert program.dual(prices + draw.normal(0.0, spread, len(prices)))[0] - 1.0 >= exact - 1e-9
    assert program.dual(np.zeros(len(prices)))[0] - 1.0 >= exact


def test_a_solver_that_finds_nothing_still_gives_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = drawn(1)
    honest = bound(seen, 5_000.0, 0, 11).gain

    def fails(self: _Program, markets: object) -> tuple[object, object]:
        return np.zeros(len(self.right)), np.zeros(len(self.worth))

    monkeypatch.setattr(_Program, "solved", fails)
    assert bound(seen, 5_000.0, 0, 11).gain >= honest
    best = foresee(seen, 5_000.0, 0, 11)
    assert 0.0 < best.gain <= honest, "the dynamic program stands alone"


@pytest.mark.parametrize("seed", range(draws(2, 4)))
def test_markets_that_are_left_out_at_first_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"{coin}/{k}" for coin in ("USDC", "USDT", "DAI") for k in range(4))
    seen = drawn(seed, names=names)
    monkeypatch.setattr(bounding, "BEGIN_WITH", 1)
    few = bound(seen, 20_000.0, 0, 11).gain
    monkeypatch.setattr(bounding, "BEGIN_WITH", 12)
    assert few == pytest.approx(bound(seen, 20_000.0, 0, 11).gain, abs=20_000.0 * 1e-5)


@pytest.mark.parametrize("seed", range(draws(3, 6)))
def test_the_function_above_an_income_is_above_it_everywhere_and_close(seed: int) -> None:
    seen, dollars, draw = drawn(seed), 50_000.0, random.Random(seed)
    program = _Program(seen, dollars, 0, 11)
    for day, market in product(range(11), range(4)):
        cell, pieces = seen.cells(day)[market], program.pieces[day][market]
        slopes = [slope for _, slope in pieces]
        assert slopes == sorted(slopes, reverse=True) and slopes[-1] >= 0.0
        assert sum(length for length, _ in pieces) == pytest.approx(program.tops[day])
        assert cell is not None
        curve, rate = cell.curve(1.0), max(0.0, float(seen.rates_until_next(day)[market])) / 365
        for _ in range(30):
            x = draw.random() ** 2 * program.tops[day]
            left, above = x, 0.0
            for length, slope in pieces:
                above += min(left, length) * slope
                left -= min(left, length)
            assert above >= x * curve.apr(x * dollars, 1.0) * rate - 1e-15


def test_fewer_pieces_are_above_all_of_them() -> None:
    xs = [k / 50 for k in range(1, 51)]
    hull = _hull(xs, [x - 0.6 * x * x for x in xs])
    few = _simpler(hull)
    assert len(few) < len(hull)
    for x, y in hull:
        left, above = x, 0.0
        for length, slope in few:
            above += min(left, length) * slope
            left -= min(left, length)
        assert y - 1e-12 <= above <= y + bounding.CLOSE * len(hull)
