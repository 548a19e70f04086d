"""``history``: journal entries, or plans with their status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import kept_books
from yieldbot.app.formatting import leaving, number, run_words
from yieldbot.app.history_documents import (
    EventsDocument,
    HistoryDocument,
    JournalEvent,
    JournalPlan,
    PlansDocument,
    UnchangedLook,
    VerifiedDocument,
)
from yieldbot.app.memory import FOLDER
from yieldbot.app.wiring import JOURNAL
from yieldbot.errors import ConfigError
from yieldbot.execution.persons import signers_among, to_approve
from yieldbot.execution.register import read_register
from yieldbot.history import market_names
from yieldbot.journal.codec import amount_from_doc
from yieldbot.journal.entry_codec import encode
from yieldbot.journal.journal_entries import PlanStatus
from yieldbot.journal.store import Journal
from yieldbot.model.dataclass import dataclass
from yieldbot.model.families import family_of
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    from yieldbot.access.approvers import Approver
    from yieldbot.app.context import Context
    from yieldbot.journal.access_entries import ApprovalGiven
    from yieldbot.journal.fold import Record, StoredPlan
    from yieldbot.journal.looks import Look

MOST_EVENTS = 2**31
"""The largest limit that the database accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """What to read from the journal."""

    limit: int = 50
    """How many of the last entries are read; 0: all. Plans are never limited."""
    plans: bool = False
    """Show plans with their present status instead of entries."""
    waiting: bool = False
    """Only plans that wait for approval."""
    verify: bool = False
    """Check that no entry was changed, instead of showing anything."""


def history(request: HistoryRequest, context: Context) -> HistoryDocument:
    """An EventsDocument, PlansDocument or VerifiedDocument, as requested. Raises InvariantError for a damaged journal,
    ConfigError if there is no journal to verify."""
    file = context.settings.data_dir / JOURNAL
    if request.verify:
        return _verified(file)
    wants_plans = request.plans or request.waiting
    records: tuple[Record, ...] = ()
    plans: tuple[JournalPlan, ...] = ()
    places: Mapping[str, tuple[str, str]] = {}
    looked: tuple[Look, ...] = ()
    if file.exists():
        with Journal.read(file) as journal:
            if wants_plans:
                stored = journal.plans(PlanStatus.QUEUED if request.waiting else None)
                signed = _signed(journal, stored, context.settings.data_dir)
                asked = journal.asked_by([one.plan.id for one in stored] if request.waiting else None)
                plans = tuple(plan_of(one, signed.get(one.plan.id, ()), asked.get(one.plan.id)) for one in stored)
            else:
                records = journal.history(min(request.limit, MOST_EVENTS) or None)
                places, looked = journal.places_of_plans(plans_named(records)), journal.looked()
    if wants_plans:
        return PlansDocument(journal=str(file), plans=plans)
    known = market_names.names(context.settings.data_dir / FOLDER)
    events = tuple(event_of(record, places, known) for record in records)
    return EventsDocument(journal=str(file), events=events, unchanged=tuple(_unchanged(look, known) for look in looked))


def _unchanged(look: Look, known: market_names.Names) -> UnchangedLook:
    keys, body = encode(look.entry)
    text = one_line(market_names.with_names(_words(keys.kind, body), known))
    return UnchangedLook(
        kind=keys.kind, chain=keys.chain, owner=keys.owner, at=look.at, times=look.times, text=text
    )  # fmt: skip


def plans_named(records: Iterable[Record]) -> set[str]:
    """Ids of the plans that entries are about."""
    keys = (encode(record.entry)[0] for record in records)
    return {one.plan_id for one in keys if one.plan_id and not one.owner}


def _verified(file: Path) -> VerifiedDocument:
    if not file.exists():
        raise ConfigError(f"{file} is not there: nothing has been journalled yet, or data_dir names another folder")
    with Journal.read(file) as journal:
        rows, (seq, digest) = journal.verify(), journal.head()
        kept_books.verify(journal)
    return VerifiedDocument(journal=str(file), rows=rows, head_seq=seq, head_hash=digest)


def event_of(
    record: Record, places: Mapping[str, tuple[str, str]], known: market_names.Names | None = None
) -> JournalEvent:
    """The row of an entry, without signed bytes. places: (chain, owner) of each plan: an entry about a plan alone is
    about its account too. known: names of markets, which stand in place of their ids in its text."""
    keys, body = encode(record.entry)
    chain, owner = places.get(keys.plan_id, ("", ""))
    body.pop("raw", None)  # signed bytes: whoever holds them can send them
    return JournalEvent(
        seq=record.seq,
        at=record.at,
        kind=keys.kind,
        chain=keys.chain or chain or None,
        owner=keys.owner or owner or None,
        plan_id=keys.plan_id or None,
        tx_hash=keys.tx_hash or None,
        text=one_line(market_names.with_names(_words(keys.kind, body), known or {})),
        body=body,
    )


def _words(kind: str, body: dict[str, Any]) -> str:
    match kind:
        case "plan.written":
            return "; ".join(body["lines"]) or "a plan"
        case "plan.marked":
            return f"{body['status']} by {body['by']}" + (f": {body['reason']}" if body["reason"] else "")
        case "tx.signed":
            return str(body["words"])
        case "tx.sent":
            return f"attempt {body['attempt']}"
        case "tx.noted":
            return str(body["note"])
        case "tx.settled":
            outcome = body["outcome"]
            reason = outcome.get("reason")
            return str(outcome["result"]) + (f": {reason}" if reason else "")
        case "account.stopped":
            return str(body["reason"])
        case "exit.proven":
            where = "on the chain" if body["on_chain"] else "in a rehearsal"
            return f"{body['market_id']}: its way out is proven {where}, up to {_amount(body['up_to'])}"
        case "exit.refused":
            return f"{body['market_id']}: nothing goes in until it changes: {body['reason']}"
        case "exit.asked":
            return f"{body['market_id']}: {_leaving(body)}"
        case "exit.ended":
            return f"{body['market_id']}: nothing is on its way out any more"
        case "exit.ordered":
            return f"{body['name']} ({body['market_id']}): to be left, ordered {_by(body)}"
        case "exit.lifted":
            return f"{body['market_id']}: the order to leave is lifted {_by(body)}"
        case "alarm.raised":
            return f"{body['code']} ({body['act']}) in {body['market_id']}: {body['saw']}"
        case "alarm.lifted":
            return f"{body['code']} ({body['act']}) in {body['market_id']}: no longer stands"
        case "account.cleared":
            return f"by {body['by']}"
        case "run.ended":
            reason = f": {body['reason']}" if body["reason"] else ""
            return (
                f"{run_words(body['command'], body['by'])}, {float(body['seconds']):z.1f} s: {body['outcome']}{reason}"
            )
        case "approval.given":
            return f"signed by {body['approver']}"
        case "signer.copied":
            return f"copied from the signer up to its row {body['seq']}"
        case "access.noted":
            where = f" at {body['where']}" if body["where"] else ""
            times = f", {body['times']} times" if body["times"] > 1 else ""
            return f"{body['by']}{where}: {body['what']}: {body['outcome']}{times}"
        case _:
            block = body.get("block")
            return "" if block is None else f"{family_of(block['chain']).height} {int(block['height']):,}"


def _leaving(body: dict[str, Any]) -> str:
    requested, ready, back = (amount_from_doc(body[name]) for name in ("asked", "ready", "back"))
    return leaving(requested, ready, back, body["until"], body.get("entry", False))


def _by(body: Mapping[str, Any]) -> str:
    return "at the terminal" if body["by"] == "terminal" else f"by {body['by']}"


def _amount(doc: dict[str, Any]) -> str:
    return str(amount_from_doc(doc))


def _signed(journal: Journal, plans: tuple[StoredPlan, ...], data_dir: Path) -> dict[str, tuple[str, ...]]:
    """Who has signed each plan (``signed_by``)."""
    register = read_register(data_dir)
    found = dict[str, tuple[str, ...]]()
    for one in plans:
        may_be = one.status is PlanStatus.QUEUED or one.approved_by
        found[one.plan.id] = signed_by(one, journal.approvals(one.plan.id) if may_be else (), register)
    return found


def signed_by(
    stored: StoredPlan, approvals: Sequence[ApprovalGiven], register: Mapping[str, Approver]
) -> tuple[str, ...]:
    """Who has signed a plan: of one that waits, the persons in the register whose signatures are valid now; of one that
    was approved by signatures, those that were valid then. approvals: the signatures on it."""
    if stored.status is PlanStatus.QUEUED:
        return signers_among(approvals, stored, register) if register else ()
    return tuple(stored.approved_by.split(", ")) if stored.approved_by and approvals else ()


def plan_of(stored: StoredPlan, signed_by: tuple[str, ...], asked_by: str | None) -> JournalPlan:
    """The row of a plan. signed_by: who has signed it; asked_by: who asked for the run that made it, if known."""
    return JournalPlan(
        id=stored.plan.id,
        status=stored.status.value,
        by=stored.by,
        reason=one_line(stored.reason),
        at=stored.at,
        expires_at=stored.plan.expires_at,
        owner=stored.plan.owner,
        chain=stored.plan.block.chain,
        asset=stored.plan.asset.symbol,
        gain_per_year=stored.plan.gain_per_year,
        cost=stored.plan.cost,
        gap_bps=number(stored.plan.allocation.certificate.gap_bps),
        asked_by=None if asked_by is None else one_line(asked_by),
        calls=tuple(one_line(line) for line in stored.lines),
        digest="0x" + to_approve(stored).digest.hex(),
        why=tuple(one_line(line) for line in stored.plan.why),
        changes=tuple(one_line(line) for line in stored.changes),
        risks=tuple(one_line(line) for line in stored.risks),
        signed_by=signed_by,
    )
