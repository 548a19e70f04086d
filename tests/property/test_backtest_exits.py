"""Exits in backtests: as far as there is cash, after a wait where the market has one, and a second, tiny simulation
that a replay is held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.kit.draws import draws
from tests.kit.policies import loose
from tests.unit.backtest.recorded import DAY, panel, says, world
from yieldbot.backtest.bound import bound
from yieldbot.backtest.costs import Costs
from yieldbot.backtest.foresight import foresee
from yieldbot.backtest.replay import Replayed, replay
from yieldbot.backtest.rules import RULES, follow
from yieldbot.backtest.study import window_of
from yieldbot.backtest.world import ONE, World
from yieldbot.model.market import ExitKind
from yieldbot.model.plan import LegKind

PATIENT = loose(max_exit_hours=24 * 30)
"""May enter markets whose exit waits."""


def quiet(row: int) -> list[None]:
    return [None, None]


def waiting(rates: dict[str, list[float]], waits: Sequence[int], **grids: object) -> World:
    grids.setdefault("supplied", 1e9)
    made = panel(rates, **grids)
    return World(made, [Costs.of_rollup()] * len(made.times), [days * DAY for days in waits])


def simulated(seen: World, made: Replayed, dollars: float, first: int, last: int) -> list[float]:
    """Wealth by day, from the plans alone: floats, dictionaries and the raw arrays, nothing of the ledger, of the
    snapshot or of the curves. For markets whose rate falls with (S / (S + x))^2, and coins of one dollar."""
    grid, plans = seen.panel, dict(made.ledger.log)
    lost = {row for row, _, _ in made.ledger.failed}
    held, gone = {market.id: 0.0 for market in seen.markets}, dict[str, tuple[float, float]]()
    purse = {token: 0.0 for token in seen.tokens} | {seen.tokens[0]: dollars}
    spent, worth = 0.0, [dollars]
    for row in range(first, last):
        now, costs = float(grid.times[row]), seen.costs[row]
        spent += costs.touch if row in lost else 0.0
        for leg in plans[row].legs if row in plans else ():
            token, amount = leg.amount.token, leg.amount.raw / 1e6
            if leg.kind is LegKind.SWAP:
                assert leg.gets is not None
                purse[token] -= amount
                purse[leg.gets.token] += amount * (1.0 - costs.swap_bps / 10_000)
                spent += costs.swap
                continue
            spent += costs.touch
            column = int(leg.market_id.rpartition("/")[2])
            if leg.kind is LegKind.DEPOSIT:
                amount = min(amount, purse[token])
                purse[token] -= amount
                held[leg.market_id] += amount
            elif leg.kind is LegKind.COLLECT:
                there, until = gone[leg.market_id]
                assert now >= until and amount <= there + 1e-6, "before its time"
                gone[leg.market_id] = there - amount, until
                purse[token] += amount
            else:
                amount = held[leg.market_id] if leg.all else amount
                held[leg.market_id] -= amount
                if leg.kind is LegKind.REQUEST:
                    gone[leg.market_id] = amount, now + seen.waits[column]
                else:
                    use, supplied = grid.utilisation[row, column], grid.supplied[row, column]
                    cash = supplied if np.isnan(use) else 0.0 if use > 0.995 else supplied * (1.0 - use)
                    assert amount <= cash + 1e-6 and not seen.waits[column], "beyond the cash"
                    purse[token] += amount
        for column, market in enumerate(seen.markets):
            mine, supplied = held[market.id], grid.supplied[row, column]
            years = (float(grid.times[row + 1]) - now) / (365 * DAY)
            held[market.id] += mine * grid.realised[row + 1, column] * (supplied / (supplied + mine)) ** 2 * years
        worth.append(sum(held.values()) + sum(purse.values()) + sum(amount for amount, _ in gone.values()) - spent)
    return worth


@pytest.mark.parametrize("seed", sorted({0, 3, 4, 5} | set(range(draws(0, 6)))))
def test_a_second_simulation_comes_to_the_same_wealth_each_day(seed: int) -> None:
    draw, days = np.random.default_rng(seed), 50
    names = ("USDC", "USDT", "USDC/two", "DAI")
    steps = [np.repeat(draw.uniform(0.0, 0.2, days // 10), 10) for _ in names]
    seen = waiting(
        {name: one.tolist() for name, one in zip(names, steps, strict=True)},
        (0, 0, 5, 0) if seed % 2 else (0, 0, 0, 0),
        supplied=np.repeat(draw.uniform(2e5, 4e6, (1, 4)), days, axis=0),
        cash=np.where(draw.random((days, 4)) < 0.3, 2_000.0, 1e9) if seed > 3 else np.nan,
    )
    said = lambda row: says(*(float(rate) for rate in seen.panel.quoted[row]))  # noqa: E731
    dollars = 10.0 ** (4 + seed % 3)
    made = replay(seen, PATIENT, said, dollars, 2, days - 1, failures=0.2, seed=seed)
    if seed > 3:  # the cash of these is recorded by itself: what the second simulation asserts does not know it
        assert all(
            leg.amount.raw <= 2_000 * ONE or seen.panel.cash[row, int(leg.market_id[-1])] > 2_000.0
            for row, plan in made.ledger.log
            for leg in plan.legs
            if leg.kind in (LegKind.WITHDRAW, LegKind.DEPOSIT)
        )
    kinds = {leg.kind for _, plan in made.ledger.log for leg in plan.legs}
    assert {LegKind.DEPOSIT, LegKind.SWAP} <= kinds and kinds & {LegKind.WITHDRAW, LegKind.REQUEST}
    for day, (one, other) in enumerate(zip(made.wealth, simulated(seen, made, dollars, 2, days - 1), strict=True)):
        assert one == pytest.approx(other, abs=1e-5 * (day + 1)), day


def test_money_leaves_in_two_steps_and_earns_nothing_while_it_waits() -> None:
    rates = {"USDC": [0.02] * 40, "USDC/slow": [0.12] * 10 + [0.001] * 30}
    seen = waiting(rates, (0, 7))
    made = replay(seen, PATIENT, lambda row: says(*seen.panel.quoted[row].tolist()), 50_000.0, 0, 39)
    steps = [(row, leg.kind) for row, plan in made.ledger.log for leg in plan.legs]
    assert steps == [
        (0, LegKind.DEPOSIT), (10, LegKind.REQUEST), (17, LegKind.COLLECT), (18, LegKind.DEPOSIT)
    ]  # fmt: skip
    waits = [made.ledger.waiting[row] for row in range(39)]
    assert all(waits[10:17]) and not any(waits[:10]) and not any(waits[17:])
    assert len({round(one, 6) for one in made.wealth[11:17]}) == 1, "nothing is earned on the way"
    assert made.ledger.holdings[-1][1] == 0 and made.ledger.holdings[-1][0] > 50_000 * ONE
    bounds = window_of(seen, {"p": lambda row: says(*seen.panel.quoted[row].tolist())}, "u", 5e4, {"p": PATIENT}, 0, 39)
    assert bounds[0].locked_days == 7.0, "asked for and not there yet"


def test_the_shipped_policy_enters_nothing_that_waits() -> None:
    made = replay(waiting({"USDC": [0.02] * 9, "USDC/slow": [0.2] * 9}, (0, 7)), loose(), quiet, 50_000.0, 0, 8)
    assert made.ledger.holdings[-1][0] > 0 and made.ledger.holdings[-1][1] == 0
    state = waiting({"USDC": [0.02] * 9}, (7,)).snapshot(0, [0], [ONE]).markets[0]
    assert state.exit.kind is ExitKind.COOLDOWN and state.exit.seconds == 7 * DAY


def test_what_was_asked_for_is_paid_as_far_as_there_is_cash() -> None:
    """And the rest later, as there is more: on day 14 what came is put in first, as one plan does one thing."""
    cash = [[1e9, 1e9]] * 13 + [[1e9, 20_000.0]] * 2 + [[1e9, 1e9]] * 25
    rates = {"USDC": [0.02] * 40, "USDC/slow": [0.12] * 10 + [0.001] * 30}
    seen = waiting(rates, (0, 3), cash=cash)
    made = replay(seen, PATIENT, lambda row: says(*seen.panel.quoted[row].tolist()), 50_000.0, 0, 39)
    paid = [
        (row, round(float(leg.amount)))
        for row, plan in made.ledger.log
        for leg in plan.legs
        if leg.kind is LegKind.COLLECT
    ]
    assert [row for row, _ in paid] == [13, 15] and paid[0][1] == 20_000 and 30_000 <= paid[1][1] <= 30_300


def test_an_exit_takes_as_many_days_as_the_cash_does() -> None:
    """A market at once, whose cash is a fifth of ours: it is left in parts, and counts as locked until then."""
    rates = {"USDC": [0.12] * 10 + [0.001] * 20, "USDC/two": [0.03] * 30}
    cash = [[1e9, 1e9]] * 10 + [[10_000.0, 1e9]] * 20
    seen = world(rates, cash=cash)
    said = lambda row: says(*seen.panel.quoted[row].tolist())  # noqa: E731
    made = replay(seen, loose(), said, 50_000.0, 0, 29)
    out = [(row, leg.amount.raw) for row, plan in made.ledger.log for leg in plan.legs if leg.kind is LegKind.WITHDRAW]
    assert [row for row, _ in out] == [10, 11, 12, 13, 14] and all(raw <= 10_000 * ONE for _, raw in out)
    assert made.ledger.holdings[-1][0] < 200 * ONE, "what it earned before is not worth a plan"
    (one,) = window_of(seen, {"p": said}, "u", 50_000.0, {"p": loose()}, 0, 29)
    assert one.locked_days == 4.0, "after the fourth day what is left is less than the cash"


def test_nothing_goes_in_beyond_the_cash_that_could_pay_it_out_again() -> None:
    seen = world({"USDC": [0.12] * 9, "USDC/two": [0.03] * 9}, cash=[[10_000.0, 1e9]] * 9)
    first = replay(seen, loose(), quiet, 50_000.0, 0, 1).ledger
    assert 0 < first.holdings[0][0] <= 10_000 * ONE and first.holdings[0][1] >= 39_000 * ONE


def test_rules_and_foresight_wait_too() -> None:
    rates = {"USDC": [0.02] * 30, "USDC/slow": [0.12] * 10 + [0.001] * 20}
    at_once, slow = waiting(rates, (0, 0)), waiting(rates, (0, 10))
    for name in ("greedy", "zyfai-like"):
        fast, late = (follow(one, RULES[name](), 50_000.0, 0, 29).wealth for one in (at_once, slow))
        assert late < fast, name
    late = follow(slow, RULES["greedy"](), 50_000.0, 0, 29)
    assert not late.asked and late.holdings[-1][0] > 50_000 * ONE and max(late.waiting) > 50_000 * ONE
    fast, after = foresee(at_once, 50_000.0, 0, 29), foresee(slow, 50_000.0, 0, 29)
    assert after.bound < fast.bound and late.wealth - 50_000.0 <= after.gain <= after.bound
    assert after.bound == pytest.approx(after.gain, rel=0.02)


@pytest.mark.parametrize("seed", range(draws(2, 4)))
def test_no_policy_is_above_the_bound_whatever_waits_and_lacks_cash(seed: int) -> None:
    draw, days = np.random.default_rng(seed), 30
    names = ("USDC", "USDC/two", "USDT")
    rates = {name: np.repeat(draw.uniform(0.0, 0.3, 6), 5).tolist() for name in names}
    seen = waiting(
        rates, draw.choice([0, 0, 4], 3).tolist(), supplied=np.repeat(draw.uniform(1e5, 1e6, (1, 3)), days, axis=0),
        utilisation=np.repeat(draw.choice([0.5, 0.9, 0.97], (6, 3)), 5, axis=0), borrow_rate=0.2,
    )  # fmt: skip
    said = lambda row: says(*seen.panel.quoted[row].tolist())  # noqa: E731
    for dollars in (3_000.0, 300_000.0):
        made = replay(seen, PATIENT, said, dollars, 0, days - 1)
        assert made.wealth[-1] - dollars <= bound(seen, dollars, 0, days - 1).gain


def test_waits_are_one_for_each_market() -> None:
    with pytest.raises(ValueError, match="1 waits for 2 markets"):
        waiting({"USDC": [0.1] * 3, "USDC/two": [0.1] * 3}, (3,))
