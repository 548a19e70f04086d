"""Recorded history through the decisions of live runs: the same function, nothing of the future, money to the unit."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

from tests.kit.policies import loose
from tests.unit.backtest.recorded import says, world
from yieldbot.app import cycle, overview, paper, paper_records, paper_step
from yieldbot.backtest import carried, ledger
from yieldbot.backtest import paper as paper_wallets
from yieldbot.backtest import replay as replaying
from yieldbot.backtest.costs import SWAP_GAS
from yieldbot.backtest.ledger import SimulatedLedger
from yieldbot.backtest.replay import replay
from yieldbot.backtest.world import ONE, FutureRead
from yieldbot.decision import decide as deciding
from yieldbot.model.alarm_limits import AlarmLimits
from yieldbot.model.plan import LegKind

FLAT = {"USDC": [0.05] * 40, "USDC/two": [0.03] * 40}


def quiet(row: int) -> list[None]:
    return [None, None]


def test_paper_wallets_decide_and_carry_out_by_the_functions_of_runs_and_backtests() -> None:
    """One function object in all; and no module of paper wallets decides or moves anything by itself."""
    assert paper.decide is cycle.decide is replaying.decide is deciding.decide
    assert paper_step.carry_out is ledger.carry_out is carried.carry_out
    for module in (paper, paper_step, paper_records, paper_wallets):
        source = inspect.getsource(module)
        assert "allocate(" not in source and "make_plan(" not in source and "LegKind.SWAP" not in source
    assert inspect.getsource(paper).count("decide(") == 1


def test_the_replay_decides_by_the_function_that_live_runs_decide_by() -> None:
    """One function object; and neither module makes a decision of its own beside it."""
    assert replaying.decide is deciding.decide
    calls = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(inspect.getsource(overview)))
        if isinstance(node, ast.Call)
    }
    assert "decide" in calls and "allocate" not in calls and "make_plan" not in calls
    source = inspect.getsource(replaying)
    assert "allocate(" not in source and "make_plan(" not in source


def test_money_enters_the_better_market_and_earns_what_it_paid() -> None:
    made = replay(world(FLAT), loose(), quiet, 10_000.0, 0, 30)
    assert [leg.kind for _, plan in made.ledger.log for leg in plan.legs] == [LegKind.DEPOSIT]
    assert made.ledger.held[1] == 0 and made.ledger.touched == 1
    growth = (1 + 0.05 * (1 - 2 * 10_000 / 1e9) / 365) ** 30
    assert made.wealth[-1] == pytest.approx(10_000 * growth - 0.05, abs=0.01)
    assert made.ledger.gas == pytest.approx(0.05) and made.failed == 0 and len(made.wealth) == 31


def test_a_forecaster_that_peeks_is_caught() -> None:
    """Whatever asks for a row after the one that is decided on raises, whichever way it asks."""
    seen = world(FLAT)

    def peeks(row: int) -> list[Any]:
        cell = seen.cells(row + 1)[0]
        return says(cell.rate if cell else None, None)

    with pytest.raises(FutureRead, match="row 6 is asked for at row 5"):
        replay(seen, loose(), peeks, 10_000.0, 5, 20)
    seen = world(FLAT)

    def earns(row: int) -> list[Any]:
        return says(*seen.rates_until_next(row))

    with pytest.raises(FutureRead, match="what row 5 earns"):
        replay(seen, loose(), earns, 10_000.0, 5, 20)


def test_nothing_that_comes_later_changes_a_decision() -> None:
    early, late = dict(FLAT), {name: [*rates[:20], *([0.9] * 20)] for name, rates in FLAT.items()}
    one = replay(world(early), loose(), quiet, 10_000.0, 0, 19).ledger
    other = replay(world(late), loose(), quiet, 10_000.0, 0, 19).ledger
    assert [(row, plan.legs) for row, plan in one.log] == [(row, plan.legs) for row, plan in other.log]
    assert one.held == other.held


def test_a_spike_is_not_chased_where_the_forecast_says_that_it_goes() -> None:
    """A quote of one moment, which nobody earned: as one borrower's nightly loan makes it."""
    spike = {"USDC": [0.05] * 40, "USDT": [0.04] * 20 + [0.30] + [0.04] * 19}
    paid = [[0.05, 0.04]] * 40
    free = AlarmLimits(off=("SPIKE",))  # the alarm would stop it too; here the forecast alone is looked at
    chased = replay(world(spike, realised=paid), loose(horizon_days=30.0, alarms=free), quiet, 100_000.0, 0, 38)
    calm = replay(
        world(spike, realised=paid), loose(alarms=free), lambda row: says(0.05, 0.06 if row == 20 else 0.04),
        100_000.0, 0, 38,
    )  # fmt: skip
    assert len(chased.ledger.log) > len(calm.ledger.log) == 1
    assert calm.wealth[-1] > chased.wealth[-1]


def test_what_is_locked_stays_and_what_is_blocked_takes_nothing() -> None:
    days = {"USDC": [0.05] * 10 + [0.001] * 20, "USDC/two": [0.04] * 30}
    use = [[0.5, 0.5]] * 8 + [[0.999, 0.5]] * 22
    made = replay(world(days, utilisation=use), loose(), quiet, 50_000.0, 0, 28)
    assert made.ledger.held[0] > 50_000 * ONE and made.ledger.held[1] == 0, "nothing could be taken out"
    shut = replay(world(days, blocked=[[1, 0]] * 30), loose(), quiet, 50_000.0, 0, 8)
    assert shut.ledger.held[0] == 0 and shut.ledger.held[1] > 0


def test_failures_are_drawn_from_the_seed_and_cost_their_gas() -> None:
    one, same, other = (
        replay(world(FLAT), loose(), quiet, 10_000.0, 0, 30, failures=0.9, seed=seed) for seed in (2, 2, 4)
    )
    assert one.wealth == same.wealth and one.failed == same.failed > 0
    assert (one.failed, one.wealth) != (other.failed, other.wealth)
    assert one.ledger.gas == pytest.approx(0.05 * (one.failed + 1))


def test_no_unit_is_made_or_lost_by_moving() -> None:
    seen = world({"USDC": [0.05] * 4, "USDT": [0.04] * 4, "DAI": [0.03] * 4})
    own = SimulatedLedger.with_cash(seen, 1_000.0)
    own.rebalance(0, [300 * ONE, 300 * ONE, 0])
    swapped = round(own.swapped * ONE)
    assert sum(own.held) + sum(own.idle) + swapped == 1_000 * ONE
    assert own.held[0] == 300 * ONE and 0 < 300 * ONE - own.held[1] <= 300 * ONE * 4 // 10_000
    own.rebalance(1, [0, 0, 100 * ONE])
    assert sum(own.held) + sum(own.idle) + round(own.swapped * ONE) == pytest.approx(1_000 * ONE, abs=2)
    with pytest.raises(ValueError, match="base units are taken where there are"):
        own._take(own.held, 0, 1)


def test_a_decision_weighs_the_gas_of_a_swap_that_the_ledger_and_the_simple_rules_are_charged() -> None:
    days = {"USDC": [0.05] * 12 + [0.01] * 18, "USDT": [0.04] * 30}
    seen = world(days, touch=2.0)
    made = replay(seen, loose(), quiet, 100_000.0, 0, 29)
    swapping = [
        (row, plan, paid)
        for (row, plan), paid in zip(made.ledger.log, made.ledger.paid, strict=True)
        if plan.allocation.swaps
    ]
    assert swapping
    for row, plan, paid in swapping:
        costs = seen.costs[row]
        assert [swap.gas for swap in plan.allocation.swaps] == [SWAP_GAS] * len(plan.allocation.swaps)
        lost = sum((swap.given.raw - swap.gets.raw) / ONE for swap in plan.allocation.swaps)
        touched = len(plan.legs) - len(plan.allocation.swaps)
        assert paid == pytest.approx(touched * costs.touch + len(plan.allocation.swaps) * costs.swap + lost)
        assert plan.cost == pytest.approx(paid, rel=1e-4), "but for what rounding leaves unpaired"
