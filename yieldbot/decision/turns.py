"""Whose turn it is where several kinds of work are due, so that none waits for ever. Pure."""

from __future__ import annotations

from yieldbot.model.market import Snapshot
from yieldbot.model.plan import Hold, LegKind, Plan

WAITING = (LegKind.CLAIM, LegKind.SWAP, LegKind.REBALANCE)
"""Kinds of legs of plans that are made when no move is due, or when they bring more than the moves do."""


def goes_first(due: Plan, moves: Plan) -> bool:
    """Whether a claim, a sale or a rebalance comes before moves: if it brings more within the horizon. What may be
    claimed grows with every day, so that it does not wait for ever where each run has a move to make."""
    return all(leg.kind in WAITING for leg in due.legs) and due.gain_per_year > moves.gain_per_year


def collected_first(snapshot: Snapshot, ready: Plan, moves: Plan | Hold) -> bool:
    """Whether what is ready is collected before the moves are made: unless these put at least as much idle money in. So
    neither waits for long, whether moves are due in each run or a queue pays a little in each."""
    if isinstance(moves, Hold):
        return True
    idle = {state.market.id for state in snapshot.idle}
    enters = sum(float(one.amount) * snapshot.price(one.amount.token) for one in moves.moves if one.source in idle)
    comes = sum(float(leg.amount) * snapshot.price(leg.amount.token) for leg in ready.legs)
    return comes > enters
