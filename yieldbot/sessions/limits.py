"""The limits of one job, whatever its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.model.amounts import SECONDS_PER_YEAR, Amount
from yieldbot.model.market import Kind, Snapshot
from yieldbot.model.plan import Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Job, Policy
from yieldbot.protections import beyond
from yieldbot.world import World


def beyond_limits(world: World, job: Job, legs: Sequence[Leg]) -> Declined | None:
    """Why legs are beyond what the policy lets into markets, by the journal as it is now."""
    return beyond(world.settings.policy, world.journal.history(), job.chain.chain, legs, world.now())


def most_gas(plan: Plan, snapshot: Snapshot, policy: Policy, native_decimals: int) -> int:
    """What a transaction may cost at most, in the native token's base units: the policy's share of what the whole plan
    gains within the horizon."""
    gain = plan.gain_per_year * policy.horizon_days * 86_400 / SECONDS_PER_YEAR
    return int(gain * policy.max_gas_share_of_gain / snapshot.fees.native_price * 10**native_decimals)


def leg_now(plan: Plan, index: int, most: Amount | None) -> Leg:
    """A leg as it is to be done now. A deposit takes no more than ``most``, what the wallet holds: protocols round
    withdrawals down, so that a unit or two can be missing."""
    leg = plan.legs[index]
    if leg.kind is LegKind.DEPOSIT and most is not None and most < leg.amount:
        return replace(leg, amount=most)
    return leg


def idle(snapshot: Snapshot) -> Amount:
    """What lies in the wallet."""
    return next(state.held for state in snapshot.states.values() if state.market.kind is Kind.IDLE)
