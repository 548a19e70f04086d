"""Limits on the legs of one job, on any chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.exits import price_of
from yieldbot.allocator.horizons import horizon_days
from yieldbot.allocator.share_terms import reduced
from yieldbot.execution.world import Wiring, records_of
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import SLACK, Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.limits import limit_exceeded


def beyond_limits(world: Wiring, job: Job, legs: Sequence[Leg]) -> Declined | None:
    """Why the policy's limits over time (``risk/limits.py``) forbid these legs now, by the journal's present entries;
    None if they do not."""
    return limit_exceeded(world.settings.policy, records_of(world, job), job.chain.chain, legs, world.now())


def most_gas(plan: Plan, snapshot: Snapshot, policy: Policy, native_decimals: int) -> int:
    """Highest fee of a transaction, in the native token's base units: the policy's fraction of what the whole plan
    gains within the time that it has to pay (``allocator/horizons``). For an exit, which is not made for gain: the
    amount that it takes out."""
    if plan.is_exit:
        worth = sum(float(leg.amount) * price_of(snapshot, leg.amount.token) for leg in plan.legs)
        return int(worth / snapshot.fees.native_price * 10**native_decimals)
    gain = plan.gain_per_year * horizon_days(plan.moves, policy) * 86_400 / SECONDS_PER_YEAR
    return int(gain * policy.max_gas_share_of_gain / snapshot.fees.native_price * 10**native_decimals)


def leg_now(plan: Plan, index: int, most: Amount | None, state: MarketState | None = None) -> Leg:
    """The leg as it is executed now, with its amount reduced if less is available.

    A deposit or a swap takes at most ``most``, the wallet's balance: protocols round withdrawals down by a unit or two,
    and a swap may bring less than expected. A withdrawal takes what the market can pay now if at most one part in
    ``SLACK`` is missing, because the cash of a nearly illiquid market shrinks every second by its accruing fees. An
    exit takes whatever is available, however much less than planned.
    """
    leg = plan.legs[index]
    whole = leg.all and not (plan.is_exit and state is not None and state.withdrawable < state.held)
    if leg.kind is LegKind.WITHDRAW and not whole and state is not None and state.liquidity_market is None:
        there = state.withdrawable
        if plan.is_exit and 0 < there.raw < leg.amount.raw:
            return replace(reduced(leg, there), all=False)
        if there < leg.amount <= there + Amount(leg.amount.token, leg.amount.raw // SLACK):
            return reduced(leg, there)
    if leg.kind not in (LegKind.DEPOSIT, LegKind.SWAP) or most is None or most >= leg.amount:
        return leg
    return reduced(leg, most)


def shares_for(state: MarketState, leg: Leg) -> int:
    """The most shares that a leg may redeem, in base units of the share token. Whole position: all of them; else the
    shares that the amount is worth, plus two units and a millionth for rounding; for a collection those of its request;
    for a served deposit request those that it claims; 0 for other kinds of legs."""
    if leg.gives is not None:
        return leg.gives.raw
    if leg.kind is LegKind.COLLECT:
        return state.leaving.ready_shares if state.leaving else 0
    if leg.kind is LegKind.CANCEL:
        return state.leaving.entered if state.leaving else 0
    if leg.kind not in (LegKind.WITHDRAW, LegKind.REQUEST):
        return 0
    if leg.all or not state.inside.raw:
        return state.shares
    return min(state.shares, state.shares * leg.amount.raw // state.inside.raw + state.shares // 10**6 + 2)


def idle(snapshot: Snapshot, token: Token) -> Amount | None:
    """The wallet's balance of one of the job's assets; None for any other token (such as a reward that is sold)."""
    return next((state.held for state in snapshot.idle if state.market.asset == token), None)
