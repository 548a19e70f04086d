"""Markets whose cash cannot be read: for which ones a holder is simulated, and the snapshot with the results. Pure."""

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
    """For each market that would get new money if its cash were known, how much a simulated holder should withdraw: the
    policy's largest holding there times ``min_liquidity_multiple``, at most what the market reports as supplied."""
    if policy.min_liquidity_multiple <= 0.0:
        return {}
    found = {}
    for state in snapshot.markets:
        if _is_candidate(state, policy):
            wealth_raw = snapshot.wealth(state.market.asset).raw
            share = of_table(policy.max_share_markets, state.market, policy.max_share_market)
            raw = min(int(wealth_raw * share * policy.min_liquidity_multiple), state.supplied.raw)
            if raw > 0:
                found[state.market.id] = Amount(state.market.asset, raw)
    return found


def _is_candidate(state: MarketState, policy: Policy) -> bool:
    """Whether the market is opaque, pays at once, earns something, and would get new money if its cash were known."""
    known = not state.opaque or state.exit.cash is not None or state.exit.kind is not ExitKind.INSTANT
    shut = state.doubts or state.no_way_out or state.leaving or state.status is not Status.ACTIVE
    return not known and not shut and state.quoted.value > 0.0 and not named(state.market, policy.exclude)


def with_cash(snapshot: Snapshot, paid: Mapping[MarketId, Amount]) -> Snapshot:
    """The snapshot in which the cash of those markets is what the simulated holders were paid."""
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
