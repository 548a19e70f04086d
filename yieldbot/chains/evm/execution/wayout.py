"""Rehearses a market's exit before money goes in: on the fork on which a deposit was rehearsed, everything is withdrawn
some time later and compared with what went in. Afterwards the fork is restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.chains.evm.execution.balances import fetch_balances
from yieldbot.chains.evm.execution.build import with_allowances
from yieldbot.chains.evm.execution.on_fork import mined
from yieldbot.chains.evm.execution.reverts import REVERTED, revert_words
from yieldbot.errors import MarketError, NodeRefused, TransientError
from yieldbot.execution.wayout import LEAST_SECONDS, ROUNDING_RAW, ExitRehearsal, no_way_out
from yieldbot.model.amounts import Amount
from yieldbot.model.market import MarketState
from yieldbot.model.plan import Declined, LegKind, NoWayOut
from yieldbot.model.tx import EvmCall

if TYPE_CHECKING:
    from yieldbot.chains.evm.execution.account import Account, LegWork
    from yieldbot.chains.evm.execution.build import Fees
    from yieldbot.chains.evm.node.client import Node


GAS_WEI = 10**20
"""Wei that the wallet is given on the fork to pay for the exit, however little the deposit left of its own."""


async def rehearse_exit(account: Account, fork: Node, work: LegWork, held_raw: int, fees: Fees) -> NoWayOut | None:
    """Why what the leg just deposited cannot be withdrawn again on the fork; None if it can.

    held_raw: what the position was worth before the leg, in base units of the asset. Raises TransientError if the fork
    cannot be restored.
    """
    out, provides = work.out, work.provides
    if (out is None or work.observe is None) and (provides is None or provides.back is None):
        return None
    for way in out.ways if out else (None,):
        kept = await fork.request("evm_snapshot", [])
        try:
            await fork.request(
                "anvil_setBalance", [account.owner, hex(GAS_WEI)]
            )  # a market is not refused because we lack gas
            if way is None:
                found = await _left(account, fork, work, held_raw, fees)
            else:
                found = await _tried(account, fork, work, way, held_raw)
        finally:
            if await fork.request("evm_revert", [kept]) is not True:
                raise TransientError("the fork cannot be put back after the way out was rehearsed")
        if found is not None:
            return found
    return None


async def _tried(
    account: Account, fork: Node, work: LegWork, out: ExitRehearsal[EvmCall], held_raw: int
) -> NoWayOut | None:
    put, less = work.leg.amount, None
    before, back_raw = await fetch_balances(fork, account.owner, (put.token,)), 0
    for seconds in out.waits:
        await fork.request("evm_increaseTime", [hex(seconds)])
        await fork.request("evm_mine", [])
        state = await _now(fork, work)
        if isinstance(state, MarketError):
            return out.unread(put, state)
        part, least_raw = out.requested(put, held_raw, state.exit.cash)
        calls = out.withdraw(state, part)
        if not calls and out.waits_for_others(state, back_raw, least_raw):
            return None
        if (stuck := await _taken(account, fork, work, calls)) is not None:
            return out.stuck(put, *stuck)
        back_raw = (await fetch_balances(fork, account.owner, (put.token,)))[put.token] - before[put.token]
        if (less := out.less(put, back_raw, least_raw)) is None:
            return None
    return less


async def _left(account: Account, fork: Node, work: LegWork, held_raw: int, fees: Fees) -> NoWayOut | None:
    """``_tried`` for a pool: an hour later all our liquidity is taken out and swapped to the asset. It may cost what
    ``worth_fault`` allows the entry: swap fees of both ways, and the price's move."""
    from yieldbot.chains.evm.execution.rehearse import run_steps

    put, provides = work.leg.amount, work.provides
    assert provides is not None and provides.back is not None
    before = await fetch_balances(fork, account.owner, (put.token,))
    await fork.request("evm_increaseTime", [hex(LEAST_SECONDS)])
    await fork.request("evm_mine", [])
    try:
        back = await provides.back(fork)
    except MarketError as unread:
        return no_way_out(work.market, f"it cannot be read any more once {put} are in: {unread}")
    ran = await run_steps(account, fork, back.steps, fees, back)
    if isinstance(ran, Declined):
        lasting = ran.code in ("WOULD_REVERT", "BELOW_LEAST")
        return no_way_out(work.market, f"{put} go in, and nothing comes out: {ran.reason}", lasting)
    came_raw = (await fetch_balances(fork, account.owner, (put.token,)))[put.token] - before[put.token]
    whole_raw = held_raw + (put.raw if work.leg.kind is LegKind.DEPOSIT else 0)  # a rebalanced range puts nothing in
    least_raw = whole_raw - int(whole_raw * (provides.entry_cost_bps + account.tolerance_bps) / 10_000)
    if came_raw + ROUNDING_RAW >= least_raw:
        return None
    came, least = Amount(put.token, max(0, came_raw)), Amount(put.token, least_raw)
    return no_way_out(work.market, f"{put} go in, {came} come out where {least} should, swaps of both ways taken off")


async def _now(fork: Node, work: LegWork) -> MarketState | MarketError:
    assert work.observe is not None
    block = await fork.block()
    (state,) = await fork.run([work.observe(block)], block)
    return state


async def _taken(account: Account, fork: Node, work: LegWork, calls: tuple[EvmCall, ...]) -> tuple[str, bool] | None:
    """Make the calls on the fork. None if all succeed; else (why one fails, whether the market itself reverted): a fork
    that cannot go on is not the market's fault."""
    from yieldbot.chains.evm.execution.rehearse import note_request

    if not calls:
        return "there is no call that takes it out", True
    for call in with_allowances(calls, {}, {}):  # shares that are sold need one
        fields = {"from": account.owner, "to": call.to, "data": "0x" + call.data.hex(), "value": hex(call.value)}
        try:
            limit = min(int(await fork.request("eth_estimateGas", [fields]), 16) * 5 // 4, account.max_gas)
        except NodeRefused as refusal:
            message = revert_words(refusal.data, account.explain, refusal.node_message)
            return f"{call.description}: {message}", refusal.code == REVERTED or bool(refusal.data)
        receipt = await mined(account, fork, fields | {"gas": hex(limit)}, call.description)
        if not isinstance(receipt, dict):
            return str(getattr(receipt, "reason", "it fails")), True
        note_request(account, receipt, work)
    return None
