"""What can be taken out of markets that are to be left, in which order, and what stays and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.market_builder import IDLE_ID, kinked, market, snapshot, usdc
from tests.kit.policies import loose
from yieldbot.allocator.exits import ORDERED, Exits, exit_plan
from yieldbot.math.curves import ConstantCurve
from yieldbot.model.market import Exit, ExitKind, Leaving, MarketState, Snapshot, Status
from yieldbot.model.plan import Leg, LegKind
from yieldbot.model.risk import Act, Alarm

NOW = 1_800_000_000
POLICY = loose()
GWEI = 10**9


def alarm(code: str = "BAD_DEBT", act: Act = Act.LEAVE, since: int = NOW - 60, saw: str = "99 % is lent") -> Alarm:
    return Alarm(code=code, act=act, saw=saw, since=since)


def bad(name: str, held: float, cash: float = 1e9, *alarms: Alarm, **fields: Any) -> MarketState:
    state = market(name, ConstantCurve(0.2), held=held, liquidity=cash)
    return replace(state, alarms=alarms or (alarm(),), **fields)


def found(*states: MarketState, gwei: float = 1.0, **options: Any) -> Exits:
    return exit_plan(seen(*states, gwei=gwei), POLICY, NOW, **options)


def seen(*states: MarketState, gwei: float = 1.0) -> Snapshot:
    return snapshot(100, *states, gwei=gwei)


def legs(exits: Exits) -> list[tuple[LegKind, str, float, bool]]:
    assert exits.plan is not None
    return [(o.kind, o.market_id.rpartition("/")[2], float(o.amount), o.all) for o in exits.plan.legs]


def test_all_that_the_market_pays_goes_to_the_wallet_whatever_it_earns() -> None:
    exits = found(bad("a", 5_000), market("calm", ConstantCurve(0.01), held=7_000))
    assert legs(exits) == [(LegKind.WITHDRAW, "a", 5_000, True)] and exits.stays == ()
    plan = exits.plan
    assert plan is not None and plan.is_exit and plan.takes_out and plan.moves == ()
    assert plan.why == ("a: BAD_DEBT: 99 % is lent",) and plan.expires_at == NOW + POLICY.plan_ttl_seconds
    assert plan.allocation.targets[IDLE_ID] == usdc(5_100) and plan.gain_per_year == 0.0 and plan.cost > 0


def test_a_part_comes_out_where_there_is_cash_for_a_part() -> None:
    exits = found(bad("a", 5_000, 1_200))
    assert legs(exits) == [(LegKind.WITHDRAW, "a", 1_200, False)]
    (left,) = exits.stays
    assert left.held == usdc(3_800) and "cash for 1,200 USDC" in left.why and "cash" in left.after


def test_the_most_dangerous_first_then_the_one_with_least_cash() -> None:
    ordered = bad("ordered", 9_000, 10, alarm(ORDERED, since=1))
    young = bad("young", 100, 1e9, alarm(since=NOW - 10))
    old = bad("old", 100, 1e9, alarm(since=NOW - 1_000))
    two = bad("two", 100, 1e9, alarm(), alarm("PEG"))
    tight = bad("tight", 100, 50, alarm(since=NOW - 10))
    only_stop = bad("stop", 100, 1e9, alarm(act=Act.STOP))
    exits = found(ordered, young, old, two, tight, only_stop)
    assert [name for _, name, *_ in legs(exits)] == ["two", "old", "tight", "young", "ordered"]


@pytest.mark.parametrize(
    ("fields", "cash", "why"),
    [
        ({"status": Status.PAUSED}, 1e9, "paused"),
        ({"stuck": "it reverts"}, 1e9, "it reverts"),
        ({}, 0, "no cash"),
        ({}, 0.2, "worth less than the"),
    ],
)
def test_what_cannot_be_taken_out_is_named_and_the_rest_goes_on(fields: dict[str, Any], cash: float, why: str) -> None:
    exits = found(bad("a", 5_000, cash, **fields), bad("b", 10))
    assert legs(exits) == [(LegKind.WITHDRAW, "b", 10, True)]
    (left,) = exits.stays
    assert (left.name, left.held) == ("a", usdc(5_000)) and why in left.why and left.after
    alone = found(bad("a", 5_000, cash, **fields))
    assert alone.plan is None and why in alone.why and "5,000 USDC" in alone.why


def test_frozen_markets_pay_and_one_that_is_stuck_is_tried_when_its_day_has_come() -> None:
    assert legs(found(bad("a", 50, status=Status.FROZEN))) == [(LegKind.WITHDRAW, "a", 50, True)]
    assert legs(found(bad("a", 50, stuck="it reverts", again=True))) == [(LegKind.WITHDRAW, "a", 50, True)]


def test_dust_is_left_and_said() -> None:
    exits = found(bad("a", 0.3), gwei=1.0)
    assert exits.plan is None and "worth less than the 0.6000 USDC of gas" in exits.why
    assert legs(found(bad("a", 0.3), gwei=0.1)) == [(LegKind.WITHDRAW, "a", 0.3, True)]


def test_gas_above_the_signers_ceiling_is_waited_for_and_said() -> None:
    exits = found(bad("a", 5_000), gwei=9.0, max_fee_wei=8 * GWEI)
    assert exits.plan is None and "gas is at 9 gwei, above the ceiling of 8" in exits.why
    assert found(bad("a", 5_000), gwei=8.0, max_fee_wei=8 * GWEI).plan is not None


def leaving(requested: float = 0, ready: float = 0, back: float = 0, until: int | None = NOW) -> Leaving:
    return Leaving(requested=usdc(requested), ready=usdc(ready), back=usdc(back), until=until)


@pytest.mark.parametrize(
    ("gone", "due", "stays"),
    [
        (None, [Leg(LegKind.REQUEST, bad("a", 1).market.id, usdc(900), all=True)], 900),
        (leaving(requested=900), [], 900),
        (leaving(back=900), [Leg(LegKind.CANCEL, bad("a", 1).market.id, usdc(900))], 900),
        (leaving(ready=900), [Leg(LegKind.COLLECT, bad("a", 1).market.id, usdc(900), all=True)], None),
        (
            leaving(requested=500, ready=100, back=300),
            [
                Leg(LegKind.COLLECT, bad("a", 1).market.id, usdc(100)),
                Leg(LegKind.CANCEL, bad("a", 1).market.id, usdc(300)),
            ],
            800,
        ),
        (leaving(ready=0.5, requested=899.5), [], 900),
    ],
)
def test_two_steps_are_taken_as_they_come_due(gone: Leaving | None, due: list[Leg], stays: float | None) -> None:
    state = bad("a", 900, 0, exit=Exit(kind=ExitKind.COOLDOWN, seconds=86_400), leaving=gone)
    exits = found(state)
    assert ([] if exits.plan is None else list(exits.plan.legs)) == due
    assert [one.held for one in exits.stays] == ([] if stays is None else [usdc(stays)])
    if gone is not None and exits.stays:
        whom = "requested again" if gone.back and not gone.requested else f"{gone.requested} are requested"
        assert whom in exits.stays[0].why


def test_a_label_makes_no_exit() -> None:
    plan = found(bad("a", 5_000)).plan
    assert plan is not None
    put = Leg(LegKind.DEPOSIT, plan.legs[0].market_id, usdc(1))
    swap = Leg(LegKind.SWAP, plan.legs[0].market_id, usdc(1), gets=usdc(1))
    for leg in (put, swap, replace(plan.legs[0], gets=usdc(1)), replace(plan.legs[0], kind=LegKind.REBALANCE)):
        forged = replace(plan, legs=(*plan.legs, leg))
        assert not forged.is_exit and not forged.takes_out
    assert not replace(plan, legs=()).is_exit and not replace(plan, why=()).is_exit
    assert replace(plan, why=("another",)) != plan


@pytest.mark.parametrize(
    ("held", "gwei", "leaves"), [(1_000_000, 20.0, True), (10_000, 20.0, False), (10_000, 0.05, True)]
)
def test_signs_of_too_little_cash_alone_are_not_paid_for_with_more_than_they_cost(
    held: float, gwei: float, leaves: bool
) -> None:
    """225,000 gas out and in again at 20 gwei are some 25 dollars: a quarter of a basis point of a million, 25 of ten
    thousand."""
    full = market("a", kinked(1e8, 9.6e7), held=held, liquidity=4e6, borrowed=9.6e7)
    for code in ("UTILISATION", "CASH_FALLING", "CASH_THIN", "COLLATERAL_LOCKED"):
        found = exit_plan(snapshot(0, replace(full, alarms=(alarm(code),)), gwei=gwei), POLICY, NOW)
        assert (found.plan is not None) is leaves, (code, found)
        if not leaves:
            (left,) = found.stays
            assert "only its cash is doubted" in left.why and "cash_exit_bps is 5" in left.why
    for more in ("PEG", "EXIT_ORDERED", "CONTROL_WEAKER"):
        both = replace(full, alarms=(alarm("UTILISATION"), alarm(more)))
        assert exit_plan(snapshot(0, both, gwei=gwei), POLICY, NOW).plan is not None, "at any cost below its worth"
    free = replace(POLICY, alarms=replace(POLICY.alarms, cash_exit_bps=1_000.0))
    assert exit_plan(snapshot(0, replace(full, alarms=(alarm("UTILISATION"),)), gwei=gwei), free, NOW).plan is not None
