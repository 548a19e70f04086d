"""Checks whether a rehearsed plan costs more than its gain allows, rollup fees included. Pure."""

from __future__ import annotations

from yieldbot.allocator.horizons import days_allowed
from yieldbot.chains.evm.execution.rehearsal import Rehearsal
from yieldbot.chains.leg_limits import most_gas
from yieldbot.model.fees import ChainFees
from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Declined, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.tx import NO_ROLLUP_FEE


def dearer(plan: Plan, snapshot: Snapshot, rehearsal: Rehearsal, policy: Policy) -> Declined | None:
    """Why a plan costs more than its gain allows, now that the bytes of its calls are known; None if it does not. Only
    rollups charge by these bytes: before the rehearsal, the fee of a typical transaction was assumed."""
    fees, beside = snapshot.fees, rehearsal.rollup
    if not isinstance(fees, ChainFees) or beside == NO_ROLLUP_FEE:
        return None
    wei = (rehearsal.gas_used + beside.l1_gas) * (fees.base_fee_wei + fees.priority_fee_wei) + beside.wei
    cost, gain, symbol = wei / 10**18 * fees.native_price, plan.gain_per_year, snapshot.assets[0].symbol
    days = cost / gain * 365 if gain > 0 else float("inf")
    late = bool(plan.moves) and days > days_allowed(plan.moves, policy)  # claims and sales bring their value at once
    if wei <= most_gas(plan, snapshot, policy, 18) and not late:
        return None
    reason = f"gas and data on L1 cost {cost:z,.2f} {symbol}, more than the gain of {gain:z,.2f} {symbol} a year allows"
    return Declined("COST_ABOVE_GAIN", f"{reason} (policy.max_gas_share_of_gain, break_even_days)")
