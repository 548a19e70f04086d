"""Cash that nobody sees: which markets are asked by a simulated holder, and what is made of the answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from yieldbot.model.amounts import Amount
from yieldbot.model.ids import MarketId
from yieldbot.model.market import ExitKind, MarketState, Snapshot, Status
from yieldbot.model.names import named, of_table
from yieldbot.model.policy import Policy

SIMULATED = "cash-simulated"
UNKNOWN = "cash-unknown"


def unseen(snapshot: Snapshot, policy: Policy) -> dict[MarketId, Amount]:
    """Markets that would take new money if their cash were known, with what must be there of it: what the policy lets
    into them of our wealth, ``min_liquidity_multiple`` times, and no more than they say to hold."""
    if policy.min_liquidity_multiple <= 0.0:
        return {}
    found = {}
    for state in snapshot.markets:
        if _asked(state, policy):
            wealth_raw = snapshot.wealth(state.market.asset).raw
            share = of_table(policy.max_share_markets, state.market, policy.max_share_market)
            raw = min(int(wealth_raw * share * policy.min_liquidity_multiple), state.supplied.raw)
            if raw > 0:
                found[state.market.id] = Amount(state.market.asset, raw)
    return found


def _asked(state: MarketState, policy: Policy) -> bool:
    seen = not state.opaque or state.exit.cash is not None or state.exit.kind is not ExitKind.INSTANT
    shut = state.doubts or state.no_way_out or state.leaving or state.status is not Status.ACTIVE
    return not seen and not shut and state.quoted.value > 0.0 and not named(state.market, policy.exclude)


def with_cash(snapshot: Snapshot, paid: Mapping[MarketId, Amount]) -> Snapshot:
    """The snapshot with what simulated holders were paid as those markets' cash."""
    states = dict(snapshot.states)
    for market_id, cash in paid.items():
        state = states[market_id]
        states[market_id] = replace(
            state,
            exit=replace(state.exit, cash=cash, limit="as much as a simulated holder was paid"),
            liquidity=cash,
            flags=(*(flag for flag in state.flags if flag != UNKNOWN), SIMULATED),
        )
    return replace(snapshot, states=states)
