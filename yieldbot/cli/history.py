"""``yieldbot history``: what the journal remembers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from yieldbot.app import documents as docs
from yieldbot.app.wiring import JOURNAL
from yieldbot.cli.flags import natural
from yieldbot.cli.render import leaving, short_hash, when
from yieldbot.cli.tables import Sheet
from yieldbot.errors import ConfigError
from yieldbot.journal.codec import amount_from_doc
from yieldbot.journal.events import PlanStatus, encode
from yieldbot.journal.store import Journal
from yieldbot.model.text import one_line

if TYPE_CHECKING:
    import argparse

    from yieldbot.app.documents import Doc
    from yieldbot.cli.main import Listed
    from yieldbot.cli.screen import Screen
    from yieldbot.journal.fold import Record, StoredPlan


MOST_EVENTS = 2**31
"""The longest answer: a database takes no number without an end."""


def register(listed: Listed) -> None:
    parser = listed.add_parser("history")
    parser.add_argument("--limit", type=natural, default=50, metavar="N", help="the last N (default 50, 0 for all)")
    parser.add_argument("--plans", action="store_true", help="plans with their present status in place of events")
    parser.add_argument("--waiting", action="store_true", help="only plans that wait for approval, with their calls")
    parser.add_argument("--verify", action="store_true", help="check that no row was changed; the last row's hash")
    parser.set_defaults(command="history", handler=history)


def history(args: argparse.Namespace, context: Screen) -> int:
    file = context.settings.data_dir / JOURNAL
    if args.verify:
        return _verify(context, file)
    records: tuple[Record, ...] = ()
    plans: tuple[StoredPlan, ...] = ()
    if file.exists():
        with Journal.read(file) as journal:
            if args.plans or args.waiting:
                plans = journal.plans(PlanStatus.QUEUED if args.waiting else None)
            else:
                records = journal.history(min(args.limit, MOST_EVENTS) or None)
    if args.plans or args.waiting:
        rows = [_plan(stored) for stored in plans]
        context.show(docs.document("history", journal=str(file), plans=rows), lambda: _plans_table(rows, args.waiting))
        return 0
    rows = [_event(record) for record in records]
    context.show(docs.document("history", journal=str(file), events=rows), lambda: _events_table(rows))
    return 0


def _verify(context: Screen, file: Path) -> int:
    """Every row against the hash of the row before it. Keep the head elsewhere: rows cut from the end show by it."""
    if not file.exists():
        raise ConfigError(f"{file} is not there: nothing has been journalled yet, or data_dir names another folder")
    with Journal.read(file) as journal:
        rows, (seq, digest) = journal.verify(), journal.head()
    document = docs.document("history", journal=str(file), rows=rows, head_seq=seq, head_hash=digest)
    context.show(document, lambda: f"{file}: {rows} rows, none changed; the last one's hash is {digest}")
    return 0


def _event(record: Record) -> Doc:
    keys, body = encode(record.event)
    body.pop("raw", None)  # signed bytes: whoever holds them can send them
    return {
        "seq": record.seq,
        "at": record.at,
        "kind": keys.kind,
        "chain": keys.chain or None,
        "owner": keys.owner or None,
        "plan_id": keys.plan_id or None,
        "tx_hash": keys.tx_hash or None,
        "text": one_line(_words(keys.kind, body)),
        "body": body,
    }


def _words(kind: str, body: Doc) -> str:
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
        case "account.cleared":
            return f"by {body['by']}"
        case _:
            return f"block {body['block']['height']}" if "block" in body else ""


def _leaving(body: Doc) -> str:
    asked, ready, back = (amount_from_doc(body[name]) for name in ("asked", "ready", "back"))
    return leaving(asked, ready, back, body["until"])


def _amount(doc: Doc) -> str:
    return str(amount_from_doc(doc))


def _plan(stored: StoredPlan) -> Doc:
    return {
        "id": stored.plan.id,
        "status": stored.status.value,
        "by": stored.by,
        "reason": one_line(stored.reason),
        "at": stored.at,
        "expires_at": stored.plan.expires_at,
        "owner": stored.plan.owner,
        "chain": stored.plan.block.chain,
        "gain_per_year": stored.plan.gain_per_year,
        "cost": stored.plan.cost,
        "calls": [one_line(line) for line in stored.lines],
    }


def _events_table(rows: list[Doc]) -> Any:
    made = Sheet("Journal", ">#", "When", "Event", "Plan or transaction", "What")
    for row in rows:
        short = short_hash(row["plan_id"] or row["tx_hash"] or "")
        made.add_row(str(row["seq"]), when(row["at"]), row["kind"], short, row["text"])
    return made if rows else "nothing has happened yet"


def _plans_table(rows: list[Doc], waiting: bool) -> Any:
    made = Sheet("Plans", "Id", "Status", ">Gain a year", ">Cost", "Valid until", "Calls")
    for row in rows:
        status = row["status"] + (f" ({row['reason']})" if row["reason"] else "")
        gain, cost = f"{row['gain_per_year']:,.2f}", f"{row['cost']:,.4f}"
        made.add_row(row["id"], status, gain, cost, when(row["expires_at"]), "\n".join(row["calls"]))
    nothing = "no plan waits for approval" if waiting else "no plan was made yet"
    return made if rows else nothing
