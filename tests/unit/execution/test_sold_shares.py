"""Legs of shares that are bought and sold at a price: what the plan states binds each leg that is built from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kit.wiring import EXPIRES, MARKET, NOW, OWNER, POOL, RULES, SHARES, USDC, plan, work
from yieldbot.allocator.share_terms import reduced
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.execution.judge import judge
from yieldbot.execution.approvals import Approval
from yieldbot.execution.deltas import leg_fault
from yieldbot.execution.planned import leg_in_plan
from yieldbot.model.amounts import Amount
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import Allowance, Delta, SimulatedTx, UnsignedTx

SALE = Leg(LegKind.WITHDRAW, MARKET.id, Amount(USDC, 900), gets=Amount(USDC, 890), gives=Amount(SHARES, 1_000))
PURCHASE = Leg(LegKind.DEPOSIT, MARKET.id, Amount(USDC, 900), gets=Amount(SHARES, 990))


@pytest.mark.parametrize(
    ("built", "code"),
    [
        (SALE, None),
        (reduced(SALE, Amount(USDC, 333)), None),
        (replace(SALE, gets=Amount(USDC, 889)), "BELOW_LEAST"),
        (replace(SALE, gives=Amount(SHARES, 1_001)), "AMOUNT_ABOVE_PLAN"),
        (replace(SALE, amount=Amount(USDC, 450), gets=Amount(USDC, 445)), "BELOW_LEAST"),
        (replace(SALE, gets=None), "NOT_IN_PLAN"),
        (replace(SALE, gives=None), "NOT_IN_PLAN"),
        (replace(SALE, gets=Amount(SHARES, 890)), "NOT_IN_PLAN"),
    ],
)
def test_a_sale_is_the_approved_one_at_its_price_or_a_better_one(built: Leg, code: str | None) -> None:
    found = leg_in_plan(plan(SALE), replace(work(), leg=built))
    assert (found.code if found else None) == code


def test_a_purchase_brings_the_approved_rate() -> None:
    assert leg_in_plan(plan(PURCHASE), replace(work(), leg=reduced(PURCHASE, Amount(USDC, 7)))) is None
    worse = leg_in_plan(plan(PURCHASE), replace(work(), leg=replace(PURCHASE, gets=Amount(SHARES, 989))))
    assert worse is not None and worse.code == "BELOW_LEAST"
    bare = leg_in_plan(plan(PURCHASE), replace(work(), leg=replace(PURCHASE, gets=None)))
    assert bare is not None and bare.code == "NOT_IN_PLAN"


@pytest.mark.parametrize(
    ("leg", "usdc", "shares", "code"),
    [
        (SALE, 890, -1_000, None),
        (SALE, 5_000, -1, None),
        (SALE, 889, -1_000, "BELOW_LEAST"),
        (SALE, 900, -1_001, "DELTA_NOT_PLANNED"),
        (SALE, 900, 0, "DELTA_NOT_PLANNED"),
        (PURCHASE, -900, 990, None),
        (PURCHASE, -900, 989, "BELOW_LEAST"),
    ],
)
def test_what_it_moves_on_the_fork_is_within_its_terms(leg: Leg, usdc: int, shares: int, code: str | None) -> None:
    found = leg_fault(replace(work(), leg=leg), (Delta(USDC, usdc), Delta(SHARES, shares)), 1.0)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("leg", "raw", "allowed"),
    [
        (SALE, 1_000, True),
        (SALE, 999, False),
        (replace(SALE, gives=None, gets=None), 1_000, False),
        (PURCHASE, 990, False),
    ],
)
def test_shares_are_allowed_for_their_sale_alone_in_exactly_its_amount(leg: Leg, raw: int, allowed: bool) -> None:
    call = allowance_call(SHARES, POOL, raw, "pool")
    base = work()
    sale = replace(base.calls[0], allowance=Allowance(SHARES, POOL, 1_000))
    sells = replace(base, leg=leg, calls=(sale,), most_shares=1_000)
    approved = plan(leg)
    names = (MARKET.chain, OWNER, call.to, call.data, 0, 0, 100_000, 10, 1, call.description)
    tx = UnsignedTx(*names, approved.id, 0, MARKET.id)
    simulated = SimulatedTx(tx, approved.block, 50_000, ())
    found = judge(RULES, Approval(approved, "test", EXPIRES), sells, simulated, NOW)
    assert isinstance(found, Declined) is not allowed, found
