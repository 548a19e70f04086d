"""The signer's policy for liquidity transactions: those of a person's order, and of a plan's leg. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import APPROVE, arguments
from yieldbot.chains.evm.execution.account import LegWork
from yieldbot.chains.evm.execution.calldata_rules import judged_swap
from yieldbot.chains.evm.execution.judge import Rules, bounds
from yieldbot.chains.evm.liquidity.order import LiquidityOrder, OrderCall
from yieldbot.chains.evm.signing.sign import digest
from yieldbot.execution.approvals import NEVER, Approval, in_time
from yieldbot.execution.deltas import change_of
from yieldbot.execution.planned import leg_in_plan
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import (
    ApprovedTx,
    Confirmed,
    EvmCall,
    Outcome,
    SimulatedTx,
)

MANAGER_CALLS = ("mint", "increaseLiquidity", "decreaseLiquidity", "collect")
PAIR_CALLS = ("addLiquidity", "removeLiquidity")


def judge_liquidity(
    rules: Rules, order: LiquidityOrder, call: EvmCall, simulated: SimulatedTx, now: int
) -> ApprovedTx | Declined:
    """Judge one transaction of an order: whatever is not expressly allowed is Declined. Pure.

    Allowed: four functions of the order's manager, for our own account and position, within the order's amounts,
    minimums and time; the order's swap; and exact allowances for manager and router. Setting an allowance to zero does
    not need a valid order.
    """
    tx = simulated.tx
    back = takes_back(tx.data)
    late = None if back or now < order.expires_at else Declined("EXPIRED", f"order {order.id} has ended")
    if (refused := bounds(rules, tx) or late) is not None:
        return refused
    if tx.to.lower() != call.to.lower() or tx.data != call.data or tx.plan_id != order.id:
        return Declined("NOT_THE_CALL", f"{tx.description}: is no call of this order")
    if tx.to.lower() == order.manager.lower():
        refused = _manager_call(rules, order, tx.data, now)
    elif order.router and tx.to.lower() == order.router.lower():
        refused = _swap(rules, order, tx.data, now)
    else:
        refused = _allowance(order, tx.to, tx.data)
    refused = refused or _effect(order, simulated)
    if refused is not None:
        return replace(refused, reason=f"{tx.description}: {refused.reason}")
    return ApprovedTx(simulated, digest(tx), "liquidity", NEVER if back else order.expires_at)


def _allowance(order: LiquidityOrder, to: Address, data: bytes) -> Declined | None:
    """Why an allowance is refused; None when token, spender and amount are the order's."""
    for token, most in order.limits:
        if to.lower() != token.address.lower():
            continue
        if data[:4] != APPROVE or len(data) != 68 or any(data[4:16]):
            return Declined("SELECTOR_NOT_ALLOWED", f"of {token.symbol} nothing but approve may be called")
        if data[16:36] not in {bytes.fromhex(spender[2:]) for spender in order.spenders}:
            return Declined("SPENDER_NOT_ALLOWED", "the allowance is neither the position manager's nor the router's")
        raw = int.from_bytes(data[36:], "big")
        return Declined("ALLOWANCE_NOT_EXACT", f"{raw} allowed, the order moves {most}") if raw > most else None
    return Declined("TARGET_NOT_ALLOWED", f"{to} is neither the position manager nor one of the two tokens")


def _manager_call(rules: Rules, order: LiquidityOrder, data: bytes, now: int) -> Declined | None:
    """Why a call of the position manager is refused; None when it is within the order."""
    names = PAIR_CALLS if order.share else MANAGER_CALLS
    known = [function for function in rules.abi.get(data[:4], ()) if function.name in names]
    if not known:
        return Declined("SELECTOR_NOT_ALLOWED", f"{data[:4].hex()} of the position manager is no call of liquidity")
    read = arguments(known[0], data)
    if read is None:
        return Declined("CALLDATA_MALFORMED", f"the bytes are not an exact call of {known[0].signature}")
    if not known[0].has_roles:
        return Declined("ARGUMENT_WITHOUT_ROLE", f"abis/ does not say what each argument of {known[0].name} is")
    name, values = known[0].name, {item.role: item.value for item in read}
    if order.share:
        return _pair_call(rules, order, name, values, now)
    if "recipient" in values and str(values["recipient"]).lower() != rules.owner.lower():
        return Declined("RECIPIENT_NOT_SELF", f"{values['recipient']} is not our account")
    if "position" in values and (order.token_id is None or values["position"] != order.token_id):
        return Declined("NOT_IN_PLAN", f"position {values['position']} is not the order's")
    if "deadline" in values and not now < values["deadline"] <= order.expires_at:
        return Declined("EXPIRED", "its deadline is not within the order's time")
    if name == "mint" and (refused := _new_position(order, values)) is not None:
        return refused
    if name in ("mint", "increaseLiquidity"):
        desired = values["amount0"], values["amount1"]
        if any(want > most for want, most in zip(desired, order.most, strict=True)):
            return Declined("AMOUNT_ABOVE_PLAN", f"{desired} would be put in, {order.most} were approved")
        least = order.least_put
    elif name == "decreaseLiquidity":
        if values["liquidity"] > order.liquidity:
            return Declined("AMOUNT_ABOVE_PLAN", f"liquidity {values['liquidity']}, {order.liquidity} was approved")
        least = order.least_out
    else:
        return None
    if any(given < wanted for given, wanted in zip((values["least0"], values["least1"]), least, strict=True)):
        return Declined("BELOW_LEAST", f"its minimums are below {least}")
    return None


def _pair_call(rules: Rules, order: LiquidityOrder, name: str, values: Mapping[str, Any], now: int) -> Declined | None:
    """Why a call of the v2 router that adds or removes liquidity is refused; None when it is within the order."""
    if str(values["recipient"]).lower() != rules.owner.lower():
        return Declined("RECIPIENT_NOT_SELF", f"{values['recipient']} is not our account")
    if tuple(str(values[key]).lower() for key in ("token0", "token1")) != tuple(
        t.address.lower() for t in order.tokens
    ):
        return Declined("NOT_IN_PLAN", "it is of another pair")
    if not now < values["deadline"] <= order.expires_at:
        return Declined("EXPIRED", "its deadline is not within the order's time")
    if name == "addLiquidity":
        desired, least = (values["amount0"], values["amount1"]), order.least_put
        if any(want > most for want, most in zip(desired, order.most, strict=True)):
            return Declined("AMOUNT_ABOVE_PLAN", f"{desired} would be put in, {order.most} were approved")
    else:
        least = order.least_out
        if values["liquidity"] > order.liquidity:
            return Declined("AMOUNT_ABOVE_PLAN", f"{values['liquidity']} shares, {order.liquidity} were approved")
    if any(given < wanted for given, wanted in zip((values["least0"], values["least1"]), least, strict=True)):
        return Declined("BELOW_LEAST", f"its minimums are below {least}")
    return None


def _swap(rules: Rules, order: LiquidityOrder, data: bytes, now: int) -> Declined | None:
    """Why a router's call is not exactly the order's swap; None when it is."""
    fault: tuple[str, str] = ("SELECTOR_NOT_ALLOWED", f"{data[:4].hex()} of the router is no swap that is known")
    for function in rules.abi.get(data[:4], ()):
        read = arguments(function, data)
        if read is None or order.swap is None:
            fault = ("CALLDATA_MALFORMED", f"the bytes are not an exact call of {function.signature}")
            continue
        found = judged_swap(function, read, rules.owner, order.swap, now, rules.abi)
        if found is None:
            return None
        fault = found
    return Declined(*fault)


def _new_position(order: LiquidityOrder, values: Mapping[str, object]) -> Declined | None:
    """Why a new position is refused; None when pool and range are the order's."""
    pair = tuple(str(values[name]).lower() for name in ("token0", "token1"))
    wanted = tuple(token.address.lower() for token in order.tokens)
    if order.ticks is None or (pair, values["fee"]) != (wanted, order.fee_pips):
        return Declined("NOT_IN_PLAN", "a new position in another pool, or none was approved")
    if (values["tick_lower"], values["tick_upper"]) != order.ticks:
        return Declined("NOT_IN_PLAN", f"its range is not {order.ticks}")
    return None


def _effect(order: LiquidityOrder, simulated: SimulatedTx) -> Declined | None:
    """Why the transaction's effect on the fork exceeds the order; None when it does not."""
    for token, most in order.limits:
        moved = change_of(simulated.deltas, token)
        if moved < -most:
            return Declined("DELTA_NOT_PLANNED", f"takes {Amount(token, -moved)}, approved were {Amount(token, most)}")
    for delta in simulated.deltas:
        if delta.least is not None and delta.raw < delta.least:
            message = f"{Amount(delta.token, delta.raw)}, the least is {Amount(delta.token, delta.least)}"
            return Declined("BELOW_LEAST", f"brings {message}")
        if delta.token.address == order.manager and delta.raw < 0:
            return Declined("UNKNOWN_TOKEN_MOVED", "a position of ours would leave")
    if simulated.gas_used > simulated.tx.gas:
        return Declined("GAS_ABOVE_LIMIT", f"used {simulated.gas_used} gas on the fork")
    return None


def judge_provided(
    rules: Rules,
    approval: Approval,
    work: LegWork,
    step: OrderCall,
    simulated: SimulatedTx,
    outcomes: Sequence[Outcome],
    now: int,
) -> ApprovedTx | Declined:
    """Judge one transaction of a plan's liquidity leg. Pure. outcomes: of the leg's earlier transactions.

    Setting an allowance to zero needs no valid approval: it can do no harm.
    """
    back = takes_back(step.call.data)
    refused = (
        (None if back else in_time(approval, now))
        or leg_in_plan(approval.plan, work)
        or _foreign(work, step.order, approval.plan.id)
        or _beyond(work, outcomes, simulated)
    )
    if refused is not None:
        return replace(refused, reason=f"{simulated.tx.description}: {refused.reason}")
    chain_now = simulated.block.timestamp  # deadlines are in the chain's time, the approval in this machine's
    judged = judge_liquidity(rules, step.order, step.call, with_least(step, simulated), chain_now)
    if isinstance(judged, Declined):
        return judged
    ends = NEVER if back else min(approval.expires_at, now + (work.lasts_seconds or 0))
    return replace(judged, approver=approval.approver, expires_at=ends)


def _foreign(work: LegWork, order: LiquidityOrder, plan_id: str) -> Declined | None:
    """Why an order does not belong to the leg; None if it does."""
    provides = work.provides
    assert provides is not None
    named = order.manager, order.tokens, order.router in (None, provides.router), order.share, order.id
    if named != (provides.manager, provides.pair, True, None, plan_id):
        return Declined("NOT_IN_PLAN", "the order names another pool, manager, router or plan")
    if order.ticks is not None and not _near(order.ticks, work.leg.ticks, provides.shift_ticks):
        return Declined("NOT_IN_PLAN", f"a range of ticks {order.ticks}, one of {work.leg.ticks} was approved")
    if order.token_id is not None and order.token_id not in provides.token_ids:
        return Declined("NOT_IN_PLAN", f"position {order.token_id} is not the leg's")
    return None


def _near(ticks: tuple[int, int], approved: tuple[int, int] | None, shift: int) -> bool:
    """Whether a range has the approved width and is shifted by at most ``shift`` ticks."""
    if approved is None:
        return False
    return ticks[1] - ticks[0] == approved[1] - approved[0] and abs(ticks[0] - approved[0]) <= shift


def _beyond(work: LegWork, outcomes: Sequence[Outcome], simulated: SimulatedTx) -> Declined | None:
    """Why the leg, including this transaction, would have taken more from the wallet than it may; None if it would
    not."""
    provides = work.provides
    assert provides is not None
    for token in provides.pair:
        moved = change_of(simulated.deltas, token)
        moved += sum(change_of(o.deltas, token) for o in outcomes if isinstance(o, Confirmed))
        if moved < 0 and moved < -_may_leave(work.leg, token):
            message = f"{Amount(token, -moved)} would have left, {Amount(token, _may_leave(work.leg, token))} may"
            return Declined("AMOUNT_ABOVE_PLAN", message)
    return None


def _may_leave(leg: Leg, token: Token) -> int:
    """How much of a token may leave the wallet by the whole leg, in base units."""
    return leg.amount.raw if leg.kind is LegKind.DEPOSIT and token == leg.amount.token else 0


def takes_back(data: bytes) -> bool:
    """Whether the calldata sets an allowance to zero, which can do no harm."""
    return data[:4] == APPROVE and not any(data[36:])


def with_least(step: OrderCall, simulated: SimulatedTx) -> SimulatedTx:
    """The simulated transaction with the step's minimums, for amounts that the price may change until it is mined."""
    deltas = tuple(replace(d, least=step.least.get(d.token, d.least)) for d in simulated.deltas)
    return replace(simulated, deltas=deltas)
