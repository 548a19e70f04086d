"""Moves that a person rejected, and does not want to be asked about again for a time. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.plan import LegKind, Plan


def not_again(plan: Plan, records: Iterable[Record], now: int) -> str | None:
    """Why this plan is not proposed: every step of it was in a plan of the same account that a person rejected, and
    their time has not passed (now: unix seconds). None: it may be proposed. Amounts do not matter, nor does a plan's
    gain; a plan with any other step is another plan. Exits for danger or by order are never asked about here."""
    records = tuple(records)
    marks = dict[str, PlanMarked]()
    for record in records:
        if isinstance(record.entry, PlanMarked):
            marks[record.entry.plan_id] = record.entry
    in_force = {
        name: mark for name, mark in marks.items() if mark.status is PlanStatus.REJECTED and mark.not_before > now
    }
    if not in_force:
        return None
    steps = _steps(plan)
    for record in records:
        entry = record.entry
        if not isinstance(entry, PlanWritten) or (mark := in_force.get(entry.plan.id)) is None:
            continue
        if _account(entry.plan) == _account(plan) and steps <= _steps(entry.plan):
            until = time.strftime("%Y-%m-%d %H:%M", time.gmtime(mark.not_before))
            return (
                f"{mark.by} rejected this (plan {mark.plan_id}) until {until} UTC: "
                f"`yieldbot reject {mark.plan_id} --for 0h` allows it again"
            )
    return None


def _steps(plan: Plan) -> frozenset[tuple[LegKind, str]]:
    return frozenset((leg.kind, str(leg.market_id)) for leg in plan.legs)


def _account(plan: Plan) -> tuple[str, str]:
    return plan.block.chain, plan.owner.lower() if plan.owner.startswith("0x") else plan.owner
