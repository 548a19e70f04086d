"""What the journal remembers. Each event is a frozen value; a row is its document and the keys to find it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

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
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.ids import Address, ChainId, MarketId, chain_id
from yieldbot.model.plan import Plan
from yieldbot.model.tx import Delta, Outcome


class PlanStatus(StrEnum):
    PROPOSED = "proposed"
    QUEUED = "queued"  # waits for `yieldbot approve ID`
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    EXECUTED = "executed"
    HANDED_OVER = "handed over"  # proposed to a Safe's other owners
    FAILED = "failed"  # begun, not finished: a leg was declined or reverted


@dataclass(frozen=True, slots=True)
class PlanWritten:
    """A plan as proposed. ``lines``: every call in words, as shown to the person who decides."""

    plan: Plan
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanMarked:
    plan_id: str
    status: PlanStatus
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SvmTerms:
    """What a Solana transaction has in place of nonce and fees: the last block height at which it may land, sha256 of
    its message without the blockhash (hex), and the most it can cost."""

    last_valid_height: int
    meaning: str
    fee_lamports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TxSigned:
    """A signed transaction, written before the network sees it.

    predicted: the simulation's balance changes (a zero for each watched token that stays). replaces: the hash of the
    transaction that this one cancels by taking its nonce (Solana: whose expired one it repeats). expires_at: end of the
    approval, unix seconds of the chain. svm: Solana's terms, None on an EVM chain; nonce and wei are then 0, gas is the
    limit of compute units, hash the signature in base58. given: what of ours the simulation's events gave away, None
    where nobody looked.
    """

    chain: ChainId
    owner: Address
    plan_id: str
    leg: int
    market_id: MarketId
    hash: str
    raw: bytes
    nonce: int
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    words: str
    expires_at: int
    simulated_at: BlockRef
    predicted: tuple[Delta, ...]
    replaces: str | None = None
    svm: SvmTerms | None = None
    given: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TxSent:
    """An attempt to submit, written before it is made."""

    chain: ChainId
    owner: Address
    hash: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TxNoted:
    """Something seen on the way: the node's refusal, a receipt that a reorg took back."""

    chain: ChainId
    owner: Address
    hash: str
    note: str


@dataclass(frozen=True, slots=True)
class TxSettled:
    """The end of a transaction."""

    chain: ChainId
    owner: Address
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AccountStopped:
    """Nothing more is signed for this account until a person clears it."""

    chain: ChainId
    owner: Address
    reason: str
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class AccountCleared:
    chain: ChainId
    owner: Address
    by: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What a cycle saw, for history alone: ``facts`` is any JSON object."""

    chain: ChainId
    owner: Address
    block: BlockRef
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitProven:
    """A market's way out has been seen to work, for this account. fingerprint: of the market as it was then
    (``exits.fingerprint``); time: of the chain, unix seconds; up_to: as much as came out again; on_chain: whether that
    was real money and not a rehearsal's."""

    chain: ChainId
    owner: Address
    market_id: MarketId
    fingerprint: str
    time: int
    up_to: Amount
    on_chain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRefused:
    """What was put into a market does not come out again: nothing goes in until its fingerprint is another one.
    on_chain: whether it was real money that did not, and not a rehearsal's; time: of the chain, unix seconds, 0 in rows
    of older programs."""

    chain: ChainId
    owner: Address
    market_id: MarketId
    fingerprint: str
    reason: str
    on_chain: bool = False
    time: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAsked:
    """Money of ours is on its way out of a market that is left in two steps, as the chain tells: what was asked for,
    what of it is ready, and what was called back and is not taken in yet. until: unix seconds when it can be collected,
    None where somebody has to serve it; time: of the chain, unix seconds."""

    chain: ChainId
    owner: Address
    market_id: MarketId
    asked: Amount
    ready: Amount
    back: Amount
    until: int | None
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitEnded:
    """Nothing is on its way out of a market any more. time: of the chain, unix seconds."""

    chain: ChainId
    owner: Address
    market_id: MarketId
    time: int


Event = (
    PlanWritten
    | PlanMarked
    | TxSigned
    | TxSent
    | TxNoted
    | TxSettled
    | AccountStopped
    | AccountCleared
    | Observed
    | ExitProven
    | ExitRefused
    | ExitAsked
    | ExitEnded
)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a row can be found by; empty text where it does not apply."""

    kind: str
    chain: str = ""
    owner: str = ""
    plan_id: str = ""
    tx_hash: str = ""


def encode(event: Event) -> tuple[Keys, Doc]:
    """The row keys and the document of an event."""
    match event:
        case PlanWritten(plan, lines):
            keys = Keys("plan.written", plan.block.chain, plan.owner, plan.id)
            return keys, {"plan": plan_to_doc(plan), "lines": list(lines)}
        case PlanMarked(plan_id, status, by, reason):
            return Keys("plan.marked", plan_id=plan_id), {"status": status.value, "by": by, "reason": reason}
        case TxSigned():
            keys = Keys("tx.signed", event.chain, event.owner, event.plan_id, event.hash)
            terms: Doc = {} if event.svm is None else {"svm": _terms_to_doc(event.svm)}
            terms |= {} if event.given is None else {"given": list(event.given)}
            return keys, terms | {
                "leg": event.leg,
                "market_id": event.market_id,
                "raw": "0x" + event.raw.hex(),
                "nonce": event.nonce,
                "gas": event.gas,
                "max_fee_wei": str(event.max_fee_wei),
                "priority_fee_wei": str(event.priority_fee_wei),
                "words": event.words,
                "expires_at": event.expires_at,
                "simulated_at": block_to_doc(event.simulated_at),
                "predicted": deltas_to_doc(event.predicted),
                "replaces": event.replaces,
            }
        case TxSent(chain, owner, tx_hash, attempt):
            return Keys("tx.sent", chain, owner, tx_hash=tx_hash), {"attempt": attempt}
        case TxNoted(chain, owner, tx_hash, note):
            return Keys("tx.noted", chain, owner, tx_hash=tx_hash), {"note": note}
        case TxSettled(chain, owner, outcome):
            return Keys("tx.settled", chain, owner, tx_hash=outcome.hash), {"outcome": outcome_to_doc(outcome)}
        case AccountStopped(chain, owner, reason, stopped_by):
            return Keys("account.stopped", chain, owner, tx_hash=stopped_by or ""), {"reason": reason}
        case AccountCleared(chain, owner, by):
            return Keys("account.cleared", chain, owner), {"by": by}
        case Observed(chain, owner, block, facts):
            return Keys("observed", chain, owner), {"block": block_to_doc(block), "facts": dict(facts)}
        case ExitProven():
            return Keys("exit.proven", event.chain, event.owner), {
                "market_id": event.market_id,
                "fingerprint": event.fingerprint,
                "time": event.time,
                "up_to": amount_to_doc(event.up_to),
                "on_chain": event.on_chain,
            }
        case ExitRefused():
            return Keys("exit.refused", event.chain, event.owner), {
                "market_id": event.market_id,
                "fingerprint": event.fingerprint,
                "reason": event.reason,
                "on_chain": event.on_chain,
                "time": event.time,
            }
        case ExitAsked():
            return Keys("exit.asked", event.chain, event.owner), {
                "market_id": event.market_id,
                "asked": amount_to_doc(event.asked),
                "ready": amount_to_doc(event.ready),
                "back": amount_to_doc(event.back),
                "until": event.until,
                "time": event.time,
            }
        case ExitEnded():
            document = {"market_id": event.market_id, "time": event.time}
            return Keys("exit.ended", event.chain, event.owner), document


def decode(keys: Keys, doc: Any) -> Event:
    """The event of a row. Raises ValueError when the row is not one."""
    match keys.kind:
        case "plan.written":
            return PlanWritten(plan_from_doc(part(doc, "plan", Mapping)), tuple(part(doc, "lines", list)))
        case "plan.marked":
            status = PlanStatus(part(doc, "status", str))
            return PlanMarked(keys.plan_id, status, part(doc, "by", str), part(doc, "reason", str))
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
        case "observed":
            block = block_from_doc(part(doc, "block", Mapping))
            return Observed(chain_id(keys.chain), Address(keys.owner), block, part(doc, "facts", Mapping))
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
            )
        case "exit.ended":
            return ExitEnded(
                chain=chain_id(keys.chain),
                owner=Address(keys.owner),
                market_id=MarketId(part(doc, "market_id", str)),
                time=part(doc, "time", int),
            )
        case other:
            raise ValueError(f"unknown kind {other!r}")


def _terms_to_doc(terms: SvmTerms) -> Doc:
    return {
        "last_valid_height": terms.last_valid_height,
        "meaning": terms.meaning,
        "fee_lamports": str(terms.fee_lamports),
    }


def _terms_from_doc(doc: Any) -> SvmTerms:
    return SvmTerms(part(doc, "last_valid_height", int), part(doc, "meaning", str), integer(doc, "fee_lamports"))
