"""The document of ``history``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from yieldbot.app.document import Document, Part


class JournalEvent(Part):
    """A journal entry."""

    seq: int = Field(description="its number, from 1")
    at: int = Field(description="when it was written, in unix seconds")
    kind: str = Field(description="what kind of entry, as `plan.written`, `tx.signed` or `tx.settled`")
    chain: str | None = Field(description="the chain's identifier; null: it is about no single chain")
    owner: str | None = Field(description="the account that it is about; null: none")
    plan_id: str | None = Field(description="the plan that it is about; null: none")
    tx_hash: str | None = Field(description="the transaction that it is about; null: none")
    text: str = Field(description="what happened, in one line")
    body: dict[str, Any] = Field(description="the entry as it was written, without signed bytes")


class JournalPlan(Part):
    """A journalled plan with its present status."""

    id: str = Field(description="the plan's id, as `approve` and `reject` take it")
    status: str = Field(description="its status, as `queued`, `approved`, `executed` or `rejected`")
    by: str = Field(description="who or what gave it this status")
    reason: str = Field(description="why it has this status; empty: no reason was given")
    at: int = Field(description="when it got this status, in unix seconds")
    expires_at: int = Field(description="until when it can be approved, in unix seconds")
    owner: str = Field(description="the account whose money it moves")
    chain: str = Field(description="the chain's identifier")
    asset: str = Field(default="", description="symbol of the asset, or name of the base, that gain and cost are in")
    gain_per_year: float = Field(description="expected gain, in tokens a year, when it was made")
    cost: float = Field(description="its expected cost, in tokens")
    gap_bps: float | None = Field(
        default=None, description="upper bound less objective, in bp of the wealth a year; null: no bound is proven"
    )
    asked_by: str | None = Field(
        default=None,
        description="who asked for the run that made it: `terminal`, `schedule` or `key NAME`; null: it has not ended",
    )
    calls: tuple[str, ...] = Field(description="each call in words")
    digest: str = Field(description="SHA-256 of the plan, which each approval signs, as 0x...")
    why: tuple[str, ...] = Field(description="for a plan that leaves markets: what was observed; else empty")
    changes: tuple[str, ...] = Field(description="our balance changes in the rehearsal")
    risks: tuple[str, ...] = Field(description="the risk of each market that gets money, a line each")
    signed_by: tuple[str, ...] = Field(description="the persons who have signed it, or whose signatures approved it")


class HistoryDocument(Document):
    """What the journal holds."""

    SCHEMA = "history"

    journal: str = Field(description="the journal's file")


class UnchangedLook(Part):
    """An observation, or the end of a cycle, that only repeated the last such entry and was counted instead of
    written."""

    kind: str = Field(description="`observed` or `run.ended`")
    chain: str = Field(description="the chain's identifier")
    owner: str = Field(description="the account")
    at: int = Field(description="when it was last repeated, in unix seconds")
    times: int = Field(description="how often it was repeated since that entry")
    text: str = Field(description="what the newest of them says, in one line")


class EventsDocument(HistoryDocument):
    """Without a flag: journal entries, the oldest first."""

    events: tuple[JournalEvent, ...] = Field(description="the last journal entries, the oldest first")
    unchanged: tuple[UnchangedLook, ...] = Field(
        description="what has only been repeated since; one of each a day is an entry"
    )


class PlansDocument(HistoryDocument):
    """With `--plans` or `--waiting`: plans in place of journal entries."""

    plans: tuple[JournalPlan, ...] = Field(description="plans; with `--waiting` only those that wait for approval")


class VerifiedDocument(HistoryDocument):
    """With `--verify`: the hash chain over all journal entries was checked."""

    rows: int = Field(description="how many entries the journal has; none was changed")
    head_seq: int = Field(description="the last entry's number")
    head_hash: str = Field(
        description="the last entry's hash; kept elsewhere, it shows whether entries were cut off at the end"
    )
