"""Shared-pool dilution: which of our holdings end up in the same pool, and what they take from each other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from yieldbot.allocator.assess import net_income
from yieldbot.math.curves import LookThroughCurve
from yieldbot.math.dilution import Dilution
from yieldbot.math.sustainable import sustainable_curve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy

UnderlyingPool = tuple[YieldCurve, float, float]
"""A pool below a market: its curve, the market's money in it, and how much of that earns for us, in whole tokens."""


def dilutions_of(states: Sequence[MarketState], policy: Policy) -> Mapping[MarketId, tuple[Dilution, ...]]:
    """For each market that shares a pool with other holdings of ours, what those lose to it; other markets are left
    out.

    A plan changes at most one market of each pool, and the losses in several pools add up. With them deducted, the sum
    of all incomes is exact, or too low where a withdrawal leaves more for the others.
    """
    users: dict[str, list[MarketState]] = {}
    for state in states:
        for pool in state.pools:
            users.setdefault(pool, []).append(state)
    shared = {pool: [s for s in found if s.held.raw] for pool, found in users.items() if len(found) > 1}
    holders = {s.market.id: s for found in shared.values() for s in found}
    underlying = {market_id: dict(_underlying(s, policy)) for market_id, s in holders.items()}
    result = {}
    for state in states:
        if not (pools := sorted(pool for pool in state.pools if shared.get(pool))):
            continue
        curve = sustainable_curve(state, policy)
        found = [one for pool in pools for one in _in_pool(state, curve, pool, shared[pool], underlying)]
        if found:
            result[state.market.id] = tuple(found)
    return result


def income_change(
    state: MarketState, target: float, policy: Policy, dilutions: Mapping[MarketId, tuple[Dilution, ...]]
) -> float:
    """Change of the income of all our holdings, in whole tokens a year net of haircuts, if we hold ``target`` in this
    market. Leaving a market whose yield no longer pays for its risk is a gain."""
    held, horizon_seconds, others = float(state.held), policy.horizon_seconds, dilutions.get(state.market.id, ())
    then, now = (net_income(state, x, policy, ignore_withdrawals=bool(others)) for x in (target, held))
    return then - now - sum(one.loss(held, target, horizon_seconds) for one in others)


def _in_pool(
    state: MarketState,
    curve: YieldCurve,
    pool: str,
    holders: Sequence[MarketState],
    underlying: Mapping[MarketId, Mapping[str, UnderlyingPool]],
) -> Iterator[Dilution]:
    """Our other holdings in one pool that ``state`` (of this curve) shares."""
    vault, slot = None, 0
    if isinstance(curve, LookThroughCurve):
        slots = [index for index, one in enumerate(curve.slots) if one.pool == pool]
        if not slots:
            return
        vault, slot = curve, slots[0]
    for other in holders:
        if other.market.id != state.market.id and (found := underlying[other.market.id].get(pool)) is not None:
            yield Dilution(*found, vault, slot)


def _underlying(state: MarketState, policy: Policy) -> Iterator[tuple[str, UnderlyingPool]]:
    """(key, pool) of each pool that a holding of ours ends up in."""
    curve, held = sustainable_curve(state, policy), float(state.held)
    if not isinstance(curve, LookThroughCurve):
        if len(state.pools) == 1:
            yield next(iter(state.pools)), (curve, held, held)
        return
    whole = curve.others + curve.ours
    part = (1.0 - curve.fee) * curve.ours / whole if whole > 0.0 else 0.0
    for slot in curve.slots:
        if slot.pool and slot.held > 0.0:
            yield slot.pool, (slot.curve, slot.held, slot.held * part)
