"""Liquidity moved by a person's word: rehearsed as a whole on a fork, then one transaction each, by the stages of every
other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from yieldbot.chains.evm.execution.abi_calls import APPROVE, arguments
from yieldbot.chains.evm.execution.account import Account
from yieldbot.chains.evm.execution.balances import allowance, balances
from yieldbot.chains.evm.execution.build import Fees, TxContext, allowance_call
from yieldbot.chains.evm.execution.calldata_rules import judged_swap
from yieldbot.chains.evm.execution.judge import Rules, bounds
from yieldbot.chains.evm.execution.on_fork import impersonate
from yieldbot.chains.evm.execution.simulate import RehearsedTx, fees_at, run_steps, simulate_tx, still_allowed
from yieldbot.chains.evm.execution.transact import transact
from yieldbot.chains.evm.liquidity.order import LpOrder, Step, Steps
from yieldbot.chains.evm.node.client import Node
from yieldbot.chains.evm.signing.sign import digest
from yieldbot.execution.approvals import NEVER
from yieldbot.execution.deltas import change_of, changes
from yieldbot.execution.gate import barred
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.plan import Declined, Leg, LegKind
from yieldbot.model.tx import (
    NO_ROLLUP_FEE,
    ApprovedTx,
    Confirmed,
    Delta,
    EvmCall,
    Outcome,
    RollupFee,
    SimulatedTx,
)

TAKE_BACK_GAS = 100_000
MANAGER_CALLS = ("mint", "increaseLiquidity", "decreaseLiquidity", "collect")
PAIR_CALLS = ("addLiquidity", "removeLiquidity")


@dataclass(frozen=True, slots=True)
class LpRehearsal:
    """How all of it went on the fork of ``block``."""

    block: BlockRef
    txs: tuple[RehearsedTx, ...]
    deltas: tuple[Delta, ...]

    @property
    def gas_used(self) -> int:
        return sum(tx.gas_used for tx in self.txs)

    @property
    def rollup(self) -> RollupFee:
        """What all of it pays for its data on L1."""
        return sum((tx.rollup for tx in self.txs), NO_ROLLUP_FEE)


Back = Callable[[Node, Fees, Sequence[Delta]], Awaitable[Declined | None]]
"""Why what the steps did to our balances cannot be undone on the same fork; None where it can."""


async def rehearse_steps(
    account: Account,
    steps: Steps,
    tokens: Sequence[Token],
    spenders: Sequence[Address],
    block: BlockRef,
    back: Back | None = None,
) -> LpRehearsal | Declined:
    """All steps in order on one fork: their gas and what they do to our balances, or why they would fail. No allowance
    of ``tokens`` to ``spenders`` may be left. back: how the way out is tried afterwards, where something goes in."""
    fees = await fees_at(account, block)
    if isinstance(fees, Declined):
        return fees
    async with account.fork(block) as fork:
        await impersonate(fork, account.owner)
        before = await balances(fork, account.owner, tokens)
        done = await run_steps(account, fork, steps, fees)
        if isinstance(done, Declined):
            return done
        if (left := await still_allowed(account, fork, tokens, spenders)) is not None:
            return left
        deltas = changes(before, await balances(fork, account.owner, tokens))
        if back is not None and (stuck := await back(fork, fees, deltas)) is not None:
            return stuck
        return LpRehearsal(block, done, deltas)


async def carry_out(
    account: Account, steps: Steps, rehearsal: LpRehearsal, tokens: Sequence[Token], market: MarketId, order: LpOrder
) -> list[Outcome | Declined]:
    """Every step by the stages of every transaction; it ends with the first that is not confirmed. Allowances that are
    left then are taken back. ``tokens``: whose balances are compared, the position's own among them."""
    legs = [
        Leg(LegKind.DEPOSIT, market, Amount(t, raw)) for t, raw in zip(order.tokens, order.most, strict=True) if raw
    ]
    if (refused := barred(account) or account.limits(legs)) is not None:
        return [refused]
    ended: list[Outcome | Declined] = []
    async for step in steps(account.node):
        index = len(ended)
        planned = rehearsal.txs[index] if index < len(rehearsal.txs) else None
        if planned is None or (planned.to, planned.call.data[:4]) != (step.call.to, step.call.data[:4]):
            ended.append(Declined("NOT_THE_CALL", f"{step.call.description}: was not rehearsed as call {index + 1}"))
            break
        ended.append(await _one(account, step, planned.gas_limit, index, tokens, market))
        if not isinstance(ended[-1], Confirmed):
            break
    return ended + await _take_back(account, order, len(ended), tokens, market)


async def _one(
    account: Account, step: Step, gas: int, index: int, tokens: Sequence[Token], market: MarketId
) -> Outcome | Declined:
    context = TxContext(account.settings.chain, account.owner, step.order.id, index, market)
    may_move = frozenset(token.address for token in step.moves)

    def judged(simulated: SimulatedTx) -> ApprovedTx | Declined:
        deltas = tuple(replace(d, least=step.least.get(d.token, d.least)) for d in simulated.deltas)
        rules = Rules.of(account)
        return judge_liquidity(rules, step.order, step.call, replace(simulated, deltas=deltas), account.now())

    return await transact(
        account,
        step.call,
        gas,
        context,
        simulate=lambda tx: simulate_tx(account, tx, None, tokens=tokens, may_move=may_move),
        judge=judged,
    )


async def _take_back(
    account: Account, order: LpOrder, index: int, tokens: Sequence[Token], market: MarketId
) -> list[Outcome | Declined]:
    """What was left allowed to the manager, set to zero; as far as the node still lets us."""
    ended: list[Outcome | Declined] = []
    for token, spender in product((token for token, _ in order.limits), order.spenders):
        if await allowance(account.node, token.address, account.owner, spender):
            call = allowance_call(token, spender, 0, spender)
            outcome = await _one(account, Step(call=call, order=order), TAKE_BACK_GAS, index, tokens, market)
            ended.append(outcome)
            index += 1
    return ended


def judge_liquidity(
    rules: Rules, order: LpOrder, call: EvmCall, simulated: SimulatedTx, now: int
) -> ApprovedTx | Declined:
    """The policy's word on one transaction of an order. Pure; whatever is not expressly allowed is Declined.

    Only the order's manager, and only four of its functions, for our own account, our own position and within the
    order's amounts, minimums and time; or an exact allowance of one of the two tokens to that manager. An allowance set
    to zero needs no living order.
    """
    tx = simulated.tx
    takes_back = tx.data[:4] == APPROVE and not any(tx.data[36:])
    late = None if takes_back or now < order.expires_at else Declined("EXPIRED", f"order {order.id} has ended")
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
    return ApprovedTx(simulated, digest(tx), "liquidity", NEVER if takes_back else order.expires_at)


def _allowance(order: LpOrder, to: Address, data: bytes) -> Declined | None:
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


def _manager_call(rules: Rules, order: LpOrder, data: bytes, now: int) -> Declined | None:
    names = PAIR_CALLS if order.share else MANAGER_CALLS
    known = [function for function in rules.abi.get(data[:4], ()) if function.name in names]
    if not known:
        return Declined("SELECTOR_NOT_ALLOWED", f"{data[:4].hex()} of the position manager is no call of liquidity")
    read = arguments(known[0], data)
    if read is None:
        return Declined("CALLDATA_MALFORMED", f"the bytes are not an exact call of {known[0].signature}")
    if not known[0].has_roles:
        return Declined("ARGUMENT_WITHOUT_ROLE", f"abis/ does not say what each argument of {known[0].name} is")
    name, said = known[0].name, {item.role: item.value for item in read}
    if order.share:
        return _pair_call(rules, order, name, said, now)
    if "recipient" in said and str(said["recipient"]).lower() != rules.owner.lower():
        return Declined("RECIPIENT_NOT_SELF", f"{said['recipient']} is not our account")
    if "position" in said and (order.token_id is None or said["position"] != order.token_id):
        return Declined("NOT_IN_PLAN", f"position {said['position']} is not the order's")
    if "deadline" in said and not now < said["deadline"] <= order.expires_at:
        return Declined("EXPIRED", "its deadline is not within the order's time")
    if name == "mint" and (refused := _new_position(order, said)) is not None:
        return refused
    if name in ("mint", "increaseLiquidity"):
        desired = said["amount0"], said["amount1"]
        if any(want > most for want, most in zip(desired, order.most, strict=True)):
            return Declined("AMOUNT_ABOVE_PLAN", f"{desired} would be put in, {order.most} were approved")
        least = order.least_put
    elif name == "decreaseLiquidity":
        if said["liquidity"] > order.liquidity:
            return Declined("AMOUNT_ABOVE_PLAN", f"liquidity {said['liquidity']}, {order.liquidity} was approved")
        least = order.least_out
    else:
        return None
    if any(given < wanted for given, wanted in zip((said["least0"], said["least1"]), least, strict=True)):
        return Declined("BELOW_LEAST", f"its minimums are below {least}")
    return None


def _pair_call(rules: Rules, order: LpOrder, name: str, said: Mapping[str, Any], now: int) -> Declined | None:
    if str(said["recipient"]).lower() != rules.owner.lower():
        return Declined("RECIPIENT_NOT_SELF", f"{said['recipient']} is not our account")
    if tuple(str(said[key]).lower() for key in ("token0", "token1")) != tuple(t.address.lower() for t in order.tokens):
        return Declined("NOT_IN_PLAN", "it is of another pair")
    if not now < said["deadline"] <= order.expires_at:
        return Declined("EXPIRED", "its deadline is not within the order's time")
    if name == "addLiquidity":
        desired, least = (said["amount0"], said["amount1"]), order.least_put
        if any(want > most for want, most in zip(desired, order.most, strict=True)):
            return Declined("AMOUNT_ABOVE_PLAN", f"{desired} would be put in, {order.most} were approved")
    else:
        least = order.least_out
        if said["liquidity"] > order.liquidity:
            return Declined("AMOUNT_ABOVE_PLAN", f"{said['liquidity']} shares, {order.liquidity} were approved")
    if any(given < wanted for given, wanted in zip((said["least0"], said["least1"]), least, strict=True)):
        return Declined("BELOW_LEAST", f"its minimums are below {least}")
    return None


def _swap(rules: Rules, order: LpOrder, data: bytes, now: int) -> Declined | None:
    """Exactly the order's swap, whichever of the router's functions makes it."""
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


def _new_position(order: LpOrder, said: Mapping[str, object]) -> Declined | None:
    pair = tuple(str(said[name]).lower() for name in ("token0", "token1"))
    wanted = tuple(token.address.lower() for token in order.tokens)
    if order.ticks is None or (pair, said["fee"]) != (wanted, order.fee_pips):
        return Declined("NOT_IN_PLAN", "a new position in another pool, or none was approved")
    if (said["tick_lower"], said["tick_upper"]) != order.ticks:
        return Declined("NOT_IN_PLAN", f"its range is not {order.ticks}")
    return None


def _effect(order: LpOrder, simulated: SimulatedTx) -> Declined | None:
    """Against what the bytes did on the fork."""
    for token, most in order.limits:
        moved = change_of(simulated.deltas, token)
        if moved < -most:
            return Declined("DELTA_NOT_PLANNED", f"takes {Amount(token, -moved)}, approved were {Amount(token, most)}")
    for delta in simulated.deltas:
        if delta.least is not None and delta.raw < delta.least:
            said = f"{Amount(delta.token, delta.raw)}, the least is {Amount(delta.token, delta.least)}"
            return Declined("BELOW_LEAST", f"brings {said}")
        if delta.token.address == order.manager and delta.raw < 0:
            return Declined("UNKNOWN_TOKEN_MOVED", "a position of ours would leave")
    if simulated.gas_used > simulated.tx.gas:
        return Declined("GAS_ABOVE_LIMIT", f"used {simulated.gas_used} gas on the fork")
    return None
