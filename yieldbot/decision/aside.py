"""Sets a market aside after its leg failed in the rehearsal, so that the same cycle can decide again about the others.
Pure."""

from __future__ import annotations

from dataclasses import replace

from yieldbot.allocator.claims import claim_of
from yieldbot.model.market import Kind, MarketState, Snapshot, Status
from yieldbot.model.plan import OUT, Declined, LegFails, LegKind, NoWayOut


def set_aside(snapshot: Snapshot, refused: Declined | None) -> tuple[Snapshot, str] | None:
    """(the snapshot in which the market is no longer used for what failed, a message that says so).

    None if the refusal did not concern one market, or that market is set aside already. A market that cannot be left
    gets no new money; one whose withdrawal fails is not withdrawn from; one whose deposit fails gets no deposit; a
    reward whose claim fails is not claimed.
    """
    if isinstance(refused, NoWayOut):
        state = snapshot.of(refused.market_id)
        closed = replace(state, no_way_out=refused.reason)
        return _changed(snapshot, state, closed, f"nothing goes into {refused.market_id}: {refused.reason}")
    if not isinstance(refused, LegFails):
        return None
    leg, why = refused.leg, refused.reason
    if leg.kind is LegKind.CLAIM:
        return _unclaimed(snapshot, refused)
    found = snapshot.states.get(leg.market_id)
    if found is None or found.liquidity_market is not None:
        return None
    if leg.kind in OUT:
        message = f"what is held in {leg.market_id} cannot be taken out now: {why}"
        return _changed(snapshot, found, replace(found, stuck=why, again=False), message)
    if leg.kind is LegKind.DEPOSIT:
        doubt = f"a deposit does not go through: {why}"
        shut = replace(found, doubts=(doubt,), flags=(*found.flags, doubt))
        return None if found.doubts else _changed(snapshot, found, shut, f"nothing goes into {leg.market_id}: {why}")
    return None


def without_again(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which withdrawals that have reverted on the chain are not tried again."""
    again = {k: replace(s, again=False) for k, s in snapshot.states.items() if s.again}
    return replace(snapshot, states=dict(snapshot.states) | again) if again else snapshot


def only_again(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which nothing can be withdrawn but what has reverted on the chain before: a leg that may revert
    again ends its plan, so no other withdrawal may stand before it."""
    kept = {
        k: replace(s, offered=s.held - s.held)
        for k, s in snapshot.states.items()
        if s.withdrawable and not s.again and s.market.kind is not Kind.IDLE
    }
    return replace(snapshot, states=dict(snapshot.states) | kept)


def without_pools(snapshot: Snapshot, pools: frozenset[str]) -> Snapshot:
    """The snapshot in which the liquidity of these pools is not touched."""
    states = {k: replace(s, status=Status.PAUSED) if k in pools else s for k, s in snapshot.states.items()}
    return replace(snapshot, states=states)


def _unclaimed(snapshot: Snapshot, refused: LegFails) -> tuple[Snapshot, str] | None:
    found = claim_of(snapshot, refused.leg.market_id)
    if found is None:
        return None
    state, reward = found
    rest = tuple(one for one in state.rewards if one != reward)
    message = f"{refused.leg.market_id} is not claimed: {refused.reason}"
    return _changed(snapshot, state, replace(state, rewards=rest), message)


def _changed(snapshot: Snapshot, old: MarketState, new: MarketState, message: str) -> tuple[Snapshot, str] | None:
    if new == old:
        return None
    return replace(snapshot, states=dict(snapshot.states) | {old.market.id: new}), message
