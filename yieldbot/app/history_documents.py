"""What ``history`` answers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from yieldbot.app.document import Document, Part


class JournalEvent(Part):
    """An event of the journal."""

    seq: int = Field(description="its number; the first one's is 1")
    at: int = Field(description="when it was written down")
    kind: str = Field(description="as `plan.written`, `tx.signed` or `tx.settled`")
    chain: str | None = Field(description="the chain's id; null: it is of no single chain")
    owner: str | None = Field(description="the account that it is about; null: it is of none")
    plan_id: str | None = Field(description="the plan that it is about; null: it is of none")
    tx_hash: str | None = Field(description="the transaction that it is about; null: it is of none")
    text: str = Field(description="what happened, in one line")
    body: dict[str, Any] = Field(description="the event as it was written down, without signed bytes")


class JournalPlan(Part):
    """A plan of the journal, with its present status."""

    id: str = Field(description="the plan's id, as `approve` and `reject` take it")
    status: str = Field(description="as `queued`, `approved`, `executed` or `rejected`")
    by: str = Field(description="who or what gave it this status")
    reason: str = Field(description="why it has this status; empty where nothing was said")
    at: int = Field(description="when it got this status")
    expires_at: int = Field(description="until when it can be approved")
    owner: str = Field(description="the account that it moves money of")
    chain: str = Field(description="the chain's id")
    gain_per_year: float = Field(description="what it was to gain")
    cost: float = Field(description="what it was to cost")
    calls: tuple[str, ...] = Field(description="each call in words")


class HistoryDocument(Document):
    """What the journal remembers."""

    SCHEMA = "history"

    journal: str = Field(description="the journal's file")


class EventsDocument(HistoryDocument):
    """Without a flag: events, the oldest first."""

    events: tuple[JournalEvent, ...] = Field(description="the last events, the oldest first")


class PlansDocument(HistoryDocument):
    """With `--plans` or `--waiting`: plans in place of events."""

    plans: tuple[JournalPlan, ...] = Field(description="plans; with `--waiting` those alone that wait for approval")


class VerifiedDocument(HistoryDocument):
    """With `--verify`: every row was compared with the hash of the row before it."""

    rows: int = Field(description="how many rows the journal has; none was changed")
    head_seq: int = Field(description="the last row's number")
    head_hash: str = Field(description="the last row's hash: keep it elsewhere, rows cut from the end show by it")
