"""Journal entries to rows of the journal and back: keys to find a row by, and a JSON document.

``decode(*encode(entry)) == entry`` for every entry; members that older rows lack have defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yieldbot.journal.access_entries import AccessNoted, ApprovalGiven, SignerCopied
from yieldbot.journal.codec import (
    Doc,
    amount_from_doc,
    amount_to_doc,
    block_from_doc,
    block_to_doc,
    deltas_from_doc,
    deltas_to_doc,
    integer,
    outcome_from_doc,
    outcome_to_doc,
    part,
    plan_from_doc,
    plan_to_doc,
)
from yieldbot.journal.exit_entries import ExitAsked, ExitEnded, ExitLifted, ExitOrdered, ExitProven, ExitRefused
from yieldbot.journal.journal_entries import (
    AccountCleared,
    AccountStopped,
    AlarmLifted,
    AlarmRaised,
    JournalEntry,
    Observed,
    PlanMarked,
    PlanStatus,
    PlanWritten,
    SvmTerms,
    TxNoted,
    TxSent,
    TxSettled,
    TxSigned,
)
from yieldbot.journal.observations import (
    forecasts_from_doc,
    forecasts_to_doc,
    holdings_from_doc,
    holdings_to_doc,
    prices_from_doc,
    prices_to_doc,
)
from yieldbot.journal.run_entries import RunEnded
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, MarketId, chain_id
from yieldbot.model.risk import Act

_RUN_TEXTS = ("run", "by", "command", "wallet", "outcome", "code", "reason")


@dataclass(frozen=True, slots=True)
class RowKeys:
    """The indexed columns of a row; empty text where one does not apply."""

    kind: str
    """The entry's kind on the disk: ``plan.written``, ``tx.signed`` and so on."""
    chain: str = ""
    """CAIP-2 id of the chain."""
    owner: str = ""
    """The account's address."""
    plan_id: str = ""
    """The plan's id."""
    tx_hash: str = ""
    """The transaction's hash."""


def encode(entry: JournalEntry) -> tuple[RowKeys, Doc]:
    """The keys and the JSON document of an entry's row."""
    match entry:
        case PlanWritten(plan, lines, changes, risks):
            keys = RowKeys("plan.written", plan.block.chain, plan.owner, plan.id)
            shown = {"changes": list(changes)} if changes else {}
            shown |= {"risks": list(risks)} if risks else {}
            return keys, {"plan": plan_to_doc(plan), "lines": list(lines), **shown}
        case PlanMarked(plan_id, status, by, reason, not_before, until_gain):
            later: Doc = {"not_before": not_before} if not_before else {}
            later |= {"until_gain": until_gain} if until_gain else {}
            return RowKeys("plan.marked", plan_id=plan_id), {"status": status.value, "by": by, "reason": reason} | later
        case TxSigned():
            keys = RowKeys("tx.signed", entry.chain, entry.owner, entry.plan_id, entry.hash)
            terms: Doc = {} if entry.svm is None else {"svm": _terms_to_doc(entry.svm)}
            terms |= {} if entry.given is None else {"given": list(entry.given)}
            return keys, terms | {
                "leg": entry.leg,
                "market_id": entry.market_id,
                "raw": "0x" + entry.raw.hex(),
                "nonce": entry.nonce,
                "gas": entry.gas,
                "max_fee_wei": str(entry.max_fee_wei),
                "priority_fee_wei": str(entry.priority_fee_wei),
                "words": entry.words,
                "expires_at": entry.expires_at,
                "simulated_at": block_to_doc(entry.simulated_at),
                "predicted": deltas_to_doc(entry.predicted),
                "replaces": entry.replaces,
            }
        case TxSent(chain, owner, tx_hash, attempt):
            return RowKeys("tx.sent", chain, owner, tx_hash=tx_hash), {"attempt": attempt}
        case TxNoted(chain, owner, tx_hash, note):
            return RowKeys("tx.noted", chain, owner, tx_hash=tx_hash), {"note": note}
        case TxSettled(chain, owner, outcome):
            return RowKeys("tx.settled", chain, owner, tx_hash=outcome.hash), {"outcome": outcome_to_doc(outcome)}
        case AccountStopped(chain, owner, reason, stopped_by):
            return RowKeys("account.stopped", chain, owner, tx_hash=stopped_by or ""), {"reason": reason}
        case AccountCleared(chain, owner, by):
            return RowKeys("account.cleared", chain, owner), {"by": by}
        case AccessNoted():
            doc = {"by": entry.by, "where": entry.where, "what": entry.what}
            return RowKeys("access.noted"), doc | {"outcome": entry.outcome, "times": entry.times}
        case ApprovalGiven(plan_id=plan_id, approver=approver, signature=signature):
            return RowKeys("approval.given", plan_id=plan_id), {"approver": approver, "signature": signature}
        case SignerCopied(seq, row_hash):
            return RowKeys("signer.copied"), {"seq": seq, "hash": row_hash}
        case RunEnded():
            keys = RowKeys("run.ended", entry.chain, entry.owner, entry.plan_id)
            texts = {name: getattr(entry, name) for name in _RUN_TEXTS}
            numbers = {"began": entry.began, "seconds": repr(entry.seconds)}
            return keys, texts | numbers | {"assets": list(entry.assets)}
        case Observed():
            keys = RowKeys("observed", entry.chain, entry.owner)
            return keys, {"block": block_to_doc(entry.block), "facts": _facts_to_doc(entry)}
        case ExitProven():
            return RowKeys("exit.proven", entry.chain, entry.owner), {
                "market_id": entry.market_id,
                "fingerprint": entry.fingerprint,
                "time": entry.time,
                "up_to": amount_to_doc(entry.up_to),
                "on_chain": entry.on_chain,
            }
        case ExitRefused():
            return RowKeys("exit.refused", entry.chain, entry.owner), {
                "market_id": entry.market_id,
                "fingerprint": entry.fingerprint,
                "reason": entry.reason,
                "on_chain": entry.on_chain,
                "time": entry.time,
            }
        case ExitAsked():
            return RowKeys("exit.asked", entry.chain, entry.owner), {
                "market_id": entry.market_id,
                "asked": amount_to_doc(entry.asked),
                "ready": amount_to_doc(entry.ready),
                "back": amount_to_doc(entry.back),
                "until": entry.until,
                "time": entry.time,
            } | ({"entry": True} if entry.entry else {})
        case ExitEnded():
            document = {"market_id": entry.market_id, "time": entry.time}
            return RowKeys("exit.ended", entry.chain, entry.owner), document
        case ExitOrdered():
            return RowKeys("exit.ordered", entry.chain, entry.owner), {
                "market_id": entry.market_id,
                "name": entry.name,
                "by": entry.by,
                "into": entry.into,
                "time": entry.time,
            }
        case ExitLifted():
            return RowKeys("exit.lifted", entry.chain, entry.owner), {"market_id": entry.market_id, "by": entry.by}
        case AlarmRaised():
            return RowKeys("alarm.raised", entry.chain, entry.owner), {
                "market_id": entry.market_id,
                "code": entry.code,
                "act": entry.act.value,
                "saw": entry.saw,
                "since": entry.since,
                "time": entry.time,
            } | ({"about": entry.about} if entry.about else {})
        case AlarmLifted():
            document = {"market_id": entry.market_id, "code": entry.code, "act": entry.act.value, "time": entry.time}
            return RowKeys("alarm.lifted", entry.chain, entry.owner), document


def decode(keys: RowKeys, doc: Any) -> JournalEntry:
    """The entry in a row. Raises ValueError if the row holds none."""
    match keys.kind:
        case "plan.written":
            shown = (tuple(doc.get(name, ())) for name in ("changes", "risks"))
            return PlanWritten(plan_from_doc(part(doc, "plan", Mapping)), tuple(part(doc, "lines", list)), *shown)
        case "plan.marked":
            status = PlanStatus(part(doc, "status", str))
            later = part(doc, "not_before", int) if "not_before" in doc else 0
            gain = float(part(doc, "until_gain", (int, float))) if "until_gain" in doc else 0.0
            return PlanMarked(keys.plan_id, status, part(doc, "by", str), part(doc, "reason", str), later, gain)
        case "tx.signed":
            return TxSigned(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                plan_id=keys.plan_id,
                leg=part(doc, "leg", int),
                market_id=MarketId(part(doc, "market_id", str)),
                hash=keys.tx_hash,
                raw=bytes.fromhex(part(doc, "raw", str)[2:]),
                nonce=part(doc, "nonce", int),
                gas=part(doc, "gas", int),
                max_fee_wei=integer(doc, "max_fee_wei"),
                priority_fee_wei=integer(doc, "priority_fee_wei"),
                words=part(doc, "words", str),
                expires_at=part(doc, "expires_at", int),
                simulated_at=block_from_doc(part(doc, "simulated_at", Mapping)),
                predicted=deltas_from_doc(part(doc, "predicted", list)),
                replaces=part(doc, "replaces", (str, type(None))),
                svm=_terms_from_doc(part(doc, "svm", Mapping)) if "svm" in doc else None,
                given=tuple(map(str, part(doc, "given", list))) if "given" in doc else None,
            )
        case "tx.sent":
            return TxSent(chain_id(keys.chain), Address(keys.owner), keys.tx_hash, part(doc, "attempt", int))
        case "tx.noted":
            return TxNoted(chain_id(keys.chain), Address(keys.owner), keys.tx_hash, part(doc, "note", str))
        case "tx.settled":
            outcome = outcome_from_doc(part(doc, "outcome", Mapping))
            return TxSettled(chain_id(keys.chain), Address(keys.owner), outcome)
        case "account.stopped":
            reason = part(doc, "reason", str)
            return AccountStopped(chain_id(keys.chain), Address(keys.owner), reason, keys.tx_hash or None)
        case "account.cleared":
            return AccountCleared(chain_id(keys.chain), Address(keys.owner), part(doc, "by", str))
        case "access.noted":
            words = {name: part(doc, name, str) for name in ("by", "where", "what", "outcome")}
            return AccessNoted(**words, times=part(doc, "times", int))
        case "approval.given":
            given = {name: part(doc, name, str) for name in ("approver", "signature")}
            return ApprovalGiven(plan_id=keys.plan_id, **given)
        case "signer.copied":
            return SignerCopied(part(doc, "seq", int), part(doc, "hash", str))
        case "run.ended":
            return RunEnded(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                plan_id=keys.plan_id,
                assets=tuple(map(str, part(doc, "assets", list))),
                began=part(doc, "began", int),
                seconds=float(part(doc, "seconds", str)),
                **{name: part(doc, name, str) for name in _RUN_TEXTS},
            )
        case "observed":
            return _observed(keys, doc, part(doc, "facts", Mapping))
        case "exit.proven":
            return ExitProven(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=MarketId(part(doc, "market_id", str)),
                fingerprint=part(doc, "fingerprint", str),
                time=part(doc, "time", int),
                up_to=amount_from_doc(part(doc, "up_to", Mapping)),
                on_chain=part(doc, "on_chain", bool),
            )
        case "exit.refused":
            return ExitRefused(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=MarketId(part(doc, "market_id", str)),
                fingerprint=part(doc, "fingerprint", str),
                reason=part(doc, "reason", str),
                on_chain=bool(doc.get("on_chain", False)),
                time=int(doc.get("time", 0)),
            )
        case "exit.asked":
            return ExitAsked(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=MarketId(part(doc, "market_id", str)),
                asked=amount_from_doc(part(doc, "asked", Mapping)),
                ready=amount_from_doc(part(doc, "ready", Mapping)),
                back=amount_from_doc(part(doc, "back", Mapping)),
                until=part(doc, "until", (int, type(None))),
                time=part(doc, "time", int),
                entry=bool(doc.get("entry", False)),
            )
        case "exit.ended":
            return ExitEnded(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=MarketId(part(doc, "market_id", str)),
                time=part(doc, "time", int),
            )
        case "exit.ordered":
            return ExitOrdered(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=part(doc, "market_id", str),
                name=part(doc, "name", str),
                by=part(doc, "by", str),
                into=part(doc, "into", str),
                time=part(doc, "time", int),
            )
        case "exit.lifted":
            return ExitLifted(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=part(doc, "market_id", str),
                by=part(doc, "by", str),
            )
        case "alarm.raised":
            return AlarmRaised(
                chain=chain_id(keys.chain),
                market_id=MarketId(part(doc, "market_id", str)),
                code=part(doc, "code", str),
                act=Act(part(doc, "act", str)),
                saw=part(doc, "saw", str),
                since=part(doc, "since", int),
                time=part(doc, "time", int),
                about=part(doc, "about", str) if "about" in doc else "",
                owner=keys.owner,
            )
        case "alarm.lifted":
            return AlarmLifted(
                chain=chain_id(keys.chain),
                market_id=MarketId(part(doc, "market_id", str)),
                code=part(doc, "code", str),
                act=Act(part(doc, "act", str)),
                time=part(doc, "time", int),
                owner=keys.owner,
            )
        case other:
            raise ValueError(f"unknown kind {other!r}")


def _facts_to_doc(entry: Observed) -> Doc:
    found: Doc = {} if entry.asset is None else {"asset": entry.asset}
    if entry.holdings is not None:
        found["forecasts"] = holdings_to_doc(entry.holdings)
    if entry.idle_raw is not None:
        found["idle_raw"] = str(entry.idle_raw)
    if prices := prices_to_doc(entry.prices):
        found["usd"] = prices
    if entry.predicted is not None:
        found |= {"plan": entry.plan_id, "predicted": forecasts_to_doc(entry.predicted)}
    return found if entry.paper is None else found | {"paper": dict(entry.paper)}


def _observed(keys: RowKeys, doc: Any, facts: Mapping[str, Any]) -> Observed:
    return Observed(
        chain_id(keys.chain),
        Address(keys.owner),
        block_from_doc(part(doc, "block", Mapping)),
        asset=Address(part(facts, "asset", str)) if "asset" in facts else None,
        holdings=holdings_from_doc(part(facts, "forecasts", Mapping)) if "forecasts" in facts else None,
        idle_raw=integer(facts, "idle_raw") if "idle_raw" in facts else None,
        prices=prices_from_doc(facts.get("usd")),
        plan_id=part(facts, "plan", str) if "plan" in facts else "",
        predicted=forecasts_from_doc(part(facts, "predicted", Mapping)) if "predicted" in facts else None,
        paper=part(facts, "paper", Mapping) if "paper" in facts else None,
    )


def _terms_to_doc(terms: SvmTerms) -> Doc:
    return {
        "last_valid_height": terms.last_valid_height,
        "meaning": terms.meaning,
        "fee_lamports": str(terms.fee_lamports),
    }


def _terms_from_doc(doc: Any) -> SvmTerms:
    return SvmTerms(part(doc, "last_valid_height", int), part(doc, "meaning", str), integer(doc, "fee_lamports"))
