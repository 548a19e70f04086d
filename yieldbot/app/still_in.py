"""After a cycle: what is still in the markets that are to be left, why, and what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldbot.allocator.exits import ORDERED, exit_plan, leave_alarms, to_be_left
from yieldbot.app.parts import Money
from yieldbot.app.run_documents import StillIn
from yieldbot.decision.aside import without_again
from yieldbot.model.market import ExitKind
from yieldbot.model.plan import OUT, Plan
from yieldbot.model.policy import Policy

if TYPE_CHECKING:
    from yieldbot.app.cycle import Report
    from yieldbot.model.ids import MarketId
    from yieldbot.model.market import MarketState, Snapshot

GOES_ON = "each `yieldbot run` or `yieldbot exit` goes on with it"
WAITS = ("QUEUED", "WAITS_FOR_OWNERS", "APPROVALS_MISSING")


def still_in(found: Report) -> tuple[StillIn, ...]:
    """Each market that is to be left and still holds money of ours at the end of the cycle, the most dangerous
    first."""
    snapshot = found.after or found.snapshot
    if snapshot is None:
        return ()
    return tuple(_still_in(found, snapshot, state) for state in to_be_left(snapshot))


def _still_in(found: Report, snapshot: Snapshot, state: MarketState) -> StillIn:
    why, after = _kept(found, snapshot, state)
    alarms = leave_alarms(state)
    ordered = all(alarm.code == ORDERED for alarm in alarms)
    return StillIn(
        market_id=state.market.id,
        name=state.market.name,
        held=Money.of(state.held),
        reasons=tuple(alarm.saw if alarm.code == ORDERED else f"{alarm.code}: {alarm.saw}" for alarm in alarms),
        why=why,
        next=f"{after}: {GOES_ON}" if ordered else f"{after}: {GOES_ON} while the alarm stands",
    )


def _kept(found: Report, snapshot: Snapshot, state: MarketState) -> tuple[str, str]:
    """(why a market's money is still in, what happens next)."""
    market_id = state.market.id
    undone = next((why for leg, why in found.left_undone if leg.market_id == market_id), None)
    if undone is not None:
        return undone.reason, "it is tried again"
    decided = found.snapshot.states.get(market_id) if found.snapshot is not None else None
    if decided is not None and decided.stuck:  # known from the rehearsal only, and not in a newer snapshot
        return f"it cannot be taken out now: {decided.stuck}", "it is tried again"
    waits = found.declined if found.declined is not None and found.declined.code in WAITS else None
    if waits is not None and state.exit.kind is not ExitKind.INSTANT and market_id in _planned(found):
        return waits.reason, "its way out begins once the plan is approved"
    stays = exit_plan(without_again(snapshot), Policy(), 0).stays
    kept = next((one for one in stays if one.market_id == market_id), None)
    if kept is not None:
        return kept.why, kept.after
    if found.declined is not None:
        return found.declined.reason, "it comes out once the plan is approved" if waits else "it comes out once it may"
    if found.proposed is not None:
        return "the plan waits for the Safe's other owners", "it comes out once they have executed it"
    return "it was not taken out in this run", "it is taken out next"


def _planned(found: Report) -> set[MarketId]:
    """The markets that the cycle's plan takes money out of, or is about to."""
    plan = found.decision.outcome if found.decision is not None else None
    return {leg.market_id for leg in plan.legs if leg.kind in OUT} if isinstance(plan, Plan) else set()
