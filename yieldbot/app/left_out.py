"""Legs of an exit that fail while the others are carried out: which these are, and the journal's text about them.
Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from yieldbot.execution.rehearsed import Rehearsed
from yieldbot.model.plan import OF_MARKET, Declined, Leg, LegFails, LegKind, Plan
from yieldbot.model.text import counted
from yieldbot.model.tx import Reverted

if TYPE_CHECKING:
    from yieldbot.execution.results import LegResult


def failing(plan: Plan, rehearsal: Rehearsed | Declined, skip: Collection[int]) -> dict[int, Declined] | None:
    """The leg that failed in the rehearsal because of its own market, by its index; None where none did."""
    if not isinstance(rehearsal, LegFails):
        return None
    leg = rehearsal.leg
    same = (i for i, one in enumerate(plan.legs) if (one.kind, one.market_id) == (leg.kind, leg.market_id))
    index = next((i for i in same if i not in skip), None)
    return None if index is None else {index: rehearsal}


def of_its_market(result: LegResult) -> Declined | None:
    """Why a leg failed because of its own market, so that other legs of an exit may go on; None if that was not the
    cause."""
    if (why := result.declined) is not None:
        return why if why.code in OF_MARKET else None
    failed = next((outcome for outcome in result.outcomes if isinstance(outcome, Reverted)), None)
    return None if failed is None else Declined("REVERTED", failed.reason)


def not_all(plan: Plan, undone: Sequence[tuple[Leg, Declined]]) -> str:
    """The journal's text about a plan some of whose legs were not carried out."""
    told = "; ".join(f"{leg.market_id}: {why.reason}" for leg, why in undone)
    done = len(plan.legs) - len(undone)
    return f"{done} of {counted(len(plan.legs), 'leg')} {'is' if len(plan.legs) == 1 else 'are'} done; {told}"


def stuck(result: LegResult) -> str | None:
    """Why a withdrawal failed, if its market is the cause; else None."""
    for outcome in result.outcomes:
        if isinstance(outcome, Reverted):
            return outcome.reason
    declined = result.declined
    return declined.reason if declined is not None and declined.code in ("WOULD_REVERT", "DELTA_NOT_PLANNED") else None


def is_trial(plan: Plan, index: int) -> bool:
    """Whether a leg withdraws what an earlier leg of the same plan deposited as a trial (``policy.try_first``)."""
    leg = plan.legs[index]
    before = plan.legs[:index]
    return leg.kind is LegKind.WITHDRAW and any(
        one.kind is LegKind.DEPOSIT and one.market_id == leg.market_id for one in before
    )
