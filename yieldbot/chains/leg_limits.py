"""The limits of one job, whatever its chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yieldbot.allocator.horizons import horizon_days
from yieldbot.execution.world import World
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import SLACK, Declined, Leg, LegKind, Plan
from yieldbot.model.policy import Policy
from yieldbot.model.settings import Job
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.risk.limits import limit_exceeded


def beyond_limits(world: World, job: Job, legs: Sequence[Leg]) -> Declined | None:
    """Why legs are beyond what the policy lets into markets, by the journal as it is now."""
    return limit_exceeded(world.settings.policy, world.journal.history(), job.chain.chain, legs, world.now())


def most_gas(plan: Plan, snapshot: Snapshot, policy: Policy, native_decimals: int) -> int:
    """What a transaction may cost at most, in the native token's base units: the policy's share of what the whole plan
    gains within the time that it has to pay (``allocator/horizons``)."""
    gain = plan.gain_per_year * horizon_days(plan.moves, policy) * 86_400 / SECONDS_PER_YEAR
    return int(gain * policy.max_gas_share_of_gain / snapshot.fees.native_price * 10**native_decimals)


def leg_now(plan: Plan, index: int, most: Amount | None, state: MarketState | None = None) -> Leg:
    """A leg as it is to be done now. A deposit or a swap takes no more than ``most``, what the wallet holds: protocols
    round withdrawals down, so that a unit or two can be missing, and a swap may have brought less than was expected.
    What a market has less by now than a withdrawal asks for, up to ``SLACK``, stays there: a thin one's cash falls each
    second by the fees of all that it has lent."""
    leg = plan.legs[index]
    if leg.kind is LegKind.WITHDRAW and not leg.all and state is not None and state.liquidity_market is None:
        there = state.withdrawable
        if there < leg.amount <= there + Amount(leg.amount.token, leg.amount.raw // SLACK):
            return replace(leg, amount=there)
    if leg.kind not in (LegKind.DEPOSIT, LegKind.SWAP) or most is None or most >= leg.amount:
        return leg
    if leg.gets is None:
        return replace(leg, amount=most)
    return replace(leg, amount=most, gets=Amount(leg.gets.token, -(-leg.gets.raw * most.raw // leg.amount.raw)))


def shares_for(state: MarketState, leg: Leg) -> int:
    """The most shares that a leg may give back, in raw units: all for a whole position, else those that the amount is
    worth, with two units and a millionth for rounding; those of a request when it is collected; none for other legs."""
    if leg.kind is LegKind.COLLECT:
        return state.leaving.ready_shares if state.leaving else 0
    if leg.kind not in (LegKind.WITHDRAW, LegKind.REQUEST):
        return 0
    if leg.all or not state.inside.raw:
        return state.shares
    return min(state.shares, state.shares * leg.amount.raw // state.inside.raw + state.shares // 10**6 + 2)


def idle(snapshot: Snapshot, token: Token) -> Amount | None:
    """What lies in the wallet of an asset; None of a token that is none of the job's (a reward that is sold)."""
    return next((state.held for state in snapshot.idle if state.market.asset == token), None)
