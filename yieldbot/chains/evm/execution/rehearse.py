"""Rehearses a whole plan, exits included, on a fork of the block that it was decided at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from yieldbot.chains.evm.execution.account import Account, LegWork
from yieldbot.chains.evm.execution.balances import (
    allowances_touched,
    fetch_allowance,
    fetch_balances,
    request_of,
)
from yieldbot.chains.evm.execution.build import Fees, spender_names, with_allowances
from yieldbot.chains.evm.execution.fees import fetch_fees
from yieldbot.chains.evm.execution.on_fork import impersonate, mined, would_revert
from yieldbot.chains.evm.execution.permit2 import still_permitted
from yieldbot.chains.evm.execution.rehearsal import Rehearsal, RehearsedLeg, RehearsedTx
from yieldbot.chains.evm.execution.rollup import charge, rehearsed_gas, short_of_native
from yieldbot.chains.evm.execution.simulate import stray_fault
from yieldbot.chains.evm.execution.wayout import rehearse_exit
from yieldbot.chains.evm.liquidity.order import Provides, Steps
from yieldbot.chains.evm.node.client import Node
from yieldbot.errors import MarketError, NodeRefused, SafetyError
from yieldbot.execution.deltas import change_of, changes, leg_fault, provided_fault, worth_fault
from yieldbot.execution.results import of_leg
from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import EvmCall

JUDGED_BY_WORTH = (LegKind.DEPOSIT, LegKind.REBALANCE, LegKind.REQUEST, LegKind.CANCEL)
"""Kinds of legs after which the position's value is compared: money goes in, or only begins to leave."""


async def rehearse(account: Account, works: Sequence[LegWork], block: BlockRef) -> Rehearsal | Declined:
    """Run all legs in order on a fork of ``block``, from our account and with its real balances.

    Declined if a call would revert, moves a token that the leg does not name, leaves an allowance, does not do what the
    leg says, costs more than the ceiling, or cannot be paid for; NoWayOut if a deposit cannot be withdrawn again.
    Raises TransientError if the fork or its upstream fails.
    """
    async with account.fork(block) as fork:
        fees = await fetch_fees(account, block)
        if isinstance(fees, Declined):
            return fees
        await impersonate(fork, account.owner)
        if not account.pays_gas:
            await fork.request(
                "anvil_setBalance", [account.owner, hex(account.max_gas * len(works) * 4 * fees.max_fee_wei)]
            )
        legs: list[RehearsedLeg] = []
        changed = set[str]()
        for planned in works:
            work = planned
            if work.leg.market_id in changed and work.again is not None:
                work = await _fresh(account, fork, work)
            changed.add(work.leg.market_id)
            leg = await _leg(account, fork, work, fees)
            if isinstance(leg, NoWayOut):
                return leg
            if isinstance(leg, Declined):
                return of_leg(work, leg)
            legs.append(leg)
        return Rehearsal(block, tuple(legs), fees, account.settings.native_symbol)


async def _fresh(account: Account, fork: Node, work: LegWork) -> LegWork:
    """A leg built again because an earlier leg changed its market; the leg as planned if the market cannot be read."""
    if work.again is None or work.observe is None:
        return work
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    if isinstance(state, MarketError):
        return work
    token = work.leg.amount.token
    idle = Amount(token, (await fetch_balances(fork, account.owner, (token,)))[token])
    return work.again(state, idle)


async def leg_calls(account: Account, node: Node, work: LegWork) -> tuple[EvmCall, ...]:
    """The leg's calls, with the calls that set their allowances, given the allowances that ``node`` has now."""
    needs = {(call.allowance.token, call.allowance.spender) for call in work.calls if call.allowance}
    existing = {
        (token, spender): await fetch_allowance(node, token.address, account.owner, spender) for token, spender in needs
    }
    return with_allowances(work.calls, existing, spender_names(work))


async def _leg(account: Account, fork: Node, work: LegWork, fees: Fees) -> RehearsedLeg | Declined:
    tokens = (*work.watched, account.native) if account.pays_gas else work.watched
    before = await fetch_balances(fork, account.owner, tokens)
    worth_raw = await _worth(fork, work)
    if work.provides is not None:
        ran = await run_steps(account, fork, work.provides.steps, fees, work.provides)
        if isinstance(ran, Declined):
            return ran
        left = await still_allowed(account, fork, work.provides.pair, work.provides.spenders)
        return left or await _done(account, fork, work, before, worth_raw, ran, fees)
    done: list[RehearsedTx] = []
    touched: set[tuple[Address, Address]] = set()
    for call in await leg_calls(account, fork, work):
        fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value)}
        try:
            needed = int(await fork.request("eth_estimateGas", [fields]), 16)
        except NodeRefused as refusal:
            return would_revert(account, call.description, refusal)
        limit, fee = await rehearsed_gas(account, fork, call, needed, fees)
        if limit > account.max_gas:
            return Declined("GAS_ABOVE_LIMIT", f"{call.description}: {limit} gas, allowed are {account.max_gas}")
        if (short := await short_of_native(account, fork, limit * fees.max_fee_wei + call.value, fee)) is not None:
            return short
        priced = {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.priority_fee_wei)}
        receipt = await mined(account, fork, fields | priced | {"gas": hex(limit)}, call.description)
        if isinstance(receipt, Declined):
            return receipt
        if (stray := stray_fault(receipt, account.owner, work.may_move)) is not None:
            return stray
        touched |= allowances_touched(receipt, account.owner)
        note_request(account, receipt, work)
        await charge(account, fork, fee, int(receipt["effectiveGasPrice"], 16))
        done.append(RehearsedTx(call, int(receipt["gasUsed"], 16), limit, fee))
    if work.leg.kind is LegKind.DEPOSIT and (idle := await _took_nothing(account, fork, work, before)) is not None:
        return idle
    for token_address, spender in sorted(touched):
        if raw := await fetch_allowance(fork, token_address, account.owner, spender):
            message = f"{work.market.name}: {raw} units of {token_address} stay allowed to {spender}"
            return Declined("ALLOWANCE_LEFT", message)
    if (left_on := await still_permitted(fork, account.owner, work.calls)) is not None:
        return Declined(left_on.code, f"{work.market.name}: {left_on.reason}")
    return await _done(account, fork, work, before, worth_raw, tuple(done), fees)


async def _took_nothing(account: Account, fork: Node, work: LegWork, before: Mapping[Token, int]) -> Declined | None:
    """Why a deposit that moved none of the asset failed; None if it moved some. Some protocols return an error code
    instead of reverting; the allowance then stays as it was given, which is the market's failure and no theft."""
    deltas = changes(before, await fetch_balances(fork, account.owner, before))
    if change_of(deltas, work.leg.amount.token):
        return None
    return leg_fault(work, deltas, account.tolerance_bps)


async def _done(
    account: Account,
    fork: Node,
    work: LegWork,
    before: Mapping[Token, int],
    worth_raw: int | None,
    txs: tuple[RehearsedTx, ...],
    fees: Fees,
) -> RehearsedLeg | Declined:
    """The rehearsed leg after all its calls succeeded; or why their effect is not what the leg says, or why its exit
    fails."""
    deltas = changes(before, await fetch_balances(fork, account.owner, before))
    if provides := work.provides:
        other = next(token for token in provides.pair if token != work.leg.amount.token)
        fault = provided_fault(work.leg, other, deltas, account.tolerance_bps + provides.slippage_bps)
    else:
        fault = leg_fault(work, deltas, account.tolerance_bps)
    if fault is not None:
        return fault
    if worth_raw is not None:
        gained = (await _worth(fork, work) or 0) - worth_raw
        cost = provides.entry_cost_bps if provides else work.entry_cost_bps
        if (loss := worth_fault(work, gained, account.tolerance_bps, cost)) is not None:
            return loss
    if work.leg.kind in (LegKind.DEPOSIT, LegKind.REBALANCE):
        trap = await rehearse_exit(account, fork, work, worth_raw or 0, fees)
        if trap is not None:
            return trap
    return RehearsedLeg(work.index, txs, deltas)


async def run_steps(
    account: Account, fork: Node, steps: Steps, fees: Fees, provides: Provides | None = None
) -> tuple[RehearsedTx, ...] | Declined:
    """Run the steps of a leg of liquidity on the fork, each built from what the step before it left.

    fees: offered per gas. provides: the leg, whose tally of balance changes is updated; None: no tally. Declined if a
    step would revert, cannot be built or paid for, or moves a token that it does not name.
    """
    priced = {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.priority_fee_wei)}
    done: list[RehearsedTx] = []
    pair = provides.pair if provides else ()
    if provides:
        provides.tally.begin()
    try:
        async for step in steps(fork):
            call = step.call
            fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": "0x0"}
            try:
                needed = int(await fork.request("eth_estimateGas", [fields]), 16)
            except NodeRefused as refusal:
                return would_revert(account, call.description, refusal)
            limit, fee = await rehearsed_gas(account, fork, call, needed, fees)
            if limit > account.max_gas:
                return Declined("GAS_ABOVE_LIMIT", f"{call.description}: {limit} gas, allowed are {account.max_gas}")
            if (short := await short_of_native(account, fork, limit * fees.max_fee_wei, fee)) is not None:
                return short
            before = await fetch_balances(fork, account.owner, pair)
            receipt = await mined(account, fork, fields | priced | {"gas": hex(limit)}, call.description)
            if isinstance(receipt, Declined):
                return receipt
            if provides:
                provides.tally.add(changes(before, await fetch_balances(fork, account.owner, pair)))
            allowed = frozenset(token.address.lower() for token in step.moves)
            if (stray := stray_fault(receipt, account.owner, allowed)) is not None:
                return replace(stray, reason=f"{call.description}: {stray.reason}")
            await charge(account, fork, fee, int(receipt["effectiveGasPrice"], 16))
            done.append(RehearsedTx(call, int(receipt["gasUsed"], 16), limit, fee))
    except SafetyError as refused:
        return Declined(refused.code, refused.message)
    except MarketError as unread:
        return Declined("MARKET_UNREADABLE", str(unread))
    return tuple(done)


async def still_allowed(
    account: Account, node: Node, tokens: Sequence[Token], spenders: Sequence[Address]
) -> Declined | None:
    """The refusal (ALLOWANCE_LEFT) if one of the spenders has an allowance for one of the tokens; None if none has."""
    for token in tokens:
        for spender in spenders:
            if left := await fetch_allowance(node, token.address, account.owner, spender):
                message = f"{Amount(token, left)} would stay allowed to {spender}"
                return Declined(
                    "ALLOWANCE_LEFT", f"{message}: `yieldbot allowances --revoke` takes back what is already"
                )
    return None


async def _worth(fork: Node, work: LegWork) -> int | None:
    """The value of our position on the fork by the adapter's reads, in base units of the asset; 0 if the market cannot
    be read; None if the leg is not judged by it."""
    if work.observe is None or work.leg.kind not in JUDGED_BY_WORTH:
        return None
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    return 0 if isinstance(state, MarketError) else state.held.raw


def note_request(account: Account, receipt: Mapping[str, Any], work: LegWork) -> None:
    """Keep the id of a request (EIP-7540) made on the fork, so that ``observe`` reads it from now on.

    Not for a Safe: others send its transactions, so we would not learn the id on the chain either.
    """
    number = request_of(receipt, work.market.address, account.owner)
    if number is not None and number not in work.requests and account.pays_gas:
        work.requests.append(number)
