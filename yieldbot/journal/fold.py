"""The present state, folded from the journal's events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from yieldbot.journal.events import (
    AccountCleared,
    AccountStopped,
    Event,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    TxNoted,
    TxSent,
    TxSettled,
    TxSigned,
)
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.plan import Plan
from yieldbot.model.tx import Outcome


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its number, when it was written (unix seconds, this machine's clock), and the event."""

    seq: int
    at: int
    event: Event


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan with its present status, who set it and when (unix seconds)."""

    plan: Plan
    lines: tuple[str, ...]
    status: PlanStatus
    by: str
    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class StoredTx:
    """A signed transaction with its attempts, notes, and outcome (None while it is open)."""

    signed: TxSigned
    at: int
    attempts: int = 0
    notes: tuple[str, ...] = ()
    outcome: Outcome | None = None


def fold_plans(records: Iterable[Record]) -> dict[str, StoredPlan]:
    """Plans by id, in the order they were first written. A mark of an unknown plan raises ValueError."""
    plans: dict[str, StoredPlan] = {}
    for record in records:
        match record.event:
            case PlanWritten(plan, lines) if plan.id not in plans:
                plans[plan.id] = StoredPlan(plan, lines, PlanStatus.PROPOSED, "", "", record.at)
            case PlanMarked(plan_id, status, by, reason):
                if plan_id not in plans:
                    raise ValueError(f"plan {plan_id} is marked but was never written")
                plans[plan_id] = replace(plans[plan_id], status=status, by=by, reason=reason, at=record.at)
            case _:
                pass
    return plans


def fold_transactions(records: Iterable[Record]) -> dict[str, StoredTx]:
    """Transactions by hash, in the order they were signed. An event of an unknown hash raises ValueError."""
    found: dict[str, StoredTx] = {}
    for record in records:
        match record.event:
            case TxSigned() as signed:
                found.setdefault(signed.hash, StoredTx(signed, record.at))
            case TxSent(hash=tx_hash, attempt=attempt):
                found[tx_hash] = replace(_known(found, tx_hash), attempts=attempt)
            case TxNoted(hash=tx_hash, note=note):
                found[tx_hash] = replace(_known(found, tx_hash), notes=(*_known(found, tx_hash).notes, note))
            case TxSettled(outcome=outcome):
                found[outcome.hash] = replace(_known(found, outcome.hash), outcome=outcome)
            case _:
                pass
    return found


def fold_stopped(records: Iterable[Record]) -> dict[tuple[ChainId, Address], str]:
    """Stopped accounts with the first reason that stopped each."""
    stopped: dict[tuple[ChainId, Address], str] = {}
    for record in records:
        match record.event:
            case AccountStopped(chain, owner, reason, _):
                stopped.setdefault((chain, owner), reason)
            case AccountCleared(chain, owner, _):
                stopped.pop((chain, owner), None)
            case _:
                pass
    return stopped


def _known(found: dict[str, StoredTx], tx_hash: str) -> StoredTx:
    if tx_hash not in found:
        raise ValueError(f"transaction {tx_hash} was never journalled as signed")
    return found[tx_hash]
