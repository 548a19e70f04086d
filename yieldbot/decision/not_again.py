"""Moves that a person rejected, and does not want to be asked about again for a time, or below a gain. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable

from yieldbot.journal.fold import Record
from yieldbot.journal.journal_entries import PlanMarked, PlanStatus, PlanWritten
from yieldbot.model.plan import LegKind, Plan


def not_again(plan: Plan, records: Iterable[Record], now: int) -> str | None:
    """Why this plan is not proposed: every step of it was in a plan of the same account that a person rejected, their
    time has not passed (now: unix seconds), and it gains less than they named. None: it may be proposed. Amounts do not
    matter; a plan with any other step is another plan. Exits for danger or by order are never asked about here."""
    records = tuple(records)
    marks = dict[str, PlanMarked]()
    for record in records:
        if isinstance(record.entry, PlanMarked):
            marks[record.entry.plan_id] = record.entry
    in_force = {name: mark for name, mark in marks.items() if _holds_back(mark, plan.gain_per_year, now)}
    if not in_force:
        return None
    steps = _steps(plan)
    for record in records:
        entry = record.entry
        if not isinstance(entry, PlanWritten) or (mark := in_force.get(entry.plan.id)) is None:
            continue
        if _account(entry.plan) == _account(plan) and steps <= _steps(entry.plan):
            return (
                f"{mark.by} rejected this (plan {mark.plan_id}) until {_end(mark, plan)}: "
                f"`yieldbot reject {mark.plan_id} --for 0h` allows it again"
            )
    return None


def _holds_back(mark: PlanMarked, gain_per_year: float, now: int) -> bool:
    """Whether a rejection is in force: until its time, or its gain, whichever comes first."""
    if mark.status is not PlanStatus.REJECTED or not (mark.not_before or mark.until_gain):
        return False
    passed = bool(mark.not_before) and mark.not_before <= now
    return not passed and (not mark.until_gain or gain_per_year < mark.until_gain)


def _end(mark: PlanMarked, plan: Plan) -> str:
    ends = list[str]()
    if mark.not_before:
        ends.append(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(mark.not_before)))
    if mark.until_gain:
        symbol = plan.asset.symbol
        ends.append(
            f"it gains {mark.until_gain:z,.2f} {symbol} a year (now {plan.gain_per_year:z,.2f} {symbol})"
        )  # fmt: skip
    return " or ".join(ends)


def _steps(plan: Plan) -> frozenset[tuple[LegKind, str]]:
    return frozenset((leg.kind, str(leg.market_id)) for leg in plan.legs)


def _account(plan: Plan) -> tuple[str, str]:
    return plan.block.chain, plan.owner.lower() if plan.owner.startswith("0x") else plan.owner
