"""Ranges that the price has left, or that another width would pay more than: which are laid anew, as a plan. Pure."""

from __future__ import annotations

from yieldbot.allocator.liquidity import GAS_RERANGE, Advice, Trigger, trigger
from yieldbot.allocator.plan import grade, plan_id
from yieldbot.allocator.rewards import curve_of
from yieldbot.model.amounts import SECONDS_PER_YEAR, Apy
from yieldbot.model.market import ChainFees, MarketState, Snapshot
from yieldbot.model.plan import Allocation, Leg, LegKind, Plan
from yieldbot.model.policy import Policy


def called_for(snapshot: Snapshot, state: MarketState, policy: Policy) -> Trigger | None:
    """What the pool's largest position calls for, if that is a new range; None else."""
    lp = state.lp
    if lp is None or not lp.positions or lp.record.missing or state.withdrawable < state.held:
        return None
    largest = max(lp.positions, key=lambda position: position.liquidity)
    found = trigger(largest, lp.record, lp.gas_price, policy, _lending(snapshot, state, policy))
    return found if found.advice is Advice.RERANGE and found.ticks is not None else None


def range_plan(
    snapshot: Snapshot, allocation: Allocation, policy: Policy, now: int, *, max_fee_wei: int | None = None
) -> Plan | None:
    """A leg for each pool whose range is to be laid anew; None where none is, or gas is above the ceiling.

    It is made when nothing else is to be done, as claims are. Its gain is what the new ranges earn more within the
    horizon, as a rate; its cost is the gas, the swaps' being in the gain.
    """
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    if max_fee_wei is not None and fee_wei > max_fee_wei:
        return None
    legs, gain = [], 0.0
    for state in snapshot.markets:
        if state.lp is None or (found := called_for(snapshot, state, policy)) is None or found.ticks is None:
            continue
        ticks = (found.ticks.low, found.ticks.high)
        legs.append(Leg(LegKind.RERANGE, state.market.id, state.held, all=True, ticks=ticks))
        gain += per_year(snapshot, state, found, policy)
    if not legs:
        return None
    cost = sum(fees.cost(GAS_RERANGE) for _ in legs)
    return Plan(
        id=plan_id(snapshot, tuple(legs)),
        block=snapshot.block,
        owner=snapshot.owner,
        moves=(),
        legs=tuple(legs),
        allocation=allocation,
        gain_per_year=gain,
        cost=cost,
        grade=grade(allocation, gain, cost, policy),
        expires_at=now + policy.plan_ttl_seconds,
    )


def per_year(snapshot: Snapshot, state: MarketState, found: Trigger, policy: Policy) -> float:
    """What a new range earns more, in the first asset, as a rate that yields it within the policy's horizon."""
    more = found.gain * float(state.held) * snapshot.price(state.market.asset)
    return more * SECONDS_PER_YEAR / (policy.horizon_days * 86_400)


def _lending(snapshot: Snapshot, state: MarketState, policy: Policy) -> list[Apy]:
    """What as much would earn in each other market of the pool's tokens."""
    horizon = policy.horizon_days * 86_400
    tokens = {state.market.asset, state.lp.other} if state.lp else {state.market.asset}
    found = []
    for other in snapshot.markets:
        if other.lp is None and other.market.asset in tokens:
            more = float(state.held) * snapshot.price(state.market.asset) / snapshot.price(other.market.asset)
            growth = curve_of(other, policy).apr(float(other.held) + more, horizon) * horizon / SECONDS_PER_YEAR
            found.append(Apy.from_growth(growth, horizon))
    return found
