"""Which new plans say nothing that the plan that waits does not say already."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.journal.store import plan
from yieldbot.decision.same_plan import says_the_same
from yieldbot.model.amounts import Amount
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import LegKind, Plan

TTL = 3600
WAITS = replace(plan("first"), gain_per_year=100.0, cost=1.0)
NOW = WAITS.expires_at - TTL
(LEG,) = WAITS.legs


def of_amount(raw: int) -> Plan:
    return replace(WAITS, id="newer", legs=(replace(LEG, amount=Amount(LEG.amount.token, raw)),))


def test_interest_and_what_two_markets_share_are_not_material() -> None:
    raw = LEG.amount.raw * 100
    waits = of_amount(raw)
    for change, same in ((0, True), (raw // 100, True), (raw // 100 + 1, False)):
        for now_raw in (raw + change, raw - change):
            assert says_the_same(waits, of_amount(now_raw), NOW, TTL) is same, now_raw


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(WAITS, gain_per_year=109.0, cost=1.2, expires_at=WAITS.expires_at + 1, grade=1), True),
        (replace(WAITS, cost=0.1), True),
        (replace(WAITS, cost=1.3), False),
        (replace(WAITS, gain_per_year=111.0), False),
        (replace(WAITS, gain_per_year=89.0), False),
        (replace(WAITS, owner=Address("0x" + "99" * 20)), False),
        (replace(WAITS, legs=(LEG, LEG)), False),
        (replace(WAITS, legs=(replace(LEG, all=not LEG.all),)), False),
        (replace(WAITS, legs=(replace(LEG, market_id=MarketId("aave_v3/8453/0x55")),)), False),
        (replace(WAITS, legs=(replace(LEG, gets=LEG.amount),)), False),
        (replace(WAITS, why=("an alarm",)), False),
    ],
)
def test_another_step_gain_or_cost_is_material(other: Plan, same: bool) -> None:
    assert says_the_same(WAITS, other, NOW, TTL) is same


def test_an_exit_waits_on_while_its_reasons_are_the_same_but_for_numbers() -> None:
    leaves = replace(WAITS, legs=(replace(LEG, kind=LegKind.WITHDRAW),), moves=(), why=("a: CASH: 1,000.5 left",))
    assert leaves.is_exit
    for why, same in (("a: CASH: 2,000 left", True), ("a: PEG: 2,000 left", False)):
        assert says_the_same(leaves, replace(leaves, why=(why,)), NOW, TTL) is same
    assert not says_the_same(replace(leaves, why=()), leaves, NOW, TTL), "an order that came since is its own reason"


def test_a_plan_that_soon_expires_makes_room() -> None:
    assert says_the_same(WAITS, WAITS, NOW + TTL * 3 // 4, TTL)
    assert not says_the_same(WAITS, WAITS, NOW + TTL * 3 // 4 + 1, TTL)
