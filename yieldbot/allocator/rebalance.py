"""Plans that rebalance ranges which the price has left, or for which another width would earn more. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from yieldbot.allocator.liquidity_advice import GAS_REBALANCE, Advice, Trigger, trigger
from yieldbot.allocator.liquidity_market import position_value
from yieldbot.allocator.market_curve import curve_of
from yieldbot.allocator.plan import graded
from yieldbot.model.amounts import Amount, Apy
from yieldbot.model.fees import REBALANCE_TXS, ChainFees
from yieldbot.model.market import MarketState, Snapshot, Status
from yieldbot.model.names import named
from yieldbot.model.plan import Allocation, Assessment, Leg, LegKind, Move, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.units import SECONDS_PER_YEAR


def rebalance_due(snapshot: Snapshot, state: MarketState, policy: Policy) -> Trigger | None:
    """The trigger of our most valuable position in a pool, if it says rebalance; else None."""
    lp, market = state.liquidity_market, state.market
    if lp is None or not lp.positions or lp.history.missing or state.withdrawable < state.held:
        return None
    if named(market, policy.exclude):
        return None
    largest = max(lp.positions, key=lambda position: position_value(lp.state, position))
    found = trigger(largest, lp.history, lp.gas_price, policy, _lending(snapshot, state, policy))
    return found if found.advice is Advice.REBALANCE and found.ticks is not None else None


def rebalance_plan(
    snapshot: Snapshot,
    assessments: Sequence[Assessment],
    allocation: Allocation,
    policy: Policy,
    now: int,
    *,
    max_fee_wei: int | None = None,
) -> Plan | None:
    """A plan with a leg for each pool whose range is to be rebalanced; None if none is, or gas is above the ceiling.

    It is planned when no move that brings more is due. A pool with another veto than being out of range is
    left alone. The gain is what the new ranges earn more within the horizon, net of swaps, as an annual rate; the cost
    is the gas.
    """
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    if max_fee_wei is not None and fee_wei > max_fee_wei:
        return None
    vetoed = {one.market_id for one in assessments if set(one.vetoes) - {str(Status.FROZEN)}}
    legs, moves = [], []
    for state in snapshot.markets:
        if (
            state.liquidity_market is None
            or state.market.id in vetoed
            or (found := rebalance_due(snapshot, state, policy)) is None
        ):
            continue
        if found.ticks is None:
            continue
        ticks = (found.ticks.low, found.ticks.high)
        legs.append(Leg(LegKind.REBALANCE, state.market.id, state.held, all=True, ticks=ticks))
        moves.append(_move(snapshot, state, found, policy))
    if not legs:
        return None
    gain, cost = sum(move.gain_per_year for move in moves), sum(move.cost for move in moves)
    return graded(snapshot, policy, now, legs, allocation, gain=gain, cost=cost, moves=moves)


def _move(snapshot: Snapshot, state: MarketState, found: Trigger, policy: Policy) -> Move:
    """A rebalance as a move from a pool into itself: the amount is our whole holding there, in the first asset."""
    first, held = snapshot.assets[0], state.held
    value = held.raw if held.token == first else int(float(held) * snapshot.price(held.token) * first.one)
    gain, cost = per_year(snapshot, state, found, policy), snapshot.fees.cost(GAS_REBALANCE, txs=REBALANCE_TXS)
    days = cost / gain * 365 if gain > 0 else None
    return Move(state.market.id, state.market.id, Amount(first, value), gain, cost, days, found.reason)


def per_year(snapshot: Snapshot, state: MarketState, found: Trigger, policy: Policy) -> float:
    """What a new range earns more, in the first asset, as the annual rate that would yield it within the policy's
    horizon."""
    lp = state.liquidity_market
    values = [position_value(lp.state, position) for position in lp.positions] if lp else []
    part = max(values, default=0.0) / (sum(values) or 1.0)
    more = found.gain * part * float(state.held) * snapshot.price(state.market.asset)
    return more * SECONDS_PER_YEAR / (policy.horizon_seconds)


def _lending(snapshot: Snapshot, state: MarketState, policy: Policy) -> list[Apy]:
    """APYs that the same amount would earn in each other market of the pool's tokens."""
    horizon = policy.horizon_seconds
    tokens = {state.market.asset, state.liquidity_market.other} if state.liquidity_market else {state.market.asset}
    found = []
    for other in snapshot.markets:
        if other.liquidity_market is None and other.market.asset in tokens:
            more = float(state.held) * snapshot.price(state.market.asset) / snapshot.price(other.market.asset)
            growth = curve_of(other, policy).apr(float(other.held) + more, horizon) * horizon / SECONDS_PER_YEAR
            found.append(Apy.from_growth(growth, horizon))
    return found
