"""Events as small documents, and the journal entries that they are made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field

from yieldbot.app.document import Part

Kind = Literal[
    "state",
    "reset",
    "reading",
    "plan.waits",
    "plan.signed",
    "plan.decided",
    "plan.done",
    "transaction.sent",
    "transaction.confirmed",
    "transaction.reverted",
    "transaction.expired",
    "transaction.replaced",
    "run.started",
    "run.ended",
    "alert.crossed",
    "alert.ended",
    "alarm.raised",
    "alarm.ended",
    "account.stopped",
    "account.cleared",
    "halt.ordered",
    "halt.lifted",
    "exit.ordered",
    "exit.lifted",
    "proposal.waits",
    "proposal.decided",
]
KINDS: tuple[str, ...] = get_args(Kind)
_OF_STATUS = {
    "queued": "plan.waits",
    "approved": "plan.decided",
    "rejected": "plan.decided",
    "expired": "plan.decided",
    "executed": "plan.done",
    "handed over": "plan.done",
    "failed": "plan.done",
}
_OF_ENTRY = {
    "approval.given": "plan.signed",
    "tx.sent": "transaction.sent",
    "run.ended": "run.ended",
    "alarm.raised": "alarm.raised",
    "alarm.lifted": "alarm.ended",
    "account.stopped": "account.stopped",
    "account.cleared": "account.cleared",
    "exit.ordered": "exit.ordered",
    "exit.lifted": "exit.lifted",
}


class Event(Part):
    """Something that happened."""

    kind: Kind = Field(description="what happened, as `plan.waits`; `state` and `reset` say how things are now")
    id: int | None = Field(
        default=None,
        description="number of the journal entry, which `Last-Event-ID` takes; null: it is not in the journal",
    )
    at: int = Field(description="when it happened or was noticed, in unix seconds")
    text: str = Field(default="", description="what happened, in one line")
    owner: str | None = Field(default=None, description="the account that it is about; null: no single one")
    chain: str | None = Field(default=None, description="the chain's identifier; null: no single chain")
    plan_id: str | None = Field(default=None, description="the plan that it is about; null: none")
    tx_hash: str | None = Field(default=None, description="the transaction that it is about; null: none")
    run_id: str | None = Field(default=None, description="the run that it is about; null: none")
    market_id: str | None = Field(default=None, description="the market that it is about; null: none")
    alert_id: str | None = Field(default=None, description="the alert that it is about; null: none")
    proposal_id: str | None = Field(default=None, description="the proposal that it is about; null: none")
    status: str | None = Field(
        default=None,
        description="of a plan or proposal its status, of a run its outcome, of an alarm its code; null: it has none",
    )
    halted: bool | None = Field(default=None, description="of `state`: whether a halt is in force; null: see `text`")
    read_at: int | None = Field(
        default=None, description="of `state` and `reading`: when chains were last read, in unix seconds; null: not yet"
    )


def of_entry(row: Mapping[str, Any]) -> Event | None:
    """The event for a row of the journal (``JournalEvent``); None: this kind of row is not sent to callers."""
    kind, body = row["kind"], row["body"]
    status: str | None = None
    if kind == "plan.marked":
        status = body["status"]
        name = _OF_STATUS.get(body["status"])
    elif kind == "tx.settled":
        name = f"transaction.{body['outcome']['result']}"
    else:
        name = _OF_ENTRY.get(kind)
    if name not in KINDS or (kind == "alarm.raised" and body["since"] != body["time"]):  # seen again: it stands already
        return None
    text = row["text"]
    if kind in ("alarm.raised", "alarm.lifted"):
        status, text = body["code"], body.get("saw", "it ended")
    elif kind == "run.ended":
        status = body["outcome"]
    return Event.model_validate(
        {
            "kind": name,
            "id": row["seq"],
            "at": row["at"],
            "text": text,
            "owner": row["owner"],
            "chain": row["chain"],
            "plan_id": row["plan_id"],
            "tx_hash": row["tx_hash"],
            "run_id": body.get("run"),
            "market_id": body.get("market_id"),
            "status": status,
        }
    )
