"""Findings in new journal entries. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yieldbot.journal.access_entries import NEW_PLACE, SPIKE, AccessNoted, ApprovalGiven
from yieldbot.journal.exit_entries import ExitOrdered, ExitRefused
from yieldbot.journal.fold import Record, StoredPlan
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    AlarmLifted,
    AlarmRaised,
    Observed,
    PlanMarked,
    PlanStatus,
    TxSettled,
)
from yieldbot.journal.looks import Look
from yieldbot.model.ids import MarketId
from yieldbot.model.notices import Finding, Severity, Topic
from yieldbot.model.plan import Plan
from yieldbot.model.risk import Act
from yieldbot.model.tx import Replaced, Reverted

DAY = 86_400
MANY_REFUSALS = 10
"""Refused requests of one caller within a minute from which they are a finding."""


def of_journal(
    records: Iterable[Record],
    plans: Mapping[str, StoredPlan],
    held: Mapping[MarketId, str],
    now: int,
    program: str,
) -> tuple[Finding, ...]:
    """Findings in journal entries, in their order.

    plans: every plan with its present status; held: names of the markets that hold our money; program: the command line
    of this program, for the command that approves.
    """
    found, records = [], tuple(records)
    for record in records:
        one = _finding(record, plans, held, now, program)
        if one is not None:
            found.append(one)
    return (*found, *_refusals(records))


def _refusals(records: Iterable[Record]) -> list[Finding]:
    """Findings about callers who were refused MANY_REFUSALS times within a minute, whatever they requested."""
    counted: dict[tuple[str, str, int], list[Record]] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, AccessNoted) and entry.outcome[:3] in ("401", "403", "429"):
            counted.setdefault((entry.by, entry.where, record.at // 60), []).append(record)
    found = []
    for (by, where, _), rows in counted.items():
        noted = [row.entry for row in rows if isinstance(row.entry, AccessNoted)]
        times = sum(one.times for one in noted)
        if times >= MANY_REFUSALS:
            most = max(noted, key=lambda one: one.times)
            text = (
                f"{times} requests of {by} from {where or 'this machine'} were refused, most of them: "
                f"{most.what} ({most.outcome})"
            )
            found.append(
                Finding(
                    key=f"access:{by}:{where}:refused",
                    topic=Topic.ACCESS,
                    severity=Severity.WARNING,
                    text=text,
                    at=rows[-1].at,
                    again_seconds=3600,
                )
            )
    return found


def held_in(records: Sequence[Record]) -> dict[MarketId, str]:
    """Names of the markets that hold our money, by the newest entry of each account and asset."""
    newest: dict[tuple[Any, ...], Observed] = {}
    for record in records:
        entry = record.entry
        if isinstance(entry, Observed) and entry.holdings is not None and entry.paper is None:
            newest[(entry.chain, entry.owner, entry.asset)] = entry
    return {
        market: holding.name or market
        for entry in newest.values()
        for market, holding in (entry.holdings or {}).items()
        if holding.held_raw
    }


def newest_run(records: Sequence[Record], looked: Sequence[Look] = ()) -> int | None:
    """When a run last observed an account, in unix seconds; None: none did. looked: ``Journal.looked()``."""
    times = [one.at for one in looked if isinstance(one.entry, Observed)]
    times += [one.at for one in records if isinstance(one.entry, Observed) and one.entry.paper is None]
    return max(times, default=None)


def silence(last: int | None, silent_seconds: int | None, now: int) -> Finding | None:
    """The finding that no run has observed anything for too long; None: one has, or none ever did."""
    if last is None or silent_seconds is None or now - last <= silent_seconds:
        return None
    text = f"no run since {_when(last)} UTC ({(now - last) // 3600} h): nothing is observed, moved or taken out"
    return Finding(
        key=f"silent:{last}",
        topic=Topic.SILENT,
        severity=Severity.CRITICAL,
        text=text,
        at=now,
        again_seconds=DAY,
    )


def alarm_key(chain: str, market: str, code: str, owner: str = "") -> str:
    """The key of an alarm that stands. owner: the account whose holding it is about; empty: none."""
    return f"alarm:{chain}:{market}:{code}" + (f":{owner}" if owner else "")


def _finding(
    record: Record, plans: Mapping[str, StoredPlan], held: Mapping[MarketId, str], now: int, program: str
) -> Finding | None:
    def made(topic: Topic, severity: Severity, text: str, key: str = "", **more: Any) -> Finding:
        return Finding(
            key=key or f"{topic}:{record.seq}", topic=topic, severity=severity, text=text, at=record.at, **more
        )

    info, warning, critical = Severity.INFO, Severity.WARNING, Severity.CRITICAL
    match record.entry:
        case PlanMarked(plan_id=plan_id, status=status, reason=reason) if plan_id in plans:
            stored = plans[plan_id]
            plan = stored.plan
            exits = critical if plan.is_exit else warning
            match status:
                case PlanStatus.QUEUED if stored.status is status and plan.expires_at > now:
                    known = info if exits is warning and _repeats(plan, plans) else exits
                    return made(Topic.PLAN, known, _waits(plan, program), f"plan:{plan_id}", plan_id=plan_id)
                case PlanStatus.EXECUTED:
                    return made(Topic.DONE, info, f"plan {plan_id} is done: {_legs(plan)}")
                case PlanStatus.HANDED_OVER:
                    return made(Topic.PLAN, exits, f"plan {plan_id} waits for the Safe's other owners: {_legs(plan)}")
                case PlanStatus.FAILED:
                    return made(
                        Topic.REFUSED, exits, f"plan {plan_id} was not completed: {reason or 'no reason given'}"
                    )
                case PlanStatus.REJECTED:
                    return made(Topic.REFUSED, info, f"plan {plan_id} was rejected: {reason or 'no reason given'}")
                case PlanStatus.EXPIRED if not reason:
                    return made(Topic.REFUSED, info, f"plan {plan_id} expired before anybody approved it")
                case _:
                    return None
        case ApprovalGiven(plan_id=plan_id, approver=approver):
            return made(Topic.PLAN, info, f"a signature in the name of {approver} for plan {plan_id} was handed in")
        case TxSettled(outcome=Reverted(hash=tx_hash, reason=reason)):
            return made(Topic.REFUSED, warning, f"transaction {tx_hash} reverted: {reason}")
        case TxSettled(outcome=Replaced(hash=tx_hash, by=other)):
            return made(Topic.REFUSED, warning, f"transaction {tx_hash} was replaced by {other or 'one not known'}")
        case AccountStopped(chain=chain, owner=owner, reason=reason):
            text = f"account {owner} on {chain} is stopped: {reason}; `{program} resume --clear` ends that"
            return made(Topic.REFUSED, critical, text)
        case AccountCleared(chain=chain, owner=owner, by=by):
            return made(Topic.REFUSED, info, f"account {owner} on {chain} may sign again: cleared by {by}")
        case ExitRefused(market_id=market, reason=reason, on_chain=real):
            what = "money does not come out of" if real else "no new money goes into"
            return made(Topic.REFUSED, critical if real else warning, f"{what} {held.get(market, market)}: {reason}")
        case ExitOrdered(name=name, by=by):
            return made(Topic.REFUSED, info, f"{name} is to be left, by order of the {by}")
        case AlarmRaised() as alarm:
            ours = alarm.market_id in held
            severity = info if not ours else critical if alarm.act is Act.LEAVE else warning
            name = held.get(alarm.market_id, alarm.market_id)
            text = f"alarm {alarm.code} ({alarm.act}) in {name}{'' if ours else ', not held'}: {alarm.saw}"
            key = alarm_key(alarm.chain, alarm.market_id, alarm.code, alarm.owner)
            return made(Topic.ALARM, severity, text, key, again_seconds=7 * DAY)
        case AlarmLifted() as alarm:
            name = held.get(alarm.market_id, alarm.market_id)
            key = alarm_key(alarm.chain, alarm.market_id, alarm.code, alarm.owner)
            return made(Topic.ALARM, info, f"alarm {alarm.code} in {name} is lifted", ends=key)
        case AccessNoted(by=by, where=where, outcome=outcome, what=what) if outcome in (NEW_PLACE, SPIKE):
            text = f"key {by} from {where}: {what}; if that is not you: `{program} key revoke {by}`"
            return made(Topic.ACCESS, warning, text, f"access:{by}:{where}:{outcome}", again_seconds=3600)
        case _:
            return None


def _repeats(plan: Plan, plans: Mapping[str, StoredPlan]) -> bool:
    """Whether a plan only replaces one that waited for the same legs, whatever their amounts."""
    does = [(leg.kind, leg.market_id) for leg in plan.legs]
    return any(
        one.status is PlanStatus.EXPIRED
        and one.reason.endswith(f" {plan.id}")
        and [(leg.kind, leg.market_id) for leg in one.plan.legs] == does
        for one in plans.values()
    )


def _waits(plan: Plan, program: str) -> str:
    what = f"exit ({'; '.join(plan.why)})" if plan.is_exit else f"{plan.gain_per_year:z,.2f} {plan.asset.symbol} a year"
    return (  # the command comes before all foreign text
        f"plan {plan.id} waits until {_when(plan.expires_at)} UTC; to approve: {program} approve {plan.id}; "
        f"{_legs(plan)}; {what}"
    )


def _legs(plan: Plan) -> str:
    shown = [f"{leg.kind} {leg.amount}" for leg in plan.legs[:3]]
    return ", ".join(shown) + (f" and {len(plan.legs) - 3} more" if len(plan.legs) > 3 else "")


def _when(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(max(0, min(at, 2**33))))
