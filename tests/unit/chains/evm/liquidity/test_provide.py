"""A plan's leg of liquidity: each transaction within the leg, and all of them together too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.kit.evm.pool_calls import MANAGER, POOL, POSITION, RULES, STATE, WETH, swapped
from tests.kit.evm.provide import LEG, MARKET, ORDER, plan_of, work_of
from tests.kit.wiring import BLOCK, EXPIRES, NOW, OWNER, STRANGER, USDC
from yieldbot.chains.evm.execution.build import allowance_call
from yieldbot.chains.evm.liquidity.judge import judge_provided
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall
from yieldbot.execution.approvals import NEVER, Approval
from yieldbot.execution.deltas import provided_fault
from yieldbot.math.liquidity_range import Range
from yieldbot.model.amounts import Amount
from yieldbot.model.exchange import SwapTerms
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import ApprovedTx, Confirmed, Delta, EvmCall, SimulatedTx, UnsignedTx
from yieldbot.protocols.evm import position_manager as calls

OUT = Leg(LegKind.WITHDRAW, MARKET.id, Amount(USDC, 4000), all=True)
SWAP = replace(ORDER, ticks=None, most=(1000, 0), swap=SwapTerms((POOL,), Amount(WETH, 1000), Amount(USDC, 1900)))
MINT = calls.mint(STATE, Range(-100, 100), (1000, 2000), (900, 1800), OWNER, EXPIRES)
TAKES = (Delta(WETH, -1000), Delta(USDC, -2000), Delta(POSITION, 1))
CAME = Delta(WETH, 1000)
"""What the leg's own swap brought before."""


def confirmed(*deltas: Delta) -> Confirmed:
    return Confirmed("0x" + "11" * 32, BLOCK, 1, 1, deltas)


def judged(
    call: EvmCall,
    order: LiquidityOrder = ORDER,
    deltas: tuple[Delta, ...] = TAKES,
    before: tuple[Delta, ...] = (CAME, Delta(USDC, -2000)),
    leg: Leg = LEG,
    planned: Leg | None = None,
    now: int = NOW,
    **rest: Any,
) -> ApprovedTx | Declined:
    tx = UnsignedTx(
        USDC.chain, OWNER, call.to, call.data, 0, 3, 500_000, 2 * 10**9, 10**9, call.description, "p1", 0, MARKET.id
    )
    approval = Approval(plan_of(planned or leg), "a person", EXPIRES)
    seen = SimulatedTx(tx, replace(BLOCK, timestamp=NOW), 400_000, deltas)
    step = OrderCall(call=call, order=order)
    return judge_provided(RULES, approval, work_of(leg, **rest), step, seen, [confirmed(*before)], now)


def code(*args: Any, **rest: Any) -> str | None:
    found = judged(*args, **rest)
    return found.code if isinstance(found, Declined) else None


def test_what_was_approved_passes_and_says_who_approved() -> None:
    found = judged(MINT)
    assert isinstance(found, ApprovedTx)
    assert (found.approver, found.expires_at) == ("a person", NOW + 60), "no longer than its deadline lets it be mined"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ({"now": EXPIRES}, "EXPIRED"),
        ({"before": (CAME, Delta(USDC, -2001))}, "AMOUNT_ABOVE_PLAN"),  # a unit more than the leg's, over all of it
        ({"before": (Delta(WETH, 999), Delta(USDC, -2000))}, "AMOUNT_ABOVE_PLAN"),  # of the other token nothing may go
        ({"planned": replace(LEG, amount=Amount(USDC, 3999))}, "AMOUNT_ABOVE_PLAN"),
        ({"planned": replace(LEG, ticks=(-90, 110))}, "NOT_IN_PLAN"),
        ({"planned": replace(LEG, kind=LegKind.WITHDRAW)}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, id="p2")}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, manager=Address(STRANGER))}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, router=Address(STRANGER))}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, tokens=(USDC, WETH))}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, share=WETH)}, "NOT_IN_PLAN"),
        ({"order": replace(ORDER, ticks=(-94, 106))}, "NOT_IN_PLAN"),  # further than our own swaps may have moved it
        ({"order": replace(ORDER, ticks=(-100, 101))}, "NOT_IN_PLAN"),  # wider
        ({"order": replace(ORDER, token_id=7, ticks=None)}, "NOT_IN_PLAN"),  # no position of the leg's
        ({"order": replace(ORDER, most=(999, 2000))}, "AMOUNT_ABOVE_PLAN"),
        ({"order": replace(ORDER, least_put=(901, 1800))}, "BELOW_LEAST"),
    ],
)
def test_what_is_not_the_legs_is_refused(rest: dict[str, Any], why: str) -> None:
    assert code(MINT, **rest) == why


def test_a_range_may_be_moved_as_far_as_the_price_and_no_wider() -> None:
    moved = calls.mint(STATE, Range(-95, 105), (1000, 2000), (900, 1800), OWNER, EXPIRES)
    assert code(moved, replace(ORDER, ticks=(-95, 105))) is None
    assert code(moved, replace(ORDER, ticks=(-95, 105)), shift=4) == "NOT_IN_PLAN"


def test_what_comes_out_of_a_position_is_not_taken_from_the_wallet() -> None:
    sold = (Delta(WETH, -1000), Delta(USDC, 1950))
    assert code(swapped(1900), SWAP, sold, before=(CAME,), leg=OUT) is None
    assert code(swapped(1900), SWAP, sold, before=(Delta(WETH, 999),), leg=OUT) == "AMOUNT_ABOVE_PLAN"
    assert code(swapped(1899), SWAP, sold, before=(CAME,), leg=OUT) == "LEAST_BELOW_PLAN"
    assert code(swapped(1900, Address(STRANGER)), SWAP, sold, before=(CAME,), leg=OUT) == "RECIPIENT_NOT_SELF"
    ours = replace(ORDER, token_id=7, ticks=None, most=(0, 0), liquidity=500, least_out=(90, 180))
    taken = calls.decrease(STATE, 7, 500, (90, 180), EXPIRES)
    assert code(taken, ours, (), before=(), leg=OUT, token_ids=frozenset({7})) is None
    assert code(taken, ours, (), before=(), leg=OUT, token_ids=frozenset({8})) == "NOT_IN_PLAN"


def test_allowances_are_the_orders_and_may_always_be_taken_back() -> None:
    exact, more = (allowance_call(WETH, MANAGER, raw, "the manager") for raw in (1000, 1001))
    assert code(exact, deltas=()) is None and code(more, deltas=()) == "ALLOWANCE_NOT_EXACT"
    assert code(allowance_call(WETH, Address(STRANGER), 1, "x"), deltas=()) == "SPENDER_NOT_ALLOWED"
    late = judged(allowance_call(WETH, MANAGER, 0, "the manager"), deltas=(), now=EXPIRES + 1)
    assert isinstance(late, ApprovedTx) and late.expires_at == NEVER


@pytest.mark.parametrize(
    ("leg", "usdc", "weth", "right"),
    [
        (LEG, -4000, 0, True),
        (LEG, -3994, 3, True),
        (LEG, -3990, 0, False),  # too little went in
        (LEG, -4001, 0, False),
        (LEG, -4000, -1, False),
        (OUT, 4000, 0, True),
        (OUT, 4100, 0, True),
        (OUT, 3990, 0, False),
        (OUT, 4000, -1, False),
        (replace(LEG, kind=LegKind.REBALANCE), 0, 0, True),
        (replace(LEG, kind=LegKind.REBALANCE), 5, 5, True),
        (replace(LEG, kind=LegKind.REBALANCE), -10, 0, False),
    ],
)
def test_a_legs_whole_effect_is_its_meaning(leg: Leg, usdc: int, weth: int, right: bool) -> None:
    deltas = (Delta(USDC, usdc), Delta(WETH, weth))
    assert (provided_fault(leg, WETH, deltas, 11.0) is None) is right
