"""Decides which rewards to claim now and which reward tokens to sell, and makes the plans that do it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yieldbot.allocator.convert import Conversion, convert, swap_id
from yieldbot.allocator.market_curve import value
from yieldbot.allocator.plan import graded
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.fees import ChainFees
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState, Snapshot
from yieldbot.model.plan import Allocation, Leg, LegKind, Plan
from yieldbot.model.policy import NEVER, Base, Policy
from yieldbot.model.rewards import Reward
from yieldbot.model.units import SECONDS_PER_YEAR


def claim_of(snapshot: Snapshot, claim_id: MarketId) -> tuple[MarketState, Reward] | None:
    """The market and reward that a claim's id names; None if the snapshot lacks them."""
    for state in snapshot.states.values():
        for reward in state.rewards:
            if reward.claim_id(state.market.id) == claim_id:
                return state, reward
    return None


def due(snapshot: Snapshot, policy: Policy) -> tuple[tuple[MarketState, Reward], ...]:
    """Rewards that are worth claiming now, the most valuable first.

    After haircut and gas a claim must be worth at least ``min_claim``, and gas may take at most
    ``max_gas_share_of_gain`` of it. A reward without a feed counts as worthless.
    """
    if policy.min_claim == NEVER:
        return ()
    found = []
    for state in snapshot.states.values():
        least = float(state.market.asset.parse(policy.min_claim))
        for reward in state.rewards:
            worth = value(reward, policy)
            pays = worth - reward.claim_cost >= least and reward.claim_cost <= policy.max_gas_share_of_gain * worth
            if worth > 0.0 and pays:
                found.append((state, reward))
    return tuple(sorted(found, key=lambda one: -value(one[1], policy)))


def claim_plan(
    snapshot: Snapshot,
    allocation: Allocation,
    policy: Policy,
    asset: Token,
    now: int,
    *,
    max_fee_wei: int | None = None,
) -> Plan | None:
    """A plan with a leg for each claim that is due; None if none is, or gas is above the ceiling. ``asset``: the job's
    first asset.

    A plan either moves money or claims: claims are planned when no move is due that brings more. Their gain is the
    value, expressed as the annual rate that would yield it within the horizon, so that it can be compared with a cost
    as a move's gain is.
    """
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    claims = due(snapshot, policy)
    if not claims or (max_fee_wei is not None and fee_wei > max_fee_wei):
        return None
    legs = tuple(claim_leg(state, reward, asset) for state, reward in claims)
    gain = sum(per_year(reward, policy) for _, reward in claims)
    cost = sum(reward.claim_cost for _, reward in claims)
    return graded(snapshot, policy, now, legs, allocation, gain=gain, cost=cost)


def claim_leg(state: MarketState, reward: Reward, asset: Token) -> Leg:
    """The leg that claims all of a reward, and at least what was observed."""
    return Leg(LegKind.CLAIM, reward.claim_id(state.market.id), Amount(asset, 0), all=True, gets=reward.claimable)


def per_year(reward: Reward, policy: Policy) -> float:
    """Value of claiming in whole asset tokens, as the annual rate that would yield it within the policy's horizon."""
    return value(reward, policy) * SECONDS_PER_YEAR / (policy.horizon_seconds)


def sale_plan(
    snapshot: Snapshot,
    allocation: Allocation,
    policy: Policy,
    asset: Token,
    sale: Base,
    ours: Mapping[Token, int],
    now: int,
    *,
    max_fee_wei: int | None = None,
) -> Plan | None:
    """A plan with a leg for each reward token in the wallet that is worth selling; None if none is, or gas is above the
    ceiling.

    asset: the job's first asset. ours: base units of each token that our own claims brought; no more than that is sold.
    Each token is sold into the asset of the job that brings most by the feeds; a token that is itself an asset of the
    job is not sold. The minimum out comes from two independent prices (``convert``); after gas, at least ``min_claim``
    must remain.
    """
    fees = snapshot.fees
    fee_wei = fees.base_fee_wei + fees.priority_fee_wei if isinstance(fees, ChainFees) else 0
    if policy.min_claim == NEVER or (max_fee_wei is not None and fee_wei > max_fee_wei):
        return None
    least = float(asset.parse(policy.min_claim))
    rewards = [reward for state in snapshot.states.values() for reward in state.rewards]
    lying = {reward.token: reward.in_wallet for reward in rewards if reward.token not in snapshot.assets}
    legs, cost, sold = list[Leg](), 0.0, 0.0
    for token, held in sorted(lying.items(), key=lambda item: item[0].address):
        given = Amount(token, min(held.raw, ours.get(token, 0)))
        tried = [convert(snapshot, given, wanted, sale) for wanted in snapshot.assets] if given else []
        found = [(*_worth(snapshot, made), made.least) for made in tried if isinstance(made, Conversion)]
        if not found:
            continue
        worth, gas, brought = max(found, key=lambda one: one[0] - one[1])
        if worth - gas >= least and gas <= policy.max_gas_share_of_gain * worth:
            legs.append(Leg(LegKind.SWAP, swap_id(token, brought.token), given, gets=brought))
            cost += gas
            sold += worth
    if not legs:
        return None
    gain = sale_per_year(legs, snapshot, policy)
    brought = Amount(asset, int(sold * asset.one))
    return graded(snapshot, policy, now, legs, allocation, gain=gain, cost=cost, sold=brought)


def _worth(snapshot: Snapshot, made: Conversion) -> tuple[float, float]:
    """(minimum out, cost of gas) of a swap, both in whole tokens of the first asset."""
    price = snapshot.price(made.least.token)
    return float(made.least) * price, float(made.route.cost) * price


def sale_per_year(legs: Sequence[Leg], snapshot: Snapshot, policy: Policy) -> float:
    """The minimum out of sales of rewards, as an annual rate like that of a claim; 0 for any other kind of leg."""
    if any(leg.kind is not LegKind.SWAP for leg in legs):
        return 0.0
    brought = sum(float(leg.gets) * snapshot.price(leg.gets.token) for leg in legs if leg.gets is not None)
    return brought * SECONDS_PER_YEAR / (policy.horizon_seconds)
