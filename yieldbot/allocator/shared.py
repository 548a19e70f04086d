"""Pools in which more than one of our holdings ends: what the change of one takes from the others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from yieldbot.allocator.assess import net_income
from yieldbot.math.beside import Beside
from yieldbot.math.curves import LookThroughCurve
from yieldbot.math.undrained import own_curve
from yieldbot.model.curve import YieldCurve
from yieldbot.model.ids import MarketId
from yieldbot.model.market import MarketState
from yieldbot.model.policy import Policy

Beneath = tuple[YieldCurve, float, float]
"""A pool below a market: its curve, what the market's money in it is, and how much of that earns for us."""


def besides(states: Sequence[MarketState], policy: Policy) -> Mapping[MarketId, tuple[Beside, ...]]:
    """For each market that shares a pool with other holdings of ours, those; markets that share none are left out.

    A plan changes one of the markets of a pool at most, and incomes of several pools add up: with what the others lose
    taken off, the sum of all incomes is told as it will be, or lower where a withdrawal leaves the others more.
    """
    users: dict[str, list[MarketState]] = {}
    for state in states:
        for pool in state.pools:
            users.setdefault(pool, []).append(state)
    shared = {pool: [s for s in found if s.held.raw] for pool, found in users.items() if len(found) > 1}
    holders = {s.market.id: s for found in shared.values() for s in found}
    below = {market_id: dict(_below(s, policy)) for market_id, s in holders.items()}
    result = {}
    for state in states:
        if not (pools := sorted(pool for pool in state.pools if shared.get(pool))):
            continue
        curve = own_curve(state, policy)
        found = [one for pool in pools for one in _in_pool(state, curve, pool, shared[pool], below)]
        if found:
            result[state.market.id] = tuple(found)
    return result


def income_change(
    state: MarketState, target: float, policy: Policy, beside: Mapping[MarketId, tuple[Beside, ...]]
) -> float:
    """Whole tokens a year that all of our holdings earn more once we hold ``target`` in this market, net of haircuts:
    leaving a market whose risk is no longer paid for is a gain."""
    held, horizon_seconds, others = float(state.held), policy.horizon_days * 86_400, beside.get(state.market.id, ())
    then, now = (net_income(state, x, policy, steady=bool(others)) for x in (target, held))
    return then - now - sum(one.lost(held, target, horizon_seconds) for one in others)


def _in_pool(
    state: MarketState,
    curve: YieldCurve,
    pool: str,
    holders: Sequence[MarketState],
    below: Mapping[MarketId, Mapping[str, Beneath]],
) -> Iterator[Beside]:
    """The holdings beside ``state``, whose own curve is ``curve``, in one pool."""
    vault, slot = None, 0
    if isinstance(curve, LookThroughCurve):
        slots = [index for index, one in enumerate(curve.slots) if one.pool == pool]
        if not slots:
            return
        vault, slot = curve, slots[0]
    for other in holders:
        if other.market.id != state.market.id and (found := below[other.market.id].get(pool)) is not None:
            yield Beside(*found, vault, slot)


def _below(state: MarketState, policy: Policy) -> Iterator[tuple[str, Beneath]]:
    """The pools below a holding of ours."""
    curve, held = own_curve(state, policy), float(state.held)
    if not isinstance(curve, LookThroughCurve):
        if len(state.pools) == 1:
            yield next(iter(state.pools)), (curve, held, held)
        return
    whole = curve.others + curve.ours
    part = (1.0 - curve.fee) * curve.ours / whole if whole > 0.0 else 0.0
    for slot in curve.slots:
        if slot.pool and slot.held > 0.0:
            yield slot.pool, (slot.curve, slot.held, slot.held * part)
